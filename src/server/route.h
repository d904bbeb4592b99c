/* SPDX-License-Identifier: Apache-2.0 */
/* Which client and service a Host means. Pure; any thread. */
#ifndef SERVER_ROUTE_H
#define SERVER_ROUTE_H

#include "wire/domain.h"
#include "wire/http.h"

enum route_kind {
    ROUTE_STATUS,  /* the server itself: its domain, an address, a single label */
    ROUTE_CLIENT,  /* CLIENT.DOMAIN: its service `default`, or its listing */
    ROUTE_SERVICE, /* SERVICE.CLIENT.DOMAIN or SERVICE--CLIENT.DOMAIN */
    ROUTE_UNKNOWN, /* a name that nobody here can have */
};

struct route {
    enum route_kind kind;
    char client[64];  /* lower case; ROUTE_CLIENT and ROUTE_SERVICE */
    char service[64]; /* ROUTE_SERVICE */
    char domain[DOMAIN_TEXT_MAX + 1]; /* ROUTE_CLIENT by a domain of the client's own: this one, lower case; else "" */
};

/*
 * `host`: of an http_authority (no port, no trailing dot). `domain`: NULL takes any suffix, as the first labels say:
 * three labels and more are SERVICE.CLIENT.anything, two are CLIENT.anything, one is the server.
 */
void route_host(struct http_text host, const char *domain, struct route *out);

#endif
