/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of host names: "www.tim.org", or "*.tim.org" for any one label in front (as in certificates, RFC 6125 6.4.3). Pure. */
#ifndef WIRE_DOMAIN_H
#define WIRE_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/http.h"

#define DOMAIN_TEXT_MAX 253
/* In front of a domain: the name of the TXT record that says whose it is. */
#define PROOF_LABEL "_mdm-tunnel."

enum domain_match { DOMAIN_NOT, DOMAIN_WILDCARD, DOMAIN_EXACT };

/* Two labels or more, of lower-case letters, digits and hyphens, the last one no number; before them "*." or not. */
bool domain_pattern_valid(struct http_text pattern);
/* `host` in lower case, without port and last dot. */
enum domain_match domain_match(struct http_text pattern, struct http_text host);
/* Whether `name`, a host or a pattern, is `domain` or below it; both in lower case. */
bool domain_is_below(struct http_text name, struct http_text domain);
/* In lower case with a NUL; false: too long to be a name. */
bool domain_lower(struct http_text host, char out[static DOMAIN_TEXT_MAX + 1]);

#endif
