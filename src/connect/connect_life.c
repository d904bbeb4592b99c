/* SPDX-License-Identifier: Apache-2.0 */
/* The workstation from its creation to its end. */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "connect/hint.h"
#include "connect/inner.h"
#include "connect/say.h"

/* For every goodbye to be said, and how often it is looked for. */
#define END_TIMEOUT_US (2 * US_PER_S)
#define END_LOOK_NS (5 * 1000 * 1000)

/* -- work for a worker --------------------------------------------------------------------------------------------- */

struct errand {
    struct mail mail;
    struct connect *connect;
    unsigned worker, index;
    void (*run)(struct connect *c, unsigned worker, unsigned index);
};

static void errand_discard(struct mail *m) { free(CONTAINER_OF(m, struct errand, mail)); }

static void errand_deliver(struct worker *self, struct mail *m)
{
    struct errand *e = CONTAINER_OF(m, struct errand, mail);
    (void)self;
    e->run(e->connect, e->worker, e->index);
    free(e);
}

/* On every worker; false without memory. Any thread. */
static bool run_everywhere(struct connect *c, unsigned index, void (*run)(struct connect *c, unsigned worker, unsigned index))
{
    for (unsigned i = 0; i < c->worker_count; i++) {
        struct errand *e = calloc(1, sizeof(*e));
        if (e == NULL)
            return false;
        e->mail = (struct mail){.deliver = errand_deliver, .discard = errand_discard};
        list_init(&e->mail.node);
        e->connect = c;
        e->worker = i;
        e->index = index;
        e->run = run;
        worker_post(c->workers[i], &e->mail);
    }
    return true;
}

/* -- doors --------------------------------------------------------------------------------------------------------- */

static void door_run(struct connect *c, unsigned worker, unsigned index)
{
    doorkeeper_start(&c->shards[worker].keepers[index], &c->doors[index], &c->shards[worker].visits);
}

void connect_open_door(struct connect *c, unsigned index)
{
    struct door *d = &c->doors[index];
    if (!door_listen(d) || !run_everywhere(c, index, door_run)) {
        log_fatal(PROGRAM, "cannot listen on %s: %s", d->address, strerror(errno));
        connect_say_over(c, CONNECT_FAILED);
        return;
    }
    char text[400];
    wish_text(d->wish, text, sizeof(text));
    say("%s is at %s", text, d->address);
    hint_print(d->wish, d->address, d->port);
}

static void on_stdio_done(void *ctx, const struct error *reason)
{
    struct connect *c = ctx;
    CHECK_OBJECT(c, CONNECT_MAGIC);
    connect_say_over(c, reason == &error_none ? CONNECT_DONE : CONNECT_FAILED);
}

void connect_open_stdio(struct connect *c, unsigned index)
{
    int fd = c->plumb_fd;
    c->plumb_fd = -1;
    visit_open(&c->shards[0].visits, &c->config.wishes->list[index], fd, "", on_stdio_done, c);
}

/* -- create -------------------------------------------------------------------------------------------------------- */

static bool devices_make(struct connect *c, struct config_error *err)
{
    const struct connect_config *config = &c->config;
    for (unsigned i = 0; i < config->wishes->count; i++) {
        const char *id = config->wishes->list[i].device;
        unsigned at = 0;
        while (at < c->device_count && strcmp(c->devices[at].id, id) != 0)
            at++;
        if (at < c->device_count)
            continue;
        if (at == HUB_IDS_MAX) {
            config_error_set(err, "more than %d devices at once", HUB_IDS_MAX);
            return false;
        }
        struct device *d = &c->devices[c->device_count++];
        char *address = trust_address(way_host(config->way), way_port(config->way));
        if (address == NULL) {
            config_error_set(err, "out of memory");
            return false;
        }
        d->id = c->ids[at] = id;
        d->connect = c;
        snprintf(d->address, sizeof(d->address), "%s@%s", id, address);
        free(address);
    }
    return true;
}

static bool doors_make(struct connect *c, struct config_error *err)
{
    const struct wishes *wishes = c->config.wishes;
    for (unsigned i = 0; i < wishes->count; i++) {
        if (!wishes->list[i].stdio && door_bind(&c->doors[i], &wishes->list[i], err) != 0)
            return false;
        if (wishes->list[i].stdio && (c->plumb = plumb_create(&c->plumb_fd)) == NULL) {
            config_error_set(err, "standard input and output: %s", strerror(errno));
            return false;
        }
    }
    return true;
}

static bool workers_make(struct connect *c)
{
    c->workers = calloc(c->config.workers, sizeof(struct worker *));
    c->shards = calloc(c->config.workers, sizeof(*c->shards));
    if (c->workers == NULL || c->shards == NULL)
        return false;
    for (; c->worker_count < c->config.workers; c->worker_count++) {
        unsigned i = c->worker_count;
        char name[24];
        snprintf(name, sizeof(name), "worker-%u", i);
        c->workers[i] = worker_create(name, i);
        if (c->workers[i] == NULL)
            return false;
        visits_init(&c->shards[i].visits, c->workers[i]);
    }
    evtimer_assign(&c->timeout, worker_events(c->workers[0]), connect_timed_out, c);
    return true;
}

