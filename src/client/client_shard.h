/* SPDX-License-Identifier: Apache-2.0 */
/* What one worker of the client owns. All of it is on that worker. */
#ifndef CLIENT_CLIENT_SHARD_H
#define CLIENT_CLIENT_SHARD_H

#include <event2/event_struct.h>
#include <stdatomic.h>

#include "base/worker.h"
#include "client/catalog.h"
#include "client/gate.h"
#include "client/tunnel.h"
#include "dial/lookup.h"
#include "relay/pump.h"

struct inspector;

struct client_shard {
    struct worker *worker;
    struct inspector *inspector; /* the client's; NULL: nobody looks */
    struct lookups *lookups; /* the client's */
    struct gate *gate;       /* the client's; NULL: no workstation may open anything */
    struct ledger *ledger;   /* likewise */
    struct hub_shard *hub;
    struct catalog *catalog; /* a reference of its own */
    const char *id;          /* the client's, for log lines */
    atomic_uint *streams;    /* the client's: local connections of all workers */
    void (*idle)(void *ctx); /* the last local connection of all has ended */
    /* `asker` ends the tunnels of these, here and on all other workers; `who` is its name. */
    void (*disconnect)(void *ctx, const struct tunnel_owner *whose, const struct conduit_peer *asker, const char *who);
    void *ctx;
    int64_t since_s; /* when the program started, since 1970 */
    struct list locals;
    struct list resends; /* of the inspector */
    struct list tunnels, controls; /* of workstations */
    unsigned listeners;
    struct pump_room room;
    struct event sweep; /* while draining */
};

#endif
