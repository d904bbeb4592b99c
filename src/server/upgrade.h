/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upgrade: a visitor's connection after the 101: bytes in both directions between its socket and the stream, half-close
 * included. It has a duplicate of the socket, so that libmicrohttpd can free all it had for the connection.
 */
#ifndef SERVER_UPGRADE_H
#define SERVER_UPGRADE_H

#include <microhttpd.h>

#include "base/list.h"
#include "server/deadline.h"

struct front;

/* libmicrohttpd's upgrade handler; `ctx` is the exchange, whose stream is taken over. */
void upgrade_start(void *ctx, struct MHD_Connection *c, void *exchange, const char *early, size_t early_len,
                   MHD_socket socket, struct MHD_UpgradeResponseHandle *handle);
/* Cuts all of them. */
void upgrades_stop(struct front *f);
void upgrade_expired(struct deadline *d);

#endif
