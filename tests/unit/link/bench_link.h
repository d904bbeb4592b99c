/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of both kinds of link share: a worker, a link on it, and what it said. */
#ifndef TESTS_LINK_BENCH_LINK_H
#define TESTS_LINK_BENCH_LINK_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/worker.h"
#include "link/link.h"

/* Longer than anything takes; only a failing test waits for it. */
#define BENCH_WAIT_S 30

struct bench {
    struct worker *worker;
    struct link *link;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned ups, downs, messages, retained, writables, errors;
    size_t bytes;
    bool never_again;
    char note[128], why[192], topic[128], text[256]; /* of the last one */
    /* a flood that the link's room paces; on the worker */
    unsigned flood_left, flood_next, flood_expected;
    size_t flood_size; /* at most: less where the room is less */
    const char *flood_topic;
};

static inline void bench_flood(struct bench *b)
{
    while (b->flood_left > 0) {
        size_t room = link_room(b->link, b->flood_topic), size = room < b->flood_size ? room : b->flood_size;
        if (room == 0)
            return;
        struct chunk *c = chunk_create(size);
        memset(c->data, 'x', size);
        memcpy(c->data, &b->flood_next, sizeof(b->flood_next));
        b->flood_next++;
        b->flood_left--;
        link_publish(b->link, b->flood_topic, slice_of(c, 0, size));
    }
}

static inline void bench_up(void *ctx, const char *note)
{
    struct bench *b = ctx;
    pthread_mutex_lock(&b->lock);
    b->ups++;
    b->errors += worker_self() != b->worker;
    snprintf(b->note, sizeof(b->note), "%s", note);
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

static inline void bench_down(void *ctx, const char *why, uint64_t retry_us)
{
    struct bench *b = ctx;
    pthread_mutex_lock(&b->lock);
    b->downs++;
    b->errors += worker_self() != b->worker;
    b->never_again = retry_us == CLOCK_NEVER;
    snprintf(b->why, sizeof(b->why), "%s", why);
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

static inline void bench_message(void *ctx, const char *topic, const struct slice *payload, bool retained,
                                 unsigned origin)
{
    struct bench *b = ctx;
    (void)origin;
    pthread_mutex_lock(&b->lock);
    b->messages++;
    b->retained += retained;
    b->bytes += payload->len;
    b->errors += worker_self() != b->worker || b->ups == 0;
    unsigned number = 0;
    if (b->flood_topic != NULL && strcmp(topic, b->flood_topic) == 0) {
        memcpy(&number, payload->data, sizeof(number));
        b->errors += number != b->flood_expected++ || payload->len > b->flood_size;
    }
    snprintf(b->topic, sizeof(b->topic), "%s", topic);
    size_t len = payload->len < sizeof(b->text) - 1 ? payload->len : sizeof(b->text) - 1;
    if (len > 0)
        memcpy(b->text, payload->data, len);
    b->text[len] = '\0';
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

static inline void bench_writable(void *ctx)
{
    struct bench *b = ctx;
    pthread_mutex_lock(&b->lock);
    b->writables++;
    pthread_mutex_unlock(&b->lock);
    bench_flood(b);
}

static const struct link_events bench_events = {
    .up = bench_up, .down = bench_down, .message = bench_message, .writable = bench_writable};

static inline void bench_init(struct bench *b, struct worker *worker)
{
    memset(b, 0, sizeof(*b));
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&b->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&b->lock, NULL);
    b->worker = worker;
}

static inline void bench_done(struct bench *b)
{
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
}

/* Waits until *counter is at least `n`. */
static inline unsigned bench_read(struct bench *b, const unsigned *counter)
{
    pthread_mutex_lock(&b->lock);
    unsigned n = *counter;
    pthread_mutex_unlock(&b->lock);
    return n;
}

static inline bool bench_await(struct bench *b, const unsigned *counter, unsigned n)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += BENCH_WAIT_S;
    pthread_mutex_lock(&b->lock);
    while (*counter < n && pthread_cond_timedwait(&b->changed, &b->lock, &until) == 0)
        ;
    bool reached = *counter >= n;
    pthread_mutex_unlock(&b->lock);
    return reached;
}

/* -- a call on the worker, waited for ------------------------------------------------------------------------------ */

struct bench_call {
    struct mail mail;
    struct bench *bench;
    void (*run)(struct bench *b, void *arg);
    void *arg;
    unsigned done;
};

static inline void bench_call_deliver(struct worker *self, struct mail *m)
{
    struct bench_call *c = (struct bench_call *)m;
    (void)self;
    c->run(c->bench, c->arg);
    pthread_mutex_lock(&c->bench->lock);
    c->done = 1;
    pthread_cond_broadcast(&c->bench->changed);
    pthread_mutex_unlock(&c->bench->lock);
}

static inline void bench_call_discard(struct mail *m) { (void)m; }

static inline bool bench_do(struct bench *b, void (*run)(struct bench *b, void *arg), void *arg)
{
    struct bench_call c = {.mail = {.deliver = bench_call_deliver, .discard = bench_call_discard},
                           .bench = b, .run = run, .arg = arg};
    worker_post(b->worker, &c.mail);
    return bench_await(b, &c.done, 1);
}

struct bench_publish {
    const char *topic, *text;
};

static inline void bench_do_publish(struct bench *b, void *arg)
{
    const struct bench_publish *p = arg;
    link_publish(b->link, p->topic, slice_copy(p->text, strlen(p->text)));
}

static inline void bench_do_flood(struct bench *b, void *arg)
{
    const char *topic = arg;
    b->flood_topic = topic;
    bench_flood(b);
}

static inline void bench_do_presence(struct bench *b, void *arg) { link_set_presence(b->link, arg); }
static inline void bench_do_room(struct bench *b, void *arg) { *(size_t *)arg = link_room(b->link, "t"); }

static inline void bench_do_close(struct bench *b, void *arg)
{
    (void)arg;
    link_close(b->link);
}

#endif
