/* SPDX-License-Identifier: Apache-2.0 */
/* Claims, each with a timer of its own. */
#include "peer/claim.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/counters.h"
#include "peer/peer_session.h"

/* Pauses between attempts, and the pause while another session with the instance, or too many others, are under way. */
#define RETRY_US (1 * US_PER_S)
#define RETRY_MAX_US (60 * US_PER_S)
#define BUSY_US (1 * US_PER_S)

#define CLAIM_NAME_BYTES (NAME_MAX_BYTES + 1 + INSTANCE_TEXT_BYTES + 1)

struct claim {
    OBJECT_MAGIC;
    struct table_node by_name;
    struct list node;
    struct hub_shard *shard;
    struct event timer;
    unsigned failures;
    char id[NAME_MAX_BYTES + 1];
    char instance[INSTANCE_TEXT_BYTES + 1];
};
#define CLAIM_MAGIC 0x636c616d

static uint64_t claim_hash(const struct hub_shard *s, const char *id, const char *instance)
{
    char name[CLAIM_NAME_BYTES];
    int len = snprintf(name, sizeof(name), "%s/%s", id, instance);
    return table_hash(s->routes.key, name, (size_t)len);
}

static struct claim *claim_find(const struct hub_shard *s, const char *id, const char *instance)
{
    for (struct table_node *n = table_first(&s->claims.by_name, claim_hash(s, id, instance)); n != NULL;
         n = table_next(n)) {
        struct claim *c = CONTAINER_OF(n, struct claim, by_name);
        if (strcmp(c->id, id) == 0 && strcmp(c->instance, instance) == 0)
            return c;
    }
    return NULL;
}

static void claim_free(struct claim *c)
{
    list_remove(&c->node);
    event_del(&c->timer);
    FREE_OBJECT(c);
}

bool claims_init(struct claims *c)
{
    list_init(&c->all);
    return table_init(&c->by_name);
}

void claims_done(struct claims *c)
{
    while (!list_empty(&c->all))
        claim_free(CONTAINER_OF(c->all.next, struct claim, node));
    table_done(&c->by_name);
}

static void claim_wait(struct claim *c, uint64_t delay_us)
{
    event_add(&c->timer, &(struct timeval){.tv_sec = (time_t)(delay_us / US_PER_S),
                                           .tv_usec = (suseconds_t)(delay_us % US_PER_S)});
}

/* A session that comes up says so itself; one that ends comes back through claim_failed(). */
static void claim_try(struct claim *c)
{
    struct hub_shard *s = c->shard;
    const struct error *why;
    if (!s->link_up || s->closing || s->changed)
        return;
    if (routes_of(&s->routes, c->instance) != NULL || s->proofs >= PROOFS_PER_WORKER_MAX)
        claim_wait(c, BUSY_US);
    else if (peer_session_open(s, c->id, c->instance, &why) == NULL)
        claim_failed(s, c->id, c->instance);
}

static void on_claim_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct claim *c = ctx;
    (void)fd;
    (void)what;
    CHECK_OBJECT(c, CLAIM_MAGIC);
    claim_try(c);
}

/* Said often, it is not put off again and again. */
static void claim_again(struct claim *c)
{
    if (c->failures <= 1)
        return;
    c->failures = 1;
    if (event_pending(&c->timer, EV_TIMEOUT, NULL))
        claim_wait(c, RETRY_US);
}

void claim_add(struct hub_shard *s, const char *id, const char *instance, uint64_t delay_us)
{
    struct claim *c = claim_find(s, id, instance);
    if (c != NULL) {
        claim_again(c);
        return;
    }
    if (s->claims.by_name.count < INSTANCES_MAX)
        ALLOC_OBJECT(c, CLAIM_MAGIC);
    if (c == NULL) {
        counter_add(counters_self(), COUNTER_limits_hit, 1);
        return;
    }
    c->shard = s;
    snprintf(c->id, sizeof(c->id), "%s", id);
    snprintf(c->instance, sizeof(c->instance), "%s", instance);
    evtimer_assign(&c->timer, worker_events(s->worker), on_claim_timer, c);
    list_append(&s->claims.all, &c->node);
    table_add(&s->claims.by_name, &c->by_name, claim_hash(s, id, instance));
    if (delay_us > 0)
        claim_wait(c, delay_us);
    else
        claim_try(c);
}

static void claim_drop(struct claim *c)
{
    table_remove(&c->shard->claims.by_name, &c->by_name);
    claim_free(c);
}

void claim_remove(struct hub_shard *s, const char *id, const char *instance)
{
    struct claim *c = claim_find(s, id, instance);
    if (c != NULL)
        claim_drop(c);
}

void claim_failed(struct hub_shard *s, const char *id, const char *instance)
{
    struct claim *c = claim_find(s, id, instance);
    if (c == NULL)
        return;
    uint64_t delay_us = RETRY_US << (c->failures < 6 ? c->failures : 6);
    c->failures++;
    claim_wait(c, delay_us < RETRY_MAX_US ? delay_us : RETRY_MAX_US);
}

void claims_retry(struct hub_shard *s)
{
    LIST_FOREACH(n, &s->claims.all) {
        struct claim *c = CONTAINER_OF(n, struct claim, node);
        c->failures = 0;
        if (event_pending(&c->timer, EV_TIMEOUT, NULL))
            claim_wait(c, 0);
    }
}

void claims_clear(struct hub_shard *s)
{
    while (!list_empty(&s->claims.all))
        claim_drop(CONTAINER_OF(s->claims.all.next, struct claim, node));
}
