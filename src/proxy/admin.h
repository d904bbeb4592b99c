/* SPDX-License-Identifier: Apache-2.0 */
/* What --admin shows: /metrics (with a token), /healthz, /readyz. On threads of its own (web/web.h). Main thread. */
#ifndef PROXY_ADMIN_H
#define PROXY_ADMIN_H

#include "proxy/settings.h"

struct proxy_admin;
struct worker;

/* Opens the ports. NULL and *err. The workers outlive it. */
struct proxy_admin *proxy_admin_create(const struct proxy_settings *s, struct worker *const *workers, unsigned count,
                                       struct config_error *err);
/* 0 or an errno. */
int proxy_admin_start(struct proxy_admin *a);
/* Of the first address. */
uint16_t proxy_admin_port(const struct proxy_admin *a);
/* It is not ready any more. */
void proxy_admin_drain(struct proxy_admin *a);
/* Waits for the answer that is being made. */
void proxy_admin_stop(struct proxy_admin *a);
void proxy_admin_free(struct proxy_admin **a);

#endif
