/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP proxy on the way to a broker (CONNECT, RFC 9110 9.3.6): from a setting, or from the environment. */
#ifndef LINK_PROXY_H
#define LINK_PROXY_H

#include <stdbool.h>
#include <stdint.h>

#include "link/url.h"

#define LINK_PROXY_USER_MAX 255

struct link_proxy {
    uint16_t port;                      /* 0: there is none on the way */
    char host[LINK_HOST_MAX + 1];       /* IPv6 without brackets */
    char user[LINK_PROXY_USER_MAX + 1]; /* "NAME:PASSWORD" as in a URL; "" without */
};

/* "[http://][NAME[:PASSWORD]@]HOST[:PORT]", port 8080 when none is said. NULL, or what is wrong with `text`. */
const char *link_proxy_parse(const char *text, struct link_proxy *out);
/* Whether `host` is on a list as in $no_proxy: names with all that is below them, addresses, "*". NULL: empty. */
bool link_proxy_exempts(const char *list, const char *host);
/*
 * The proxy on the way to `host`. `setting`: a proxy; "none"; or NULL: $https_proxy for TLS, else $http_proxy, but not
 * for this machine itself, nor for what $no_proxy names. NULL, or what is wrong. Takes $http_proxy and $https_proxy
 * out of the environment, where the MQTT library would find them and ask nobody: at the start only, before there are
 * other threads.
 */
const char *link_proxy_choose(const char *setting, const char *host, bool tls, struct link_proxy *out);

#endif
