/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's own page and its interface (--admin): who is there, what passes and what it waits for, and what may be done about
 * it; metrics. On threads of its own (web/web.h); the workers are asked by mail (base/ask.h).
 */
#ifndef SERVER_ADMIN_H
#define SERVER_ADMIN_H

#include "config/error.h"

struct admin;
struct server;

/* Opens the ports. NULL and *err. `s` outlives it. */
struct admin *admin_create(struct server *s, struct config_error *err);
/* While the workers run. 0 or an errno. */
int admin_start(struct admin *a);
/* Where address `index` of the settings listens, for another process. */
int admin_fd(const struct admin *a, unsigned index);
/* Before they stop; waits for the answer that is being made. Idempotent. */
void admin_stop(struct admin *a);
void admin_free(struct admin **a);

#endif
