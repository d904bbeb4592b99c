/* SPDX-License-Identifier: Apache-2.0 */
/* The client from its creation to its end. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/client_inner.h"
#include "client/local.h"
#include "mdm-tunnel/limits.h"

/* For every goodbye to be said, and how often it is looked for. */
#define END_TIMEOUT_US (2 * US_PER_S)
#define END_LOOK_NS (5 * 1000 * 1000)

void client_tell_news(struct client *c)
{
    uint64_t one = 1;
    ssize_t written = write(c->news, &one, sizeof(one));
    (void)written; /* fails only when nobody has looked for a very long time */
}

/* -- work for a worker --------------------------------------------------------------------------------------------- */

struct errand {
    struct mail mail;
    struct client *client;
    struct client_shard *shard;
    void (*run)(struct client *c, struct client_shard *s, void *arg);
    void (*discard)(void *arg);
    void *arg;
};

static void errand_deliver(struct worker *self, struct mail *m)
{
    struct errand *e = CONTAINER_OF(m, struct errand, mail);
    (void)self;
    e->run(e->client, e->shard, e->arg);
    free(e);
}

static void errand_discard(struct mail *m)
{
    struct errand *e = CONTAINER_OF(m, struct errand, mail);
    e->discard(e->arg);
    free(e);
}

bool client_run_on(struct client *c, unsigned worker, void (*run)(struct client *c, struct client_shard *s, void *arg),
                   void *arg, void (*discard)(void *arg))
{
    struct errand *e = calloc(1, sizeof(*e));
    if (e == NULL) {
        discard(arg);
        return false;
    }
    e->mail = (struct mail){.deliver = errand_deliver, .discard = errand_discard};
    e->client = c;
    e->shard = &c->shards[worker];
    e->run = run;
    e->discard = discard;
    e->arg = arg;
    worker_post(c->workers[worker], &e->mail);
    return true;
}

static void nothing_discard(void *arg) { (void)arg; }

/* -- create -------------------------------------------------------------------------------------------------------- */

static void on_streams_idle(void *ctx)
{
    struct client *c = ctx;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    if (atomic_load_explicit(&c->draining, memory_order_acquire))
        client_tell_news(c);
}

static bool workers_create(struct client *c, const struct client_config *config)
{
    c->workers = calloc(config->workers, sizeof(struct worker *));
    c->shards = calloc(config->workers, sizeof(*c->shards));
    if (c->workers == NULL || c->shards == NULL)
        return false;
    for (; c->worker_count < config->workers; c->worker_count++) {
        unsigned i = c->worker_count;
        char name[24];
        snprintf(name, sizeof(name), "worker-%u", i);
        c->workers[i] = worker_create(name, i);
        if (c->workers[i] == NULL)
            return false;
        struct client_shard *s = &c->shards[i];
        s->worker = c->workers[i];
        s->lookups = c->lookups;
        s->gate = c->gate;
        s->catalog = catalog_ref(config->catalog);
        s->id = c->id;
        s->streams = &c->streams;
        s->idle = on_streams_idle;
        s->idle_ctx = c;
        locals_init(s);
    }
    return true;
}

static bool hub_make(struct client *c, const struct client_config *config)
{
    struct hub_config hub = {
        .workers = c->workers,
        .worker_count = c->worker_count,
        .instance = config->instance,
        .id = config->id,
        .weight = config->weight,
        .events = &client_hub_events,
        .ctx = c,
        .seal = c->trust != NULL ? trust_seal(c->trust) : NULL,
        .admit = c->trust != NULL ? client_admit : NULL,
        .place = client_place,
    };
    way_fill_hub(config->way, &hub);
    c->hub = hub_create(&hub);
    return c->hub != NULL && way_make_link(config->way, c->hub, config->instance);
}

static void on_gate_changed(void *ctx)
{
    struct client *c = ctx;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    hub_review(c->hub);
}

