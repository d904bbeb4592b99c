/* SPDX-License-Identifier: Apache-2.0 */
/* What a request has to be before a handler sees it: pure rules over fields of the head, which strangers' pages may have sent. */
#ifndef WEB_GUARD_H
#define WEB_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* Is Host's value an IP address, localhost or one of `names` (NULL: none), with or without a port? */
bool guard_host(const char *host, const char *const *names);
/* May a method that changes something come from there? `origin`, `site` (Sec-Fetch-Site): NULL: not sent. */
bool guard_origin(const char *host, const char *origin, const char *site);
/* Is the media type application/json, with parameters or without? */
bool guard_json(const char *type);
/* Compares in a time that depends on `given` only. */
bool guard_secret(const char *secret, const char *given, size_t given_len);
/* "Bearer TOKEN" (RFC 6750 2.1). */
bool guard_bearer(const char *authorization, const char *token);
/* Does the value of Cookie have NAME=SECRET? */
bool guard_cookie(const char *cookie, const char *name, const char *secret);

#endif
