/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bridge: a visitor's TLS connection and, at the other end of a socket pair, the plain connection that libmicrohttpd (and
 * after an upgrade a WebSocket, or MQTT) works with as with any other. Whoever holds that end needs to know nothing:
 *
 *     visitor                          inner end
 *     bytes               ->           bytes           stops while the pair is full
 *     close_notify        ->           end             after all that came before
 *     cut, reset          ->           both directions end; bridge_end.gone
 *     bytes               <-           bytes           stops while the visitor does not read
 *     close_notify        <-           end
 *     cut (no such word)  <-           end after bridge_cut()
 *
 * What one side does not take waits in one block of at most BRIDGE_BYTES for each direction; an idle one holds none. A
 * bridge belongs to its front and frees itself.
 */
#ifndef SERVER_BRIDGE_H
#define SERVER_BRIDGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/list.h"

struct bridge;
struct deadline;
struct front;

/* What the holder of the inner end has of its bridge; all zero when the connection is no bridge's. */
struct bridge_end {
    struct bridge *bridge; /* NULL: none, or gone */
    /* The visitor was cut; the inner socket has ended. May not free what it is in. NULL: not wanted. */
    void (*gone)(struct bridge_end *end);
};

/*
 * The handshake begins on `fd` (taken), from its first byte on. When it is over the front gets the inner end, as a visitor
 * from `address`. `place` in the crowd is the bridge's. False: no memory, `fd` is closed.
 */
bool bridge_create(struct front *f, int fd, const struct sockaddr *address, socklen_t len, uint32_t place);
void bridge_expired(struct deadline *d);
/* Cuts all that have no work to finish, or (`all`) every one. */
void bridges_close(struct front *f, bool all);
/* Those of clients, too; after the worker has stopped. */
void bridges_free(struct front *f);

/* From now on the end knows the bridge, and only it. */
void bridge_attach(struct bridge *b, struct bridge_end *end);
void bridge_end_move(struct bridge_end *from, struct bridge_end *to);
void bridge_end_detach(struct bridge_end *end);
/* When the visitor has sent something last, in the worker's time; 0: never, or no bridge. */
uint64_t bridge_heard_us(const struct bridge_end *end);
/*
 * The connection is a client's from now on, and nobody has its end: it does not hold up the front's end, and goes on after
 * it, until bridges_free(). Nothing happens without a bridge.
 */
void bridge_give_to_client(struct bridge_end *end);
/* What was said was not all: the visitor must not get an orderly end. Nothing happens without a bridge. */
void bridge_cut(struct bridge_end *end);

#endif