struct client *client_create(const struct client_config *config, struct config_error *err)
{
    struct client *c;
    ALLOC_OBJECT(c, CLIENT_MAGIC);
    if (c == NULL) {
        config_error_set(err, "out of memory");
        return NULL;
    }
    c->id = config->id;
    c->services_file = config->services_file;
    c->trust = config->trust;
    c->server = config->server;
    c->gate = config->gate;
    c->limited = config->way->max_attempts != 0;
    c->news = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    c->lookups = lookups_create();
    bool made = c->news >= 0 && c->lookups != NULL && workers_create(c, config) && hub_make(c, config);
    if (!made)
        config_error_set(err, "cannot start: %s", strerror(errno != 0 ? errno : ENOMEM));
    else if (!client_watch(c))
        config_error_set(err, "cannot watch %s: %s", c->services_file, strerror(errno));
    else if (c->gate != NULL && !gate_watch(c->gate, c->workers[0], on_gate_changed, c))
        config_error_set(err, "cannot watch " AUTHORIZED_PEERS_FILE ": %s", strerror(errno));
    else
        return c;
    client_free(&c);
    return NULL;
}

int client_start(struct client *c)
{
    CHECK_OBJECT(c, CLIENT_MAGIC);
    client_publish_catalog(c, catalog_ref(c->shards[0].catalog));
    hub_start(c->hub);
    for (unsigned i = 0; i < c->worker_count; i++) {
        int error = worker_start(c->workers[i]);
        if (error != 0)
            return error;
    }
    return 0;
}

/* -- end ----------------------------------------------------------------------------------------------------------- */

static void drain_run(struct client *c, struct client_shard *s, void *arg)
{
    (void)c;
    (void)arg;
    locals_drain(s);
}

void client_drain(struct client *c)
{
    CHECK_OBJECT(c, CLIENT_MAGIC);
    atomic_store_explicit(&c->draining, true, memory_order_release);
    hub_close(c->hub);
    for (unsigned i = 0; i < c->worker_count; i++)
        client_run_on(c, i, drain_run, NULL, nothing_discard);
    client_tell_news(c); /* there may be no stream at all */
}

static void cut_run(struct client *c, struct client_shard *s, void *arg)
{
    (void)arg;
    locals_cut(s, &error_shutting_down);
    atomic_fetch_add_explicit(&c->shards_cut, 1, memory_order_release);
}

static void pause_until(uint64_t deadline_us, bool (*done)(const struct client *c), const struct client *c)
{
    const struct timespec pause = {0, END_LOOK_NS};
    while (!done(c) && clock_now_us() < deadline_us)
        nanosleep(&pause, NULL);
}

static bool all_cut(const struct client *c)
{
    return atomic_load_explicit(&c->shards_cut, memory_order_acquire) == c->worker_count;
}

static bool all_said(const struct client *c) { return hub_ended(c->hub); }

void client_end(struct client *c)
{
    uint64_t deadline_us = clock_now_us() + END_TIMEOUT_US;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    atomic_store(&c->ending, true);
    for (unsigned i = 0; i < c->worker_count; i++)
        client_run_on(c, i, cut_run, NULL, nothing_discard);
    pause_until(deadline_us, all_cut, c);
    hub_end(c->hub);
    pause_until(deadline_us, all_said, c);
    for (unsigned i = 0; i < c->worker_count; i++)
        worker_close(c->workers[i]);
    for (unsigned i = 0; i < c->worker_count; i++)
        worker_stop(c->workers[i]);
}

void client_free(struct client **cp)
{
    struct client *c;
    if (*cp == NULL)
        return;
    TAKE_OBJECT(c, cp, CLIENT_MAGIC);
    for (unsigned i = 0; i < c->worker_count; i++)
        worker_stop(c->workers[i]);
    watch_free(&c->watch);
    if (c->gate != NULL)
        gate_unwatch(c->gate);
    for (unsigned i = 0; i < c->worker_count; i++)
        locals_cut(&c->shards[i], &error_shutting_down);
    if (c->lookups != NULL)
        lookups_free(&c->lookups);
    hub_free(&c->hub);
    for (unsigned i = 0; i < c->worker_count; i++) {
        catalog_unref(c->shards[i].catalog);
        chunk_unref(c->shards[i].room.scratch);
        worker_free(&c->workers[i]);
    }
    free(c->shards);
    free(c->workers);
    if (c->news >= 0)
        close(c->news);
    FREE_OBJECT(c);
}

int client_news(const struct client *c) { return c->news; }
unsigned client_streams(const struct client *c) { return atomic_load(&c->streams); }
const struct error *client_refused(const struct client *c) { return atomic_load(&c->refused); }
bool client_gave_up(const struct client *c) { return atomic_load(&c->gave_up); }
