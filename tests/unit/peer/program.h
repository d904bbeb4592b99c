/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program for tests: workers, a hub, services that it offers and calls that it makes. What happens on workers is told
 * to the testing thread through one condition; WAIT(expression) waits for it.
 */
#ifndef TESTS_PEER_PROGRAM_H
#define TESTS_PEER_PROGRAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/object.h"
#include "config/identity.h"
#include "mdm-tunnel/limits.h"
#include "peer/hub.h"
#include "peer/shard.h"
#include "tap.h"

#define PREFIX "mdm"

/* -- news for the testing thread ----------------------------------------------------------------------------------- */

static pthread_mutex_t news_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;

static void tell(void)
{
    pthread_mutex_lock(&news_lock);
    pthread_cond_broadcast(&news);
    pthread_mutex_unlock(&news_lock);
}

/* The expression reads atomics only. */
#define WAIT(expression)                                                                 \
    do {                                                                                 \
        struct timespec until_;                                                          \
        clock_gettime(CLOCK_REALTIME, &until_);                                          \
        until_.tv_sec += 30;                                                             \
        pthread_mutex_lock(&news_lock);                                                  \
        while (!(expression) && pthread_cond_timedwait(&news, &news_lock, &until_) == 0) \
            ;                                                                            \
        bool came_ = (expression);                                                       \
        pthread_mutex_unlock(&news_lock);                                                \
        tap_check(came_, __FILE__, __LINE__, "in time: " #expression);                   \
    } while (0)

/* -- programs ------------------------------------------------------------------------------------------------------ */

#define PROGRAM_WORKERS 2

struct program {
    struct worker *workers[PROGRAM_WORKERS];
    unsigned worker_count;
    struct hub *hub;
    struct link *links[PROGRAM_WORKERS];
    char instance[INSTANCE_TEXT_BYTES + 1];
    bool scatter_opened; /* streams opened to us go to the workers in turn */
    atomic_uint sessions, sessions_ended, ups, downs, firsts, lasts, opened, link_ups, link_downs, placed, misplaced;
    _Atomic(const struct error *) session_reason;
    atomic_bool hold;                    /* the service "slow" does not read */
    struct list slow;                    /* worker 0's */
    struct list served[PROGRAM_WORKERS]; /* each worker's: struct served that are alive */
};

static void program_up(void *ctx, struct hub_shard *s, const char *id, bool first)
{
    struct program *p = ctx;
    (void)s;
    (void)id;
    atomic_fetch_add(&p->firsts, first);
    atomic_fetch_add(&p->ups, 1);
    tell();
}

static void program_down(void *ctx, struct hub_shard *s, const char *id, bool last)
{
    struct program *p = ctx;
    (void)s;
    (void)id;
    atomic_fetch_add(&p->lasts, last);
    atomic_fetch_add(&p->downs, 1);
    tell();
}

static void program_link_up(void *ctx, struct hub_shard *s, const char *note)
{
    struct program *p = ctx;
    (void)s;
    (void)note;
    atomic_fetch_add(&p->link_ups, 1);
    tell();
}

static void program_link_down(void *ctx, struct hub_shard *s, const char *why, uint64_t retry_us)
{
    struct program *p = ctx;
    (void)s;
    (void)why;
    (void)retry_us;
    atomic_fetch_add(&p->link_downs, 1);
    tell();
}

static void program_session_up(void *ctx, const char *peer)
{
    struct program *p = ctx;
    (void)peer;
    atomic_fetch_add(&p->sessions, 1);
    tell();
}

static void program_session_ended(void *ctx, const char *peer, const struct error *reason)
{
    struct program *p = ctx;
    (void)peer;
    atomic_store(&p->session_reason, reason);
    atomic_fetch_add(&p->sessions_ended, 1);
    tell();
}

static unsigned program_place(void *ctx, const struct open_head *head)
{
    struct program *p = ctx;
    (void)head;
    return p->scatter_opened ? atomic_fetch_add(&p->placed, 1) : 0;
}

static void program_opened(void *ctx, struct hub_shard *s, struct conduit *c, const struct open_head *head);

static const struct hub_events program_events = {.client_up = program_up,
                                                 .client_down = program_down,
                                                 .link_up = program_link_up,
                                                 .link_down = program_link_down,
                                                 .opened = program_opened,
                                                 .session_up = program_session_up,
                                                 .session_ended = program_session_ended};

/* A fresh key. */
static inline struct seal_context *key_create(void)
{
    struct identity identity;
    if (!identity_create(&identity))
        return NULL;
    const char *why;
    struct seal_context *key = seal_context_create(&(struct seal_config){.pem = identity.pem}, &why);
    identity_done(&identity);
    return key;
}

/* The key of the programs that are made from now on; NULL: no encryption. */
static struct seal_context *program_key;

static struct hub_config program_config(struct program *p, const char *id)
{
    return (struct hub_config){.workers = p->workers,
                               .worker_count = p->worker_count,
                               .prefix = PREFIX,
                               .instance = p->instance,
                               .id = id,
                               .watch_presence = id == NULL,
                               .weight = 1,
                               .events = &program_events,
                               .ctx = p,
                               .place = program_place,
                               .seal = program_key,
                               .max_envelope = 64 * KIB,
                               .window_max = 1 * MIB,
                               .grace_us = 20 * US_PER_S,
                               .idle_us = 5 * US_PER_S};
}

static void program_make_workers(struct program *p, unsigned count)
{
    static unsigned instances;
    *p = (struct program){.worker_count = count};
    list_init(&p->slow);
    for (unsigned i = 0; i < PROGRAM_WORKERS; i++)
        list_init(&p->served[i]);
    snprintf(p->instance, sizeof(p->instance), "%032x", 0xabc000 + ++instances);
    for (unsigned i = 0; i < count; i++)
        p->workers[i] = worker_create("test", i);
}

static void program_start(struct program *p)
{
    hub_start(p->hub);
    for (unsigned i = 0; i < p->worker_count; i++)
        OK_INT(worker_start(p->workers[i]), 0);
}

static void program_stop(struct program *p)
{
    for (unsigned i = 0; i < p->worker_count; i++)
        worker_stop(p->workers[i]);
}

/* -- doing something on a worker ----------------------------------------------------------------------------------- */

struct deed {
    struct mail mail;
    void (*fn)(struct program *p, unsigned worker, void *arg);
    struct program *program;
    unsigned worker;
    void *arg;
    atomic_bool *done;
};

static void deed_discard(struct mail *m) { free(CONTAINER_OF(m, struct deed, mail)); }

static void deed_deliver(struct worker *self, struct mail *m)
{
    struct deed *d = CONTAINER_OF(m, struct deed, mail);
    atomic_bool *done = d->done;
    (void)self;
    d->fn(d->program, d->worker, d->arg);
    free(d);
    if (done != NULL)
        atomic_store(done, true);
    tell();
}

static void run_later(struct program *p, unsigned worker, void (*fn)(struct program *, unsigned, void *), void *arg,
                      atomic_bool *done)
{
    struct deed *d = calloc(1, sizeof(*d));
    d->mail = (struct mail){.deliver = deed_deliver, .discard = deed_discard};
    list_init(&d->mail.node);
    d->fn = fn;
    d->program = p;
    d->worker = worker;
    d->arg = arg;
    d->done = done;
    worker_post(p->workers[worker], &d->mail);
}

/* Runs `fn` on a worker and waits for it. */
static void run_on(struct program *p, unsigned worker, void (*fn)(struct program *, unsigned, void *), void *arg)
{
    atomic_bool done = false;
    run_later(p, worker, fn, arg, &done);
    WAIT(atomic_load(&done));
}

/* -- the services that a program offers ---------------------------------------------------------------------------- */

/*
 * echo: sends back what comes, and its end. source: sends as many bytes as the host says, then the end. farewell: sends
 * "bye" with the end at once, reads to the end. cut: accepts, cuts at the first byte. refuse, hold: what they say.
 * slow: reads only while `hold` is false; then counts and sends back the number of bytes at the end.
 */
struct served {
    OBJECT_MAGIC;
    struct conduit *c;
    struct program *p;
    size_t left; /* source */
    size_t got;
    bool echo, cut, slow, said_fin;
    struct list node; /* in program.slow or alone */
    struct list all;  /* in program.served */
};
#define SERVED_MAGIC 0x73727664

static uint8_t pattern(size_t at) { return (uint8_t)(at * 7 + at / 251); }

static struct slice pattern_slice(size_t from, size_t len)
{
    struct chunk *c = chunk_create(len);
    for (size_t i = 0; i < len; i++)
        c->data[i] = pattern(from + i);
    return slice_of(c, 0, len);
}

static void served_end(struct served *s)
{
    list_remove(&s->node);
    list_remove(&s->all);
    FREE_OBJECT(s);
}

static void served_source(struct served *s)
{
    while (s->left > 0 && conduit_room(s->c) > 0) {
        size_t n = conduit_room(s->c);
        n = n > 32 * KIB ? 32 * KIB : n;
        n = n > s->left ? s->left : n;
        conduit_write(s->c, pattern_slice(s->got, n), n == s->left);
        s->got += n;
        s->left -= n;
    }
}

static void served_echo(struct served *s)
{
    struct slice_queue *in = conduit_input(s->c);
    while (in->bytes > 0 && conduit_room(s->c) > 0) {
        size_t n = slice_queue_first(in)->len, room = conduit_room(s->c);
        n = n > room ? room : n;
        struct slice part = slice_part(slice_queue_first(in), 0, n);
        slice_queue_skip(in, n);
        conduit_consumed(s->c, n);
        conduit_write(s->c, part, false);
    }
    if (in->bytes == 0 && conduit_read_finished(s->c) && !s->said_fin) {
        s->said_fin = true;
        conduit_write(s->c, SLICE_NONE, true);
    }
}

static void served_swallow(struct served *s)
{
    struct slice_queue *in = conduit_input(s->c);
    if (s->slow && atomic_load(&s->p->hold))
        return;
    size_t n = in->bytes;
    slice_queue_skip(in, n);
    conduit_consumed(s->c, n);
    s->got += n;
    if (s->slow && conduit_read_finished(s->c) && !s->said_fin) {
        char text[32];
        int len = snprintf(text, sizeof(text), "%zu", s->got);
        s->said_fin = true;
        conduit_write(s->c, slice_copy(text, (size_t)len), true);
    }
}

static void served_readable(void *ctx)
{
    struct served *s = ctx;
    CHECK_OBJECT(s, SERVED_MAGIC);
    if (s->cut) {
        conduit_close(&s->c, &error_service_reset);
        served_end(s);
    } else if (s->echo) {
        served_echo(s);
    } else {
        served_swallow(s);
    }
}

static void served_writable(void *ctx)
{
    struct served *s = ctx;
    CHECK_OBJECT(s, SERVED_MAGIC);
    if (s->echo)
        served_echo(s);
    else
        served_source(s);
}

static void served_ended(void *ctx, const struct error *reason)
{
    struct served *s = ctx;
    CHECK_OBJECT(s, SERVED_MAGIC);
    conduit_close(&s->c, reason);
    served_end(s);
}

static const struct conduit_events served_events = {
    .readable = served_readable, .writable = served_writable, .ended = served_ended};

static void served_create(struct program *p, unsigned worker, struct conduit *c, const struct open_head *head)
{
    struct served *s;
    ALLOC_OBJECT(s, SERVED_MAGIC);
    s->c = c;
    s->p = p;
    s->echo = strcmp(head->service, "echo") == 0;
    s->cut = strcmp(head->service, "cut") == 0;
    s->slow = strcmp(head->service, "slow") == 0;
    list_init(&s->node);
    list_append(&p->served[worker], &s->all);
    conduit_set_events(c, &served_events, s);
    if (strcmp(head->service, "hold") == 0)
        return;
    conduit_accept(c);
    if (s->slow)
        list_append(&p->slow, &s->node);
    if (strcmp(head->service, "farewell") == 0)
        conduit_write(c, slice_static("bye", 3), true);
    if (strcmp(head->service, "source") == 0) {
        s->left = strtoul(head->host, NULL, 10);
        served_source(s);
    }
}

static void program_opened(void *ctx, struct hub_shard *shard, struct conduit *c, const struct open_head *head)
{
    struct program *p = ctx;
    if (worker_self() != p->workers[hub_shard_index(shard)])
        atomic_fetch_add(&p->misplaced, 1);
    if (strcmp(head->service, "refuse") == 0)
        conduit_refuse(&c, &error_service_refused);
    else
        served_create(p, hub_shard_index(shard), c, head);
    atomic_fetch_add(&p->opened, 1);
    tell();
}

/* The service "slow" reads on; worker 0. */
static inline void slow_resume(struct program *p, unsigned worker, void *arg)
{
    (void)worker;
    (void)arg;
    atomic_store(&p->hold, false);
    LIST_FOREACH_SAFE(n, next, &p->slow)
        served_swallow(CONTAINER_OF(n, struct served, node));
}

static void program_free(struct program *p)
{
    program_stop(p);
    hub_free(&p->hub);
    for (unsigned i = 0; i < PROGRAM_WORKERS; i++)
        while (!list_empty(&p->served[i]))
            served_end(CONTAINER_OF(p->served[i].next, struct served, all));
    for (unsigned i = 0; i < p->worker_count; i++)
        worker_free(&p->workers[i]);
}

/* -- the calls that it makes --------------------------------------------------------------------------------------- */

struct call {
    const char *id, *service, *host;
    size_t to_send;    /* bytes of the pattern */
    bool no_fin;       /* stays open after them */
    bool no_read;      /* until told */
    bool keep;         /* not closed when it has ended */
    struct conduit *c; /* the worker's own */
    struct slice_queue *input;
    size_t sent;
    bool fin_said;
    const struct error *why; /* not opened */
    atomic_size_t got;
    size_t bad; /* bytes that differ from the pattern */
    char text[16];
    atomic_bool accepted, finished;
    _Atomic(const struct error *) ended;
};

static void call_send(struct call *k)
{
    while (k->sent < k->to_send && conduit_room(k->c) > 0) {
        size_t n = conduit_room(k->c), left = k->to_send - k->sent;
        n = n > left ? left : n;
        n = n > 20000 ? 20000 : n;
        conduit_write(k->c, pattern_slice(k->sent, n), n == left && !k->no_fin);
        k->sent += n;
        k->fin_said = k->sent == k->to_send && !k->no_fin;
    }
    if (k->to_send == 0 && !k->no_fin && !k->fin_said) {
        k->fin_said = true;
        conduit_write(k->c, SLICE_NONE, true);
    }
}

static void call_read(struct call *k)
{
    struct slice_queue *in = conduit_input(k->c);
    while (!k->no_read && in->bytes > 0) {
        struct slice s = slice_queue_shift(in);
        size_t got = atomic_load(&k->got);
        for (size_t i = 0; i < s.len; i++) {
            k->bad += s.data[i] != pattern(got + i);
            if (got + i < sizeof(k->text) - 1)
                k->text[got + i] = (char)s.data[i];
        }
        conduit_consumed(k->c, s.len);
        atomic_store(&k->got, got + s.len);
        slice_done(&s);
    }
    if (conduit_read_finished(k->c) && in->bytes == 0)
        atomic_store(&k->finished, true);
    tell();
}

static void call_accepted(void *ctx)
{
    atomic_store(&((struct call *)ctx)->accepted, true);
    tell();
}

static void call_readable(void *ctx) { call_read(ctx); }
static void call_writable(void *ctx) { call_send(ctx); }

static void call_ended(void *ctx, const struct error *reason)
{
    struct call *k = ctx;
    if (!k->keep)
        conduit_close(&k->c, reason);
    atomic_store(&k->ended, reason);
    tell();
}

static const struct conduit_events call_events = {
    .accepted = call_accepted, .readable = call_readable, .writable = call_writable, .ended = call_ended};

static void call_open(struct program *p, unsigned worker, void *arg)
{
    struct call *k = arg;
    struct open_head head = {.kind = STREAM_KIND_TCP};
    snprintf(head.service, sizeof(head.service), "%s", k->service);
    snprintf(head.host, sizeof(head.host), "%s", k->host != NULL ? k->host : "");
    struct hub_choice at;
    k->c = hub_choose(hub_shard(p->hub, worker), k->id, k->service, &at, &k->why)
               ? hub_open(hub_shard(p->hub, worker), &at, &head, &call_events, k, &k->why)
               : NULL;
    if (k->c != NULL)
        call_send(k);
    else
        atomic_store(&k->ended, k->why);
    tell();
}

/* Reads on from now on. */
static inline void call_resume(struct program *p, unsigned worker, void *arg)
{
    struct call *k = arg;
    (void)p;
    (void)worker;
    k->no_read = false;
    call_read(k);
}

static inline void call_finish(struct program *p, unsigned worker, void *arg)
{
    struct call *k = arg;
    (void)p;
    (void)worker;
    conduit_write(k->c, SLICE_NONE, true);
}

static inline void call_cut(struct program *p, unsigned worker, void *arg)
{
    struct call *k = arg;
    (void)p;
    (void)worker;
    conduit_close(&k->c, &error_visitor_gone);
}

/* -- what is left -------------------------------------------------------------------------------------------------- */

struct left {
    unsigned conduits, taps, sessions, routes;
    size_t parcels;
};

static unsigned list_count(const struct list *l)
{
    unsigned n = 0;
    LIST_FOREACH(node, l)
        n++;
    return n;
}

static void left_count(struct program *p, unsigned worker, void *arg)
{
    struct hub_shard *s = hub_shard(p->hub, worker);
    struct left *left = arg;
    left->conduits += list_count(&s->conduits);
    left->taps += list_count(&s->taps);
    left->sessions += s->session_count;
    left->routes += list_count(&s->routes.all);
    left->parcels += s->office.pool.count;
}

static inline struct left program_left(struct program *p)
{
    struct left left = {0};
    for (unsigned i = 0; i < p->worker_count; i++)
        run_on(p, i, left_count, &left);
    return left;
}

#endif
