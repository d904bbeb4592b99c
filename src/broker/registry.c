/* SPDX-License-Identifier: Apache-2.0 */
/* Client ids and who holds them. */
#include "broker/registry.h"

#include <stdlib.h>
#include <string.h>

#include "broker/conn.h"
#include "broker/shard.h"

/* On the shard that decides. */
struct holder {
    struct table_node table;
    struct broker_shard *home;
    uint64_t handle;
    bool evicting;          /* it has been told to go */
    struct claim *waiting;  /* the next one; NULL: none */
    char id[];
};

/* Tells a connection to go. */
struct eviction {
    struct mail mail;
    struct broker_shard *home;
    uint64_t handle;
};

static struct claim *claim_at(struct mail *m) { return CONTAINER_OF(m, struct claim, mail); }

static void claim_discard(struct mail *m) { free(claim_at(m)); }

static uint64_t id_hash(const struct broker *b, const char *id) { return table_hash(b->key, id, strlen(id)); }

static struct broker_shard *deciding_shard(const struct broker *b, const char *id)
{
    return b->shards[(id_hash(b, id) >> 32) % b->shard_count];
}

static void claim_send(struct claim *c, struct broker_shard *to, void (*deliver)(struct worker *, struct mail *))
{
    c->mail.deliver = deliver;
    c->mail.discard = claim_discard;
    worker_post(to->worker, &c->mail);
}

/* -- on the connection's shard ------------------------------------------------------------------------------------- */

static void claim_returned(struct worker *self, struct mail *m)
{
    (void)self;
    struct claim *c = claim_at(m);
    struct conn *conn = shard_conn(c->home, c->handle);
    if (conn != NULL && conn_claimed(conn, c))
        return;
    if (c->granted)
        registry_release(c);
    else
        free(c);
}

static void eviction_arrived(struct worker *self, struct mail *m)
{
    (void)self;
    struct eviction *e = CONTAINER_OF(m, struct eviction, mail);
    struct conn *conn = shard_conn(e->home, e->handle);
    if (conn != NULL)
        conn_fail(conn, MQTT_SESSION_TAKEN_OVER, "the client connected again");
    free(e);
}

static void eviction_discard(struct mail *m) { free(CONTAINER_OF(m, struct eviction, mail)); }

/* -- on the shard that decides ------------------------------------------------------------------------------------- */

static struct holder *holder_find(const struct broker_shard *s, const char *id, uint64_t hash)
{
    struct table_node *n = table_first(&s->registry.holders, hash);
    for (; n != NULL; n = table_next(n)) {
        struct holder *h = CONTAINER_OF(n, struct holder, table);
        if (strcmp(h->id, id) == 0)
            return h;
    }
    return NULL;
}

static void claim_answer(struct claim *c, bool granted)
{
    c->granted = granted;
    claim_send(c, c->home, claim_returned);
}

static void holder_set(struct holder *h, struct claim *c)
{
    h->home = c->home;
    h->handle = c->handle;
    h->evicting = false;
    claim_answer(c, true);
}

static void holder_create(struct broker_shard *s, struct claim *c, uint64_t hash)
{
    struct holder *h = calloc(1, sizeof(*h) + strlen(c->id) + 1);
    if (h == NULL) {
        claim_answer(c, false);
        return;
    }
    memcpy(h->id, c->id, strlen(c->id) + 1);
    table_add(&s->registry.holders, &h->table, hash);
    holder_set(h, c);
}

static bool holder_evict(struct holder *h)
{
    struct eviction *e = h->evicting ? NULL : malloc(sizeof(*e));
    if (e == NULL)
        return h->evicting;
    *e = (struct eviction){
        .mail = {.deliver = eviction_arrived, .discard = eviction_discard}, .home = h->home, .handle = h->handle};
    h->evicting = true;
    worker_post(h->home->worker, &e->mail);
    return true;
}

static void claim_arrived(struct worker *self, struct mail *m)
{
    (void)self;
    struct claim *c = claim_at(m);
    struct broker_shard *s = deciding_shard(c->home->broker, c->id);
    uint64_t hash = id_hash(s->broker, c->id);
    struct holder *h = holder_find(s, c->id, hash);
    if (h == NULL) {
        holder_create(s, c, hash);
    } else if (!holder_evict(h)) {
        claim_answer(c, false);
    } else {
        if (h->waiting != NULL)
            claim_answer(h->waiting, false);
        h->waiting = c;
    }
}

static void release_arrived(struct worker *self, struct mail *m)
{
    (void)self;
    struct claim *c = claim_at(m), *next;
    struct broker_shard *s = deciding_shard(c->home->broker, c->id);
    struct holder *h = holder_find(s, c->id, id_hash(s->broker, c->id));
    free(c);
    next = h->waiting;
    h->waiting = NULL;
    if (next != NULL) {
        holder_set(h, next);
    } else {
        table_remove(&s->registry.holders, &h->table);
        free(h);
    }
}

/* -- from any shard ------------------------------------------------------------------------------------------------ */

bool registry_claim(struct broker_shard *home, uint64_t handle, const char *id)
{
    struct claim *c = malloc(sizeof(*c) + strlen(id) + 1);
    if (c == NULL)
        return false;
    *c = (struct claim){.home = home, .handle = handle};
    memcpy(c->id, id, strlen(id) + 1);
    claim_send(c, deciding_shard(home->broker, id), claim_arrived);
    return true;
}

void registry_release(struct claim *c)
{
    claim_send(c, deciding_shard(c->home->broker, c->id), release_arrived);
}

bool registry_init(struct registry *r) { return table_init(&r->holders); }

void registry_done(struct registry *r)
{
    for (size_t i = 0; r->holders.buckets != NULL && i <= r->holders.mask; i++) {
        for (struct table_node *n; (n = r->holders.buckets[i]) != NULL;) {
            struct holder *h = CONTAINER_OF(n, struct holder, table);
            table_remove(&r->holders, n);
            free(h->waiting);
            free(h);
        }
    }
    table_done(&r->holders);
}
