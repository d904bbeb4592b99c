/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stage for the client's parts: one worker with an embedded broker and two hubs on it, a visitor's end and the
 * client's, as they meet in life. The test's own thread plays the services with plain sockets, and tells the visitor
 * what to do.
 */
#ifndef TESTS_CLIENT_STAGE_H
#define TESTS_CLIENT_STAGE_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "broker/broker.h"
#include "client/local.h"
#include "mdm-tunnel/limits.h"
#include "peer/hub.h"

#define STAGE_WAIT_S 20

struct stage {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct worker *worker;
    struct broker *broker;
    struct hub *home, *front;
    struct client_shard shard;
    atomic_uint streams;
    bool present, idle;
};

struct visitor {
    struct stage *stage;
    struct conduit *conduit; /* the worker's */
    bool paused;             /* takes nothing */
    size_t to_write;         /* bytes of a pattern that are still to be written; the worker's */
    size_t written;
    bool fin_after;
    /* under the lock */
    bool accepted, finished;
    const struct error *ended;
    size_t bytes, wrong;
    char head[64]; /* the first bytes */
};

static inline uint8_t pattern(size_t at) { return (uint8_t)(at * 31 + (at >> 11)); }

static inline void stage_lock(struct stage *s) { pthread_mutex_lock(&s->lock); }
static inline void stage_unlock(struct stage *s)
{
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* Waits for a condition on what is under the lock. */
#define STAGE_AWAIT(s, condition)                                                                        \
    ({                                                                                                   \
        struct timespec until_;                                                                          \
        clock_gettime(CLOCK_REALTIME, &until_);                                                          \
        until_.tv_sec += STAGE_WAIT_S;                                                                   \
        stage_lock(s);                                                                                   \
        while (!(condition) && pthread_cond_timedwait(&(s)->changed, &(s)->lock, &until_) == 0)          \
            ;                                                                                            \
        bool met_ = (condition);                                                                         \
        stage_unlock(s);                                                                                 \
        met_;                                                                                            \
    })

/* -- something on the worker, waited for --------------------------------------------------------------------------- */

struct stage_call {
    struct mail mail;
    struct stage *stage;
    void (*run)(void *arg);
    void *arg;
    bool done;
};

static inline void stage_call_deliver(struct worker *self, struct mail *m)
{
    struct stage_call *c = CONTAINER_OF(m, struct stage_call, mail);
    (void)self;
    c->run(c->arg);
    stage_lock(c->stage);
    c->done = true;
    stage_unlock(c->stage);
}

static inline void stage_call_discard(struct mail *m) { (void)m; }

static inline bool stage_do(struct stage *s, void (*run)(void *arg), void *arg)
{
    struct stage_call c = {
        .mail = {.deliver = stage_call_deliver, .discard = stage_call_discard}, .stage = s, .run = run, .arg = arg};
    worker_post(s->worker, &c.mail);
    return STAGE_AWAIT(s, c.done);
}

/* -- the stage ----------------------------------------------------------------------------------------------------- */

static inline void on_client_up(void *ctx, struct hub_shard *h, const char *id, bool first)
{
    struct stage *s = ctx;
    (void)h;
    (void)id;
    (void)first;
    stage_lock(s);
    s->present = true;
    stage_unlock(s);
}

static inline void on_stream(void *ctx, struct hub_shard *h, struct conduit *c, const struct open_head *head)
{
    struct stage *s = ctx;
    (void)h;
    local_open(&s->shard, c, head);
}

static inline void on_idle(void *ctx)
{
    struct stage *s = ctx;
    stage_lock(s);
    s->idle = true;
    stage_unlock(s);
}

static const struct hub_events front_events = {.client_up = on_client_up};
static const struct hub_events home_events = {.opened = on_stream};

static inline struct hub *stage_hub(struct stage *s, const char *id, const char *instance,
                                    const struct hub_events *events)
{
    const struct hub_config config = {
        .workers = &s->worker,
        .worker_count = 1,
        .prefix = "mdm",
        .instance = instance,
        .id = id,
        .watch_presence = id == NULL,
        .events = events,
        .ctx = s,
        .max_envelope = ENVELOPE_MAX_EMBEDDED,
        .window_max = SESSION_WINDOW_MAX,
        .grace_us = 10 * US_PER_S,
        .idle_us = 10 * US_PER_S,
    };
    struct hub *h = hub_create(&config);
    struct link_config link;
    hub_link_config(h, 0, &link);
    hub_set_link(h, 0, link_direct_create(&link, broker_shard(s->broker, 0)));
    hub_start(h);
    return h;
}

/* `targets`: "NAME=TARGET", NULL-terminated. */
static inline bool stage_open(struct stage *s, const char *const *targets)
{
    struct services services = {0, NULL};
    struct config_error err;
    memset(s, 0, sizeof(*s));
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    for (; *targets != NULL; targets++)
        if (services_add_argument(&services, *targets, &err) != 0)
            return false;
    s->worker = worker_create("stage", 0);
    const struct broker_config broker = {.workers = &s->worker, .worker_count = 1, .connect_timeout_us = US_PER_S, .strangers_max = 100};
    s->broker = broker_create(&broker);
    s->shard.worker = s->worker;
    s->shard.lookups = lookups_create();
    s->shard.catalog = catalog_create(&services);
    s->shard.id = "tim";
    s->shard.streams = &s->streams;
    s->shard.idle = on_idle;
    s->shard.ctx = s;
    locals_init(&s->shard);
    s->front = stage_hub(s, NULL, "11111111111111111111111111111111", &front_events);
    s->home = stage_hub(s, "tim", "22222222222222222222222222222222", &home_events);
    return worker_start(s->worker) == 0 && STAGE_AWAIT(s, s->present);
}

static inline void stage_close(struct stage *s)
{
    worker_stop(s->worker);
    locals_cut(&s->shard, &error_shutting_down);
    lookups_free(&s->shard.lookups);
    hub_free(&s->home);
    hub_free(&s->front);
    broker_free(&s->broker);
    catalog_unref(s->shard.catalog);
    chunk_unref(s->shard.room.scratch);
    worker_free(&s->worker);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
}

static inline void stage_cut_run(void *arg) { locals_cut(&((struct stage *)arg)->shard, &error_shutting_down); }
static inline void stage_drain_run(void *arg) { locals_drain(&((struct stage *)arg)->shard); }

/* -- a visitor ----------------------------------------------------------------------------------------------------- */

static inline void visitor_take(struct visitor *v, const struct slice *s)
{
    for (size_t i = 0; i < s->len; i++) {
        if (v->bytes + i < sizeof(v->head) - 1)
            v->head[v->bytes + i] = (char)s->data[i];
        v->wrong += s->data[i] != pattern(v->bytes + i);
    }
    v->bytes += s->len;
}

static inline void visitor_on_readable(void *ctx)
{
    struct visitor *v = ctx;
    size_t taken = 0;
    if (v->paused)
        return;
    stage_lock(v->stage);
    for (struct slice s; (s = slice_queue_shift(conduit_input(v->conduit))).len > 0; slice_done(&s)) {
        taken += s.len;
        visitor_take(v, &s);
    }
    v->finished = conduit_read_finished(v->conduit);
    stage_unlock(v->stage);
    conduit_consumed(v->conduit, taken);
}

static inline void visitor_on_writable(void *ctx)
{
    struct visitor *v = ctx;
    while (v->to_write > 0) {
        size_t n = conduit_room(v->conduit) < v->to_write ? conduit_room(v->conduit) : v->to_write;
        if (n == 0)
            return;
        n = n < 30000 ? n : 30000;
        struct chunk *c = chunk_create(n);
        for (size_t i = 0; i < n; i++)
            c->data[i] = pattern(v->written + i);
        v->written += n;
        v->to_write -= n;
        conduit_write(v->conduit, slice_of(c, 0, n), v->to_write == 0 && v->fin_after);
    }
}

static inline void visitor_on_accepted(void *ctx)
{
    struct visitor *v = ctx;
    stage_lock(v->stage);
    v->accepted = true;
    stage_unlock(v->stage);
}

static inline void visitor_on_ended(void *ctx, const struct error *reason)
{
    struct visitor *v = ctx;
    struct stage *s = v->stage;
    conduit_close(&v->conduit, &error_none);
    stage_lock(s);
    v->ended = reason; /* the visitor may be gone from now on */
    stage_unlock(s);
}

static const struct conduit_events visitor_events = {.accepted = visitor_on_accepted,
                                                     .readable = visitor_on_readable,
                                                     .writable = visitor_on_writable,
                                                     .ended = visitor_on_ended};

struct visitor_order {
    struct visitor *v;
    const char *text;
    enum stream_kind kind;
    const struct error *why;
    bool opened;
};

static inline void visitor_open_run(void *arg)
{
    struct visitor_order *o = arg;
    struct open_head head = {.kind = o->kind};
    strcpy(head.service, o->text);
    strcpy(head.visitor, "192.0.2.7:1234");
    struct hub_shard *shard = hub_shard(o->v->stage->front, 0);
    struct hub_choice at;
    o->v->conduit = hub_choose(shard, "tim", NULL, &at, &o->why) ? hub_open(shard, &at, &head, &visitor_events, o->v, &o->why) : NULL;
    o->opened = o->v->conduit != NULL;
}

static inline bool visitor_open(struct stage *s, struct visitor *v, const char *service, enum stream_kind kind)
{
    struct visitor_order o = {.v = v, .text = service, .kind = kind};
    memset(v, 0, sizeof(*v));
    v->stage = s;
    return stage_do(s, visitor_open_run, &o) && o.opened;
}

static inline void visitor_write_run(void *arg)
{
    struct visitor_order *o = arg;
    if (o->v->conduit != NULL)
        conduit_write(o->v->conduit, slice_copy(o->text, strlen(o->text)), false);
}

static inline void visitor_fin_run(void *arg)
{
    struct visitor *v = arg;
    if (v->conduit != NULL)
        conduit_write(v->conduit, SLICE_NONE, true);
}

static inline void visitor_cut_run(void *arg)
{
    struct visitor *v = arg;
    if (v->conduit != NULL)
        conduit_close(&v->conduit, &error_visitor_gone);
}

static inline bool visitor_write(struct visitor *v, const char *text)
{
    struct visitor_order o = {.v = v, .text = text};
    return stage_do(v->stage, visitor_write_run, &o);
}

static inline bool visitor_fin(struct visitor *v) { return stage_do(v->stage, visitor_fin_run, v); }
static inline bool visitor_cut(struct visitor *v) { return stage_do(v->stage, visitor_cut_run, v); }

#endif
