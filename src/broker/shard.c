/* SPDX-License-Identifier: Apache-2.0 */
/* A shard's life, its listeners and the handles of its connections. */
#include "broker/shard.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/conn.h"
#include "gate/listener.h"

#define SLOTS_FIRST 64
#define SLOT_NONE UINT32_MAX
#define OUTPUT_CHUNK (16 * KIB)

struct entry {
    struct list node;
    struct broker_shard *shard;
    const struct transport_kind *kind;
    struct listener listener;
};

/* -- handles ------------------------------------------------------------------------------------------------------- */

static bool slots_grow(struct broker_shard *s)
{
    uint32_t count = s->slot_count == 0 ? SLOTS_FIRST : s->slot_count * 2;
    if (s->slot_count >= MQTT_CONNECTIONS_PER_WORKER_MAX)
        return false;
    struct conn_slot *slots = realloc(s->slots, count * sizeof(*slots));
    if (slots == NULL)
        return false;
    for (uint32_t i = s->slot_count; i < count; i++)
        slots[i] = (struct conn_slot){.generation = 1, .next_free = i + 1 < count ? i + 1 : SLOT_NONE};
    s->free_slot = s->slot_count;
    s->slots = slots;
    s->slot_count = count;
    return true;
}

uint64_t shard_enter(struct broker_shard *s, struct conn *c)
{
    if (s->free_slot == SLOT_NONE && !slots_grow(s)) {
        counter_add(counters_self(), COUNTER_limits_hit, 1);
        return 0;
    }
    uint32_t i = s->free_slot;
    s->free_slot = s->slots[i].next_free;
    s->slots[i].conn = c;
    return (uint64_t)s->slots[i].generation << 32 | i;
}

void shard_leave(struct broker_shard *s, uint64_t handle)
{
    uint32_t i = (uint32_t)handle;
    struct conn_slot *slot = &s->slots[i];
    slot->conn = NULL;
    if (++slot->generation == 0)
        slot->generation = 1;
    slot->next_free = s->free_slot;
    s->free_slot = i;
}

struct conn *shard_conn(const struct broker_shard *s, uint64_t handle)
{
    uint32_t i = (uint32_t)handle;
    return i < s->slot_count && s->slots[i].generation == handle >> 32 ? s->slots[i].conn : NULL;
}

static void sweep_run(struct turn *t)
{
    struct broker_shard *s = CONTAINER_OF(t, struct broker_shard, sweep);
    for (struct list *node; (node = list_shift(&s->ended)) != NULL;)
        conn_free(CONTAINER_OF(node, struct conn, at_shard));
}

/* -- listeners ----------------------------------------------------------------------------------------------------- */

/* Whether a program of this user is at the other end of a local socket. */
static bool is_ours(int fd)
{
    struct ucred who;
    socklen_t len = sizeof(who);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.uid == geteuid();
}

static void entry_accepted(void *ctx, int fd, const struct sockaddr *peer)
{
    struct entry *e = ctx;
    if (e->kind->trusted && !is_ours(fd)) {
        close(fd);
        return;
    }
    conn_accept(e->shard, e->kind, fd, peer);
}

int shard_listen(struct broker_shard *s, const struct transport_kind *kind, int fd)
{
    struct entry *e = calloc(1, sizeof(*e));
    if (e == NULL) {
        close(fd);
        return ENOMEM;
    }
    e->shard = s;
    e->kind = kind;
    if (!listener_start(&e->listener, s->worker, fd, entry_accepted, e)) {
        free(e);
        return ENOMEM;
    }
    list_append(&s->entries, &e->node);
    return 0;
}

void shard_sockets(struct broker_shard *s, shelf_show_fn *show, void *ctx)
{
    LIST_FOREACH (node, &s->entries) {
        const struct entry *e = CONTAINER_OF(node, struct entry, node);
        if (!e->kind->trusted)
            show(ctx, e->kind->socket != NULL ? e->kind->socket : "", e->listener.fd);
    }
}

void shard_close_listeners(struct broker_shard *s)
{
    for (struct list *node; (node = list_shift(&s->entries)) != NULL;) {
        struct entry *e = CONTAINER_OF(node, struct entry, node);
        listener_stop(&e->listener);
        free(e);
    }
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

static void close_discard(struct mail *m) { (void)m; } /* the mail is part of the shard */

static void close_arrived(struct worker *self, struct mail *m)
{
    (void)self;
    shard_close_listeners(CONTAINER_OF(m, struct broker_shard, close_mail));
}

static void dismiss_arrived(struct worker *self, struct mail *m)
{
    struct broker_shard *s = CONTAINER_OF(m, struct broker_shard, dismiss_mail);
    (void)self;
    shard_close_listeners(s);
    LIST_FOREACH_SAFE (node, next, &s->conns)
        conn_dismiss(CONTAINER_OF(node, struct conn, at_shard));
}

static void shard_init(struct broker_shard *s)
{
    list_init(&s->entries);
    list_init(&s->conns);
    list_init(&s->ended);
    list_init(&s->lines);
    list_init(&s->backlog);
    s->free_slot = SLOT_NONE;
    s->dismiss_mail = (struct mail){.deliver = dismiss_arrived, .discard = close_discard};
    s->close_mail = (struct mail){.deliver = close_arrived, .discard = close_discard};
    turn_init(&s->sweep, sweep_run);
}

struct broker_shard *shard_create(struct broker *b, struct worker *w, unsigned index)
{
    struct broker_shard *s;
    ALLOC_OBJECT(s, SHARD_MAGIC);
    if (s == NULL)
        return NULL;
    s->broker = b;
    s->worker = w;
    s->index = index;
    shard_init(s);
    lines_init(s);
    s->input = chunk_create(MQTT_INPUT_CHUNK);
    s->output = chunk_create(OUTPUT_CHUNK);
    bool ok = s->input != NULL && s->output != NULL;
    ok = index_init(&s->index_of_filters, b->key) && ok;
    ok = retained_init(&s->retained, b->key) && ok;
    ok = registry_init(&s->registry) && ok;
    if (!ok)
        shard_free(&s);
    return s;
}

void shard_free(struct broker_shard **sp)
{
    struct broker_shard *s;
    if (*sp == NULL)
        return;
    TAKE_OBJECT(s, sp, SHARD_MAGIC);
    turn_cancel(&s->sweep);
    turn_cancel(&s->backlog_turn);
    shard_close_listeners(s);
    list_splice(&s->ended, &s->conns);
    sweep_run(&s->sweep);
    lines_done(s);
    index_done(&s->index_of_filters);
    retained_done(&s->retained);
    registry_done(&s->registry);
    chunk_unref(s->input);
    chunk_unref(s->output);
    free(s->slots);
    FREE_OBJECT(s);
}
