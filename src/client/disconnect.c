/* SPDX-License-Identifier: Apache-2.0 */
/* A workstation ends tunnels: on all workers, and the workstations that had them hear who it was. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client_inner.h"
#include "client/guest.h"

/* What every worker is told to end. */
struct order {
    struct client_shard *shard; /* that works on it */
    struct tunnel_owner whose;
    struct conduit_peer asker;
    char who[NAME_MAX_BYTES + 1];
};

static bool same_session(const struct conduit_peer *a, const struct conduit_peer *b)
{
    return a->owner == b->owner && a->session == b->session && strcmp(a->instance, b->instance) == 0;
}

static void order_tell(void *ctx, const struct hub_session *session)
{
    const struct order *o = ctx;
    const struct conduit_peer *peer = &session->peer;
    if (peer->guest && tunnel_owner_has(&o->whose, peer) && !same_session(peer, &o->asker))
        control_tell(o->shard, peer, o->who);
}

static void order_run(void *ctx, unsigned worker, void *arg)
{
    struct client *c = ctx;
    struct order *o = arg;
    o->shard = &c->shards[worker];
    tunnels_cut(&o->shard->tunnels, &o->whose, &error_disconnected);
    hub_sessions(o->shard->hub, order_tell, o);
    free(o);
}

void client_disconnect(void *ctx, const struct tunnel_owner *whose, const struct conduit_peer *asker, const char *who)
{
    struct client *c = ctx;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    for (unsigned i = 0; i < c->crew.count; i++) {
        struct order *o = calloc(1, sizeof(*o));
        if (o == NULL)
            return;
        *o = (struct order){.whose = *whose, .asker = *asker};
        snprintf(o->who, sizeof(o->who), "%s", who);
        crew_run(&c->crew, i, order_run, c, o, free);
    }
}
