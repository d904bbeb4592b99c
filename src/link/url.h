/* SPDX-License-Identifier: Apache-2.0 */
/* A broker's address: mqtt://HOST:1883, mqtts://HOST:8883, ws://HOST:80/mqtt, wss://HOST:443/mqtt. */
#ifndef LINK_URL_H
#define LINK_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "mdm-tunnel/limits.h"

#define LINK_HOST_MAX 255
#define LINK_PATH_MAX 255

struct link_url {
    bool tls, websocket;
    uint16_t port;                /* the scheme's own when none is said */
    char host[LINK_HOST_MAX + 1]; /* name or address, IPv6 without brackets */
    char path[LINK_PATH_MAX + 1]; /* of the WebSocket, "/mqtt" when none is said; "" without WebSocket */
};

/* Take a host (an IPv6 address in brackets), and ":PORT" if it is there: what is behind it, NULL when it is none. */
const char *link_host_parse(const char *text, char host[static LINK_HOST_MAX + 1]);
const char *link_port_parse(const char *text, uint16_t *port);
/* Brokers that are one to their users, such as the nodes of a cluster; the first one stands for all where one name is
 * needed. */
struct link_urls {
    unsigned count; /* 1 at least */
    struct link_url list[LINK_URLS_MAX];
};

/* NULL, or what is wrong with `text`. */
const char *link_url_parse(const char *text, struct link_url *out);
/* The same for URLs with commas between them, a program's way into a tunnel: of a WebSocket, a lone slash is "/mqtt", too. */
const char *link_urls_parse(const char *text, struct link_urls *out);

#endif
