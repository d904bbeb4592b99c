/* SPDX-License-Identifier: Apache-2.0 */
/* Streams to services and the pool of idle ones. */
#include "server/upstream.h"

#include <string.h>

#include "mdm-tunnel/limits.h"
#include "server/exchange.h"
#include "server/front.h"

/* The idle streams to one service of one instance, under one edition of its offer. Exists while it has any. */
struct lane {
    struct list bucket_node;
    struct list idle; /* the one that became idle last is the last */
    unsigned count;
    struct hub_choice at;
    char client[64], service[64];
};

/* -- news of the stream -------------------------------------------------------------------------------------------- */

static struct upstream *upstream_of(void *ctx)
{
    struct upstream *u = ctx;

    CHECK_OBJECT(u, UPSTREAM_MAGIC);
    return u;
}

static void upstream_accepted(void *ctx)
{
    struct upstream *u = upstream_of(ctx);

    u->accepted = true;
    if (u->exchange == NULL)
        return;
    u->exchange->times.accepted_us = worker_now_us(u->front->worker);
    replay_forget(u->exchange);
}

static void upstream_readable(void *ctx)
{
    struct upstream *u = upstream_of(ctx);

    if (u->exchange != NULL)
        exchange_upstream_readable(u->exchange);
    else
        upstream_close(&u, &error_cancelled); /* nobody asked: not to be trusted any more */
}

static void upstream_writable(void *ctx)
{
    struct upstream *u = upstream_of(ctx);

    if (u->exchange != NULL)
        exchange_upstream_writable(u->exchange);
}

static void upstream_ended(void *ctx, const struct error *reason)
{
    struct upstream *u = upstream_of(ctx);

    if (u->exchange != NULL)
        exchange_upstream_readable(u->exchange);
    else
        upstream_close(&u, reason);
}

static const struct conduit_events upstream_events = {
    .accepted = upstream_accepted,
    .readable = upstream_readable,
    .writable = upstream_writable,
    .ended = upstream_ended,
};

/* -- the pool ------------------------------------------------------------------------------------------------------ */

void pool_init(struct pool *p)
{
    p->idle = 0;
    for (size_t i = 0; i < POOL_BUCKETS; i++)
        list_init(&p->bucket[i]);
}

static struct list *pool_bucket(struct pool *p, const struct hub_choice *at, const char *service)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (const char *c = at->instance; *c != '\0'; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619u;
    for (const char *c = service; *c != '\0'; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619u;
    return &p->bucket[(hash ^ hash >> 16) % POOL_BUCKETS];
}

static struct lane *lane_find(struct list *bucket, const struct hub_choice *at, const char *service)
{
    LIST_FOREACH(node, bucket) {
        struct lane *l = CONTAINER_OF(node, struct lane, bucket_node);
        if (l->at.edition == at->edition && strcmp(l->at.instance, at->instance) == 0 &&
            strcmp(l->service, service) == 0)
            return l;
    }
    return NULL;
}

static struct lane *lane_create(struct list *bucket, const struct upstream *u)
{
    struct lane *l = calloc(1, sizeof(*l));

    if (l == NULL)
        return NULL;
    l->at = u->at;
    strcpy(l->client, u->client);
    strcpy(l->service, u->service);
    list_init(&l->idle);
    list_append(bucket, &l->bucket_node);
    return l;
}

/* Takes `u` out of its lane; the lane goes with its last stream. */
static void lane_leave(struct upstream *u)
{
    struct lane *l = u->lane;

    if (l == NULL)
        return;
    u->lane = NULL;
    list_remove(&u->lane_node);
    deadline_clear(&u->deadline);
    u->front->pool.idle--;
    if (--l->count > 0)
        return;
    list_remove(&l->bucket_node);
    free(l);
}

static bool lane_enter(struct upstream *u)
{
    struct pool *p = &u->front->pool;
    struct list *bucket = pool_bucket(p, &u->at, u->service);
    struct lane *l = lane_find(bucket, &u->at, u->service);

    if (p->idle >= IDLE_STREAMS_PER_WORKER_MAX || (l != NULL && l->count >= IDLE_STREAMS_PER_SERVICE_MAX) ||
        (l == NULL && (l = lane_create(bucket, u)) == NULL))
        return false;
    list_append(&l->idle, &u->lane_node);
    l->count++;
    p->idle++;
    u->lane = l;
    return true;
}

static void lane_close(struct lane *l, const struct error *reason)
{
    for (unsigned left = l->count; left > 0; left--) {
        struct upstream *u = CONTAINER_OF(l->idle.next, struct upstream, lane_node);
        upstream_close(&u, reason); /* the last one takes the lane with it */
    }
}

void pool_drop(struct pool *p, const char *client, const struct error *reason)
{
    for (size_t i = 0; i < POOL_BUCKETS; i++)
        LIST_FOREACH_SAFE(node, next, &p->bucket[i]) {
            struct lane *l = CONTAINER_OF(node, struct lane, bucket_node);
            if (client == NULL || strcmp(l->client, client) == 0)
                lane_close(l, reason);
        }
}

/* -- a stream's life ----------------------------------------------------------------------------------------------- */

struct upstream *upstream_reuse(struct front *f, struct exchange *ex, const struct hub_choice *at, const char *service)
{
    struct lane *l = lane_find(pool_bucket(&f->pool, at, service), at, service);

    if (l == NULL)
        return NULL;
    struct upstream *u = CONTAINER_OF(l->idle.prev, struct upstream, lane_node);
    lane_leave(u);
    u->exchange = ex;
    u->reused = true;
    return u;
}

struct upstream *upstream_open(struct front *f, struct exchange *ex, const struct hub_choice *at,
                               const struct open_head *head, const struct error **why)
{
    struct upstream *u;

    ALLOC_OBJECT(u, UPSTREAM_MAGIC);
    if (u == NULL) {
        *why = &error_no_memory;
        return NULL;
    }
    u->conduit = hub_open(f->shard, at, head, &upstream_events, u, why);
    if (u->conduit == NULL) {
        FREE_OBJECT(u);
        return NULL;
    }
    u->front = f;
    u->exchange = ex;
    list_init(&u->lane_node);
    deadline_init(&u->deadline);
    u->at = *at;
    strcpy(u->client, ex->route.client);
    strcpy(u->service, head->service);
    return u;
}

void upstream_keep(struct upstream **up)
{
    struct upstream *u;

    TAKE_OBJECT(u, up, UPSTREAM_MAGIC);
    u->exchange = NULL;
    if (u->front->draining || u->sole || !lane_enter(u))
        upstream_close(&u, &error_cancelled);
    else
        deadline_set(&u->front->deadlines, DEADLINE_STREAM, &u->deadline);
}

void upstream_close(struct upstream **up, const struct error *reason)
{
    struct upstream *u;

    if (*up == NULL)
        return;
    TAKE_OBJECT(u, up, UPSTREAM_MAGIC);
    lane_leave(u);
    conduit_close(&u->conduit, reason);
    FREE_OBJECT(u);
}

struct conduit *upstream_release(struct upstream **up)
{
    struct upstream *u;

    TAKE_OBJECT(u, up, UPSTREAM_MAGIC);
    struct conduit *c = u->conduit;
    FREE_OBJECT(u);
    return c;
}

void upstream_expired(struct deadline *d)
{
    struct upstream *u = CONTAINER_OF(d, struct upstream, deadline);

    CHECK_OBJECT(u, UPSTREAM_MAGIC);
    upstream_close(&u, &error_cancelled);
}
