/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Visit: one local connection and its stream to the device, or from it, with a pump between the two (relay/pump.h). It frees itself
 * when both ends are done. Everything is on its worker.
 */
#ifndef CONNECT_VISIT_H
#define CONNECT_VISIT_H

#include <stdbool.h>

#include "connect/wish.h"
#include "peer/hub.h"
#include "dial/lookup.h"
#include "relay/pump.h"

/* What one worker has. */
struct visits {
    struct hub_shard *hub;
    struct list all;
    unsigned count;
    struct pump_room room;
};

void visits_init(struct visits *v, struct worker *worker);
/*
 * Takes the connected, non-blocking socket over, also when there is no way (it is cut then, and the log says why).
 * `from`: "127.0.0.1:40000", for the device's log; "": it has no address. `done`: NULL, or told how it ended.
 */
void visit_open(struct visits *v, const struct wish *wish, int fd, const char *from,
                void (*done)(void *ctx, const struct error *reason), void *ctx);
/* The other way: a stream that the device has opened leads to `target`, which is dialled. Takes the conduit over. */
void visit_open_back(struct visits *v, const struct wish *wish, struct conduit *c, const struct open_head *head,
                     struct lookups *lookups);
/* Cuts every one, both ways. */
void visits_cut(struct visits *v, const struct error *reason);

#endif
