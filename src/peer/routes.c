/* SPDX-License-Identifier: Apache-2.0 */
/* Routes: instance -> its sessions and their owners. */
#include "peer/routes.h"

#include <stdlib.h>
#include <string.h>

struct routed_peer {
    struct table_node by_instance, by_place;
    struct list node; /* in routes.all */
    struct list routes;
    unsigned count;
    char instance[INSTANCE_TEXT_BYTES + 1];
};

bool routes_init(struct routes *r, const uint64_t key[static 2])
{
    list_init(&r->all);
    memcpy(r->key, key, sizeof(r->key));
    return table_init(&r->peers) && table_init(&r->places);
}

static struct routed_peer *peer_find(const struct routes *r, const char *instance)
{
    uint64_t hash = table_hash(r->key, instance, INSTANCE_TEXT_BYTES);
    for (struct table_node *n = table_first(&r->peers, hash); n != NULL; n = table_next(n)) {
        struct routed_peer *p = CONTAINER_OF(n, struct routed_peer, by_instance);
        if (memcmp(p->instance, instance, INSTANCE_TEXT_BYTES) == 0)
            return p;
    }
    return NULL;
}

static uint64_t place_hash(const struct routes *r, const char *instance)
{
    return table_hash(r->key, instance, INSTANCE_PLACE_BYTES);
}

static struct routed_peer *peer_create(struct routes *r, const char *instance)
{
    struct routed_peer *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    memcpy(p->instance, instance, INSTANCE_TEXT_BYTES);
    list_init(&p->routes);
    list_append(&r->all, &p->node);
    table_add(&r->peers, &p->by_instance, table_hash(r->key, instance, INSTANCE_TEXT_BYTES));
    table_add(&r->places, &p->by_place, place_hash(r, instance));
    return p;
}

static void peer_free(struct routes *r, struct routed_peer *p)
{
    for (struct list *n; (n = list_shift(&p->routes)) != NULL;)
        free(CONTAINER_OF(n, struct route, node));
    list_remove(&p->node);
    table_remove(&r->peers, &p->by_instance);
    table_remove(&r->places, &p->by_place);
    free(p);
}

void routes_done(struct routes *r)
{
    while (!list_empty(&r->all))
        peer_free(r, CONTAINER_OF(r->all.next, struct routed_peer, node));
    table_done(&r->peers);
    table_done(&r->places);
}

static struct route *route_find(const struct routed_peer *p, uint32_t session)
{
    LIST_FOREACH(n, &p->routes) {
        struct route *route = CONTAINER_OF(n, struct route, node);
        if (route->session == session)
            return route;
    }
    return NULL;
}

bool routes_add(struct routes *r, const char *instance, uint32_t session, unsigned owner, struct peer_session *here)
{
    struct routed_peer *p = peer_find(r, instance);
    if (p != NULL && route_find(p, session) != NULL)
        return true;
    struct route *route = calloc(1, sizeof(*route));
    if (route == NULL || (p == NULL && (p = peer_create(r, instance)) == NULL)) {
        free(route);
        return false;
    }
    *route = (struct route){.session = session, .weight = 1, .owner = owner, .here = here};
    list_append(&p->routes, &route->node);
    p->count++;
    return true;
}

void routes_weigh(struct routes *r, const char *instance, uint32_t session, unsigned weight)
{
    struct routed_peer *p = peer_find(r, instance);
    struct route *route = p == NULL ? NULL : route_find(p, session);
    if (route != NULL)
        route->weight = weight;
}

unsigned routes_weight(const struct routes *r, const char *instance)
{
    const struct routed_peer *p = peer_find(r, instance);
    return p == NULL ? 1 : CONTAINER_OF(p->routes.prev, struct route, node)->weight;
}

void routes_remove(struct routes *r, const char *instance, uint32_t session)
{
    struct routed_peer *p = peer_find(r, instance);
    struct route *route = p == NULL ? NULL : route_find(p, session);
    if (route == NULL)
        return;
    list_remove(&route->node);
    free(route);
    if (--p->count == 0)
        peer_free(r, p);
}

const struct route *routes_find(const struct routes *r, const char *instance, uint32_t session)
{
    const struct routed_peer *p = peer_find(r, instance);
    return p == NULL ? NULL : route_find(p, session);
}

const struct list *routes_of(const struct routes *r, const char *instance)
{
    const struct routed_peer *p = peer_find(r, instance);
    return p == NULL ? NULL : &p->routes;
}

static unsigned peer_here(const struct routed_peer *p, struct peer_session **out, unsigned max)
{
    unsigned count = 0;
    LIST_FOREACH(n, &p->routes) {
        struct route *route = CONTAINER_OF(n, struct route, node);
        if (route->here != NULL && count < max)
            out[count++] = route->here;
    }
    return count;
}

unsigned routes_here(const struct routes *r, const char *instance, struct peer_session *out[static ROUTES_HERE_MAX])
{
    const struct routed_peer *p = peer_find(r, instance);
    return p == NULL ? 0 : peer_here(p, out, ROUTES_HERE_MAX);
}

unsigned routes_former(const struct routes *r, const char *instance,
                       struct peer_session *out[static FORMER_SESSIONS_MAX])
{
    unsigned count = 0;
    for (struct table_node *n = table_first(&r->places, place_hash(r, instance));
         n != NULL && count < FORMER_SESSIONS_MAX; n = table_next(n)) {
        const struct routed_peer *p = CONTAINER_OF(n, struct routed_peer, by_place);
        if (memcmp(p->instance, instance, INSTANCE_PLACE_BYTES) == 0 &&
            memcmp(p->instance, instance, INSTANCE_TEXT_BYTES) != 0)
            count += peer_here(p, out + count, FORMER_SESSIONS_MAX - count);
    }
    return count;
}

unsigned routes_count(const struct routes *r, const char *instance)
{
    const struct routed_peer *p = peer_find(r, instance);
    return p == NULL ? 0 : p->count;
}
