/* SPDX-License-Identifier: Apache-2.0 */
/* Entity-tags of HTTP (RFC 9110 8.8.3). Pure. */
#ifndef FILES_ETAG_H
#define FILES_ETAG_H

#include <stdbool.h>

/*
 * Whether the list of entity-tags `list` (one field If-None-Match, RFC 9110 13.1.2) is "*" or has `etag` ("\"...\"" with its quotes).
 * The comparison is weak: W/ before a tag changes nothing. A list with an error in it ends there.
 */
bool etag_listed(const char *list, const char *etag);

#endif
