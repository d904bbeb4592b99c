/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrival: a public connection before it is clear whose it is and what it speaks. Its first bytes are looked at and, but
 * for a front proxy's head, left in the socket for whoever gets it:
 *
 *   PROXY ──▶ HELLO ──▶ ASK ──▶ a stream to a service of kind tls or tcp (the server never sees the content), or
 *     │         │          ▲    a bridge, which ends TLS here (bridge.h)
 *     ├─────────│──────────┘    (the port of a service)
 *     └─────────│─────────────▶ libmicrohttpd (the plain port)
 *               └─────────────▶ an answer in plain text for whoever speaks HTTP to the TLS port
 *
 * All within DEADLINE_ARRIVAL, ARRIVALS_PER_WORKER_MAX at one time. The worker's own.
 */
#ifndef SERVER_ARRIVAL_H
#define SERVER_ARRIVAL_H

#include <stdbool.h>
#include <sys/socket.h>

struct deadline;
struct front;
struct route;

/* Takes the descriptor (non-blocking). `tls`: it came to the TLS port. `route`: it came to the port of that service, NULL: not. */
void arrival_create(struct front *f, int fd, const struct sockaddr *address, socklen_t len, bool tls,
                    const struct route *route);
void arrival_expired(struct deadline *d);
/* Cuts those that have said nothing yet, or (`all`) every one. */
void arrivals_close(struct front *f, bool all);

#endif
