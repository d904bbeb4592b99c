/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upgrade: a visitor's connection after the 101, or one that is passed through from the start: bytes in both directions
 * between its socket and the stream, half-close included. After a 101 it has a duplicate of the socket, so that
 * libmicrohttpd can free all it had for the connection.
 */
#ifndef SERVER_UPGRADE_H
#define SERVER_UPGRADE_H

#include <microhttpd.h>

#include "base/list.h"
#include "peer/hub.h"
#include "server/access.h"
#include "server/deadline.h"
#include "server/gate.h"

struct front;

/* libmicrohttpd's upgrade handler; `ctx` is the exchange, whose stream is taken over. */
void upgrade_start(void *ctx, struct MHD_Connection *c, void *exchange, const char *early, size_t early_len,
                   MHD_socket socket, struct MHD_UpgradeResponseHandle *handle);
/* A new stream for `fd`, its place in the crowd, what is to be said of it, and what it has passed (all taken), without libmicrohttpd.
 * False and *why. */
bool upgrade_open(struct front *f, int fd, uint32_t place, const struct hub_choice *at, const struct open_head *head,
                  struct access_stream *access, struct gate *gate, const char *client, const struct error **why);
/* Cuts all of them. */
void upgrades_stop(struct front *f);
void upgrade_expired(struct deadline *d);

#endif
