/* SPDX-License-Identifier: Apache-2.0 */
/* What the access log says of a session of MQTT or a request of HTTP; nothing where there is no such log. On the worker. */
#ifndef PROXY_ACCESS_H
#define PROXY_ACCESS_H

#include "proxy/inner.h"

struct gateway;

/* The pair closes: its line; p->why says for what. */
void access_pair(const struct pair *p);
/* A request is over, or (101) the WebSocket that it has become, with this status (0: nothing was answered); `why`: "": as it should be. */
void access_request(struct gateway *g, unsigned status, const char *why);

#endif
