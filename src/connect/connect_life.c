/* SPDX-License-Identifier: Apache-2.0 */
/* The workstation from its creation to its end. */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "connect/hint.h"
#include "connect/inner.h"
#include "connect/say.h"

/* -- doors --------------------------------------------------------------------------------------------------------- */

static void door_run(void *ctx, unsigned worker, void *arg)
{
    struct connect *c = ctx;
    struct door *d = arg;
    doorkeeper_start(&c->shards[worker].keepers[d - c->doors], d, &c->shards[worker].visits);
}

void connect_open_door(struct connect *c, unsigned index)
{
    struct door *d = &c->doors[index];
    if (!local_port_listen(&d->port) || !crew_run_all(&c->crew, door_run, c, d)) {
        log_fatal(PROGRAM, "cannot listen on %s: %s", d->port.address, strerror(errno));
        connect_say_over(c, CONNECT_FAILED);
        return;
    }
    char text[400];
    wish_text(d->wish, text, sizeof(text));
    say("%s is at %s", text, d->port.address);
    hint_print(d->wish, d->port.address, d->port.port);
}

void connect_open_udp(struct connect *c, unsigned index)
{
    struct door *d = &c->doors[index];
    char text[400];
    c->udp_doors[index] = udp_door_create(d, c->shards[0].visits.hub, c->crew.workers[0]);
    if (c->udp_doors[index] == NULL) {
        log_fatal(PROGRAM, "cannot listen on %s: out of memory", d->port.address);
        connect_say_over(c, CONNECT_FAILED);
        return;
    }
    wish_text(d->wish, text, sizeof(text));
    say("%s/udp is at %s", text, d->port.address);
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
        enum wish_kind kind = wishes->list[i].kind;
        if ((kind == WISH_TCP || kind == WISH_UDP) && door_bind(&c->doors[i], &wishes->list[i], err) != 0)
            return false;
        if (kind == WISH_STDIO && (c->plumb = plumb_create(&c->plumb_fd)) == NULL) {
            config_error_set(err, "standard input and output: %s", strerror(errno));
            return false;
        }
    }
    return true;
}

static bool shards_make(struct connect *c)
{
    if (!crew_create(&c->crew, c->config.workers))
        return false;
    c->shards = calloc(c->config.workers, sizeof(*c->shards));
    if (c->shards == NULL)
        return false;
    for (unsigned i = 0; i < c->crew.count; i++)
        visits_init(&c->shards[i].visits, c->crew.workers[i]);
    evtimer_assign(&c->timeout, worker_events(c->crew.workers[0]), connect_timed_out, c);
    return true;
}

static bool hub_make(struct connect *c)
{
    struct hub_config hub = {
        .workers = c->crew.workers,
        .worker_count = c->crew.count,
        .instance = c->config.instance,
        .watch_ids = c->ids,
        .guest = true,
        .events = &connect_hub_events,
        .ctx = c,
        .seal = trust_seal(c->config.trust),
        .admit = connect_admit,
        .linger_us = c->config.linger_us,
    };
    way_fill_hub(c->config.way, &hub);
    c->hub = hub_create(&hub);
    for (unsigned i = 0; c->hub != NULL && i < c->crew.count; i++)
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
        c->doors[i].port.fd = -1;
    c->news = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!devices_make(c, err) || !doors_make(c, err))
        connect_free(&c);
    else if (c->news < 0 || (c->lookups = lookups_create()) == NULL || !shards_make(c) || !hub_make(c)) {
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
    return crew_start(&c->crew);
}

/* -- end ----------------------------------------------------------------------------------------------------------- */

static void cut_run(void *ctx, unsigned worker, void *arg)
{
    struct connect *c = ctx;
    struct connect_shard *s = &c->shards[worker];
    (void)arg;
    for (unsigned i = 0; i < WISHES_MAX; i++)
        doorkeeper_stop(&s->keepers[i]);
    visits_cut(&s->visits, &error_shutting_down);
    if (worker != 0)
        return;
    connect_backs_end(c);
    for (unsigned i = 0; i < WISHES_MAX; i++)
        udp_door_free(&c->udp_doors[i]);
}

void connect_end(struct connect *c)
{
    CHECK_OBJECT(c, CONNECT_MAGIC);
    atomic_store(&c->ending, true);
    crew_end(&c->crew, c->hub, cut_run, c);
}

void connect_free(struct connect **cp)
{
    struct connect *c;
    if (*cp == NULL)
        return;
    TAKE_OBJECT(c, cp, CONNECT_MAGIC);
    crew_stop(&c->crew);
    for (unsigned i = 0; i < c->crew.count && c->shards != NULL; i++)
        cut_run(c, i, NULL);
    if (event_initialized(&c->timeout))
        event_del(&c->timeout);
    if (c->lookups != NULL)
        lookups_free(&c->lookups);
    hub_free(&c->hub);
    if (c->plumb_fd >= 0)
        close(c->plumb_fd);
    plumb_free(&c->plumb);
    for (unsigned i = 0; i < WISHES_MAX; i++)
        door_close(&c->doors[i]);
    for (unsigned i = 0; i < c->crew.count && c->shards != NULL; i++)
        chunk_unref(c->shards[i].visits.room.scratch);
    crew_free(&c->crew);
    free(c->shards);
    if (c->news >= 0)
        close(c->news);
    FREE_OBJECT(c);
}

int connect_news(const struct connect *c) { return c->news; }
enum connect_over connect_over(const struct connect *c) { return (enum connect_over)atomic_load(&c->over); }
