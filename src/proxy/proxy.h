/* SPDX-License-Identifier: Apache-2.0 */
/* mdm-tunnel-proxy as an object. Main thread. */
#ifndef PROXY_PROXY_H
#define PROXY_PROXY_H

#include "config/error.h"
#include "proxy/settings.h"

struct proxy;

/* Opens the listening sockets and loads the hooks. NULL and *err. The settings outlive it, and are read again at SIGHUP. */
struct proxy *proxy_create(struct proxy_settings *settings, struct config_error *err);
/* Until SIGTERM or SIGINT: 0; or 1 and *err. */
int proxy_run(struct proxy *p, struct config_error *err);
void proxy_free(struct proxy **p);

#endif