static bool hub_make(struct connect *c)
{
    struct hub_config hub = {
        .workers = c->workers,
        .worker_count = c->worker_count,
        .instance = c->config.instance,
        .watch_ids = c->ids,
        .guest = true,
        .events = &connect_hub_events,
        .ctx = c,
        .seal = trust_seal(c->config.trust),
        .admit = connect_admit,
    };
    way_fill_hub(c->config.way, &hub);
    c->hub = hub_create(&hub);
    for (unsigned i = 0; c->hub != NULL && i < c->worker_count; i++)
        c->shards[i].visits.hub = hub_shard(c->hub, i);
    return c->hub != NULL && way_make_link(c->config.way, c->hub, c->config.instance);
}

struct connect *connect_create(const struct connect_config *config, struct config_error *err)
{
    struct connect *c;
    ALLOC_OBJECT(c, CONNECT_MAGIC);
    if (c == NULL) {
        config_error_set(err, "out of memory");
        return NULL;
    }
    c->config = *config;
    c->plumb_fd = -1;
    for (unsigned i = 0; i < WISHES_MAX; i++)
        c->doors[i].fd = -1;
    c->news = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!devices_make(c, err) || !doors_make(c, err))
        connect_free(&c);
    else if (c->news < 0 || !workers_make(c) || !hub_make(c)) {
        config_error_set(err, "cannot start: %s", strerror(errno != 0 ? errno : ENOMEM));
        connect_free(&c);
    }
    return c;
}

int connect_start(struct connect *c)
{
    CHECK_OBJECT(c, CONNECT_MAGIC);
    say("connecting to %s", c->config.way_text);
    hub_start(c->hub);
    for (unsigned i = 0; i < c->worker_count; i++) {
        int error = worker_start(c->workers[i]);
        if (error != 0)
            return error;
    }
    return 0;
}

/* -- end ----------------------------------------------------------------------------------------------------------- */

static void cut_run(struct connect *c, unsigned worker, unsigned index)
{
    struct connect_shard *s = &c->shards[worker];
    (void)index;
    for (unsigned i = 0; i < WISHES_MAX; i++)
        doorkeeper_stop(&s->keepers[i]);
    visits_cut(&s->visits, &error_shutting_down);
    atomic_fetch_add_explicit(&c->shards_cut, 1, memory_order_release);
}

static void pause_until(uint64_t deadline_us, bool (*done)(const struct connect *c), const struct connect *c)
{
    const struct timespec pause = {0, END_LOOK_NS};
    while (!done(c) && clock_now_us() < deadline_us)
        nanosleep(&pause, NULL);
}

static bool all_cut(const struct connect *c)
{
    return atomic_load_explicit(&c->shards_cut, memory_order_acquire) == c->worker_count;
}

static bool all_said(const struct connect *c) { return hub_ended(c->hub); }

void connect_end(struct connect *c)
{
    uint64_t deadline_us = clock_now_us() + END_TIMEOUT_US;
    CHECK_OBJECT(c, CONNECT_MAGIC);
    atomic_store(&c->ending, true);
    if (run_everywhere(c, 0, cut_run))
        pause_until(deadline_us, all_cut, c);
    hub_end(c->hub);
    pause_until(deadline_us, all_said, c);
    for (unsigned i = 0; i < c->worker_count; i++)
        worker_close(c->workers[i]);
    for (unsigned i = 0; i < c->worker_count; i++)
        worker_stop(c->workers[i]);
}

void connect_free(struct connect **cp)
{
    struct connect *c;
    if (*cp == NULL)
        return;
    TAKE_OBJECT(c, cp, CONNECT_MAGIC);
    for (unsigned i = 0; i < c->worker_count; i++)
        worker_stop(c->workers[i]);
    for (unsigned i = 0; i < c->worker_count; i++) {
        for (unsigned k = 0; k < WISHES_MAX; k++)
            doorkeeper_stop(&c->shards[i].keepers[k]);
        visits_cut(&c->shards[i].visits, &error_shutting_down);
    }
    if (c->worker_count > 0 && c->workers[0] != NULL && event_initialized(&c->timeout))
        event_del(&c->timeout);
    hub_free(&c->hub);
    if (c->plumb_fd >= 0)
        close(c->plumb_fd);
    plumb_free(&c->plumb);
    for (unsigned i = 0; i < WISHES_MAX; i++)
        door_close(&c->doors[i]);
    for (unsigned i = 0; i < c->worker_count; i++) {
        chunk_unref(c->shards[i].visits.room.scratch);
        worker_free(&c->workers[i]);
    }
    free(c->shards);
    free(c->workers);
    if (c->news >= 0)
        close(c->news);
    FREE_OBJECT(c);
}

int connect_news(const struct connect *c) { return c->news; }
enum connect_over connect_over(const struct connect *c) { return (enum connect_over)atomic_load(&c->over); }
