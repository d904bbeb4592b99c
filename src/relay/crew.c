/* SPDX-License-Identifier: Apache-2.0 */
/* Workers, and their end. */
#include "relay/crew.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>

#include "base/clock.h"
#include "base/object.h"

/* For every goodbye to be said, and how often it is looked for. */
#define END_TIMEOUT_US (2 * US_PER_S)
#define END_LOOK_NS (5 * 1000 * 1000)

/* -- life ---------------------------------------------------------------------------------------------------------- */

bool crew_create(struct crew *c, unsigned count)
{
    c->workers = calloc(count, sizeof(struct worker *));
    if (c->workers == NULL)
        return false;
    for (; c->count < count; c->count++) {
        char name[24];
        snprintf(name, sizeof(name), "worker-%u", c->count);
        c->workers[c->count] = worker_create(name, c->count);
        if (c->workers[c->count] == NULL)
            return false;
    }
    return true;
}

int crew_start(struct crew *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        int error = worker_start(c->workers[i]);
        if (error != 0)
            return error;
    }
    return 0;
}

void crew_stop(struct crew *c)
{
    for (unsigned i = 0; i < c->count; i++)
        worker_close(c->workers[i]);
    for (unsigned i = 0; i < c->count; i++)
        worker_stop(c->workers[i]);
}

void crew_free(struct crew *c)
{
    for (unsigned i = 0; i < c->count; i++)
        worker_free(&c->workers[i]);
    free(c->workers);
    *c = (struct crew){0};
}

/* -- work for a worker --------------------------------------------------------------------------------------------- */

struct errand {
    struct mail mail;
    unsigned worker;
    crew_run_fn *run;
    void *ctx, *arg;
    void (*discard)(void *arg);
};

static void errand_deliver(struct worker *self, struct mail *m)
{
    struct errand *e = CONTAINER_OF(m, struct errand, mail);
    (void)self;
    e->run(e->ctx, e->worker, e->arg);
    free(e);
}

static void errand_discard(struct mail *m)
{
    struct errand *e = CONTAINER_OF(m, struct errand, mail);
    if (e->discard != NULL)
        e->discard(e->arg);
    free(e);
}

bool crew_run(struct crew *c, unsigned worker, crew_run_fn *run, void *ctx, void *arg, void (*discard)(void *arg))
{
    struct errand *e = calloc(1, sizeof(*e));
    if (e == NULL) {
        if (discard != NULL)
            discard(arg);
        return false;
    }
    e->mail = (struct mail){.deliver = errand_deliver, .discard = errand_discard};
    list_init(&e->mail.node);
    e->worker = worker;
    e->run = run;
    e->ctx = ctx;
    e->arg = arg;
    e->discard = discard;
    worker_post(c->workers[worker], &e->mail);
    return true;
}

bool crew_run_all(struct crew *c, crew_run_fn *run, void *ctx, void *arg)
{
    bool all = true;
    for (unsigned i = 0; i < c->count; i++)
        all = crew_run(c, i, run, ctx, arg, NULL) && all;
    return all;
}

/* -- the end ------------------------------------------------------------------------------------------------------- */

struct cutting {
    crew_run_fn *cut;
    void *ctx;
};

static void cut_run(void *ctx, unsigned worker, void *arg)
{
    struct crew *c = ctx;
    const struct cutting *cutting = arg;
    cutting->cut(cutting->ctx, worker, NULL);
    atomic_fetch_add_explicit(&c->cut, 1, memory_order_release);
}

static bool all_cut(struct crew *c, struct hub *h)
{
    (void)h;
    return atomic_load_explicit(&c->cut, memory_order_acquire) == c->count;
}

static bool all_said(struct crew *c, struct hub *h)
{
    (void)c;
    return hub_ended(h);
}

static void pause_until(uint64_t deadline_us, bool (*done)(struct crew *c, struct hub *h), struct crew *c, struct hub *h)
{
    const struct timespec pause = {0, END_LOOK_NS};
    while (!done(c, h) && clock_now_us() < deadline_us)
        nanosleep(&pause, NULL);
}

void crew_end(struct crew *c, struct hub *h, crew_run_fn *cut, void *ctx)
{
    uint64_t deadline_us = clock_now_us() + END_TIMEOUT_US;
    struct cutting cutting = {.cut = cut, .ctx = ctx};
    if (crew_run_all(c, cut_run, c, &cutting))
        pause_until(deadline_us, all_cut, c, h);
    hub_end(h);
    pause_until(deadline_us, all_said, c, h);
    crew_stop(c); /* before `cutting` goes */
}

/* -- the process ----------------------------------------------------------------------------------------------------- */

int crew_signals_open(void)
{
    sigset_t set;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}
