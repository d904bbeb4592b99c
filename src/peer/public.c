/* SPDX-License-Identifier: Apache-2.0 */
/* What a server says of public ports: it knows of it on one worker, the sessions are on others. */
#include <string.h>

#include "peer/peer_session.h"
#include "peer/shard.h"

struct saying {
    struct mail mail;
    struct hub_shard *to;
    char instance[INSTANCE_TEXT_BYTES + 1];
    struct public_port port;
};

static void saying_discard(struct mail *m) { free(CONTAINER_OF(m, struct saying, mail)); }

static void saying_deliver(struct worker *self, struct mail *m)
{
    struct saying *w = CONTAINER_OF(m, struct saying, mail);
    struct peer_session *here[ROUTES_HERE_MAX];
    (void)self;
    CHECK_OBJECT(w->to, SHARD_MAGIC);
    unsigned count = routes_here(&w->to->routes, w->instance, here);
    for (unsigned i = 0; i < count; i++)
        if (here[i]->up)
            mux_say_public(here[i]->mux, &w->port);
    saying_discard(m);
}

void hub_say_public(struct hub_shard *s, const char *instance, const struct public_port *p)
{
    CHECK_OBJECT(s, SHARD_MAGIC);
    const struct list *routes = routes_of(&s->routes, instance);
    if (routes == NULL || list_empty(routes))
        return;
    struct saying *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return;
    w->mail = (struct mail){.deliver = saying_deliver, .discard = saying_discard};
    list_init(&w->mail.node);
    w->to = s->hub->shards[CONTAINER_OF(routes->prev, struct route, node)->owner];
    memcpy(w->instance, instance, INSTANCE_TEXT_BYTES);
    w->port = *p;
    worker_post(w->to->worker, &w->mail);
}

bool hub_offers(struct hub_shard *s, const char *id, bool (*is)(void *ctx, const struct offering *o), void *ctx)
{
    CHECK_OBJECT(s, SHARD_MAGIC);
    return directory_offers(s->directory, id, is, ctx);
}
