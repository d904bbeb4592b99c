/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Udp: a local port for datagrams. Each sender has a stream of its own to the device, so that answers find it; a sender that
 * is silent for long loses it, and gets another with its next datagram. Everything is on the worker.
 */
#ifndef CONNECT_UDP_H
#define CONNECT_UDP_H

#include "connect/door.h"

struct udp_door;

/* The door is bound, and outlives this. NULL without memory. */
struct udp_door *udp_door_create(const struct door *d, struct hub_shard *hub, struct worker *worker);
/* On the worker, or after it has stopped. *u becomes NULL; NULL is allowed. */
void udp_door_free(struct udp_door **u);

#endif
