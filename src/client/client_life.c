/* SPDX-License-Identifier: Apache-2.0 */
/* The client from its creation to its end. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "client/client_inner.h"
#include "client/inspector.h"
#include "client/local.h"
#include "config/log_settings.h"
#include "mdm-tunnel/limits.h"

void client_tell_news(struct client *c)
{
    uint64_t one = 1;
    ssize_t written = write(c->news, &one, sizeof(one));
    (void)written; /* fails only when nobody has looked for a very long time */
}

/* -- create -------------------------------------------------------------------------------------------------------- */

static void on_streams_idle(void *ctx)
{
    struct client *c = ctx;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    if (atomic_load_explicit(&c->draining, memory_order_acquire))
        client_tell_news(c);
}

static bool shards_create(struct client *c, const struct client_config *config)
{
    if (!crew_create(&c->crew, config->workers))
        return false;
    c->shards = calloc(config->workers, sizeof(*c->shards));
    if (c->shards == NULL)
        return false;
    for (unsigned i = 0; i < c->crew.count; i++) {
        struct client_shard *s = &c->shards[i];
        s->worker = c->crew.workers[i];
        s->lookups = c->lookups;
        s->gate = c->gate;
        s->inspector = config->inspector;
        s->catalog = catalog_ref(config->catalog);
        s->id = c->id;
        s->streams = &c->streams;
        s->ledger = c->ledger;
        s->idle = on_streams_idle;
        s->disconnect = client_disconnect;
        s->ctx = c;
        s->since_s = time(NULL);
        locals_init(s);
    }
    return true;
}

static bool hub_make(struct client *c, const struct client_config *config)
{
    struct hub_config hub = {
        .workers = c->crew.workers,
        .worker_count = c->crew.count,
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
    for (unsigned i = 0; c->hub != NULL && i < c->crew.count; i++)
        c->shards[i].hub = hub_shard(c->hub, i);
    return c->hub != NULL && way_make_link(config->way, c->hub, config->instance);
}

static void on_gate_changed(void *ctx)
{
    struct client *c = ctx;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    hub_review(c->hub);
    publish_review(c);
}

static void on_asked(void *ctx, struct control_question *q, const char *line)
{
    struct client *c = ctx;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    bool json = strcmp(line, "status json") == 0;
    control_answer(&q, json || strcmp(line, "status") == 0 ? client_status(c, json) : log_settings_answer(line));
}

/* That it cannot be asked keeps it from nothing. */
static void control_make(struct client *c, const char *directory)
{
    if (directory == NULL)
        return;
    c->control = control_socket_open(c->crew.workers[0], directory, "client", on_asked, c);
    if (c->control == NULL)
        log_warning(c->id, "there will be no answer to commands: control socket in %s: %s", directory, strerror(errno));
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
    c->started_s = c->changed_s = time(NULL);
    c->host = way_host(config->way);
    publicity_init(&c->publicity);
    publish_init(&c->publish);
    c->announce = config->announce;
    c->announce_ctx = config->announce_ctx;
    c->services_file = config->services_file;
    c->trust = config->trust;
    c->server = config->server;
    c->gate = config->gate;
    c->inspector = config->inspector;
    c->limited = config->way->max_attempts != 0;
    c->news = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    c->lookups = lookups_create();
    c->ledger = ledger_create(config->audit);
    bool made = c->news >= 0 && c->lookups != NULL && c->ledger != NULL && shards_create(c, config) && hub_make(c, config);
    if (!made)
        config_error_set(err, "cannot start: %s", strerror(errno != 0 ? errno : ENOMEM));
    else if (!client_watch(c))
        config_error_set(err, "cannot watch %s: %s", c->services_file, strerror(errno));
    else if (c->gate != NULL && !gate_watch(c->gate, c->crew.workers[0], on_gate_changed, c))
        config_error_set(err, "cannot watch " AUTHORIZED_PEERS_FILE ": %s", strerror(errno));
    else {
        control_make(c, config->directory);
        return c;
    }
    client_free(&c);
    return NULL;
}

int client_start(struct client *c)
{
    CHECK_OBJECT(c, CLIENT_MAGIC);
    int error = c->inspector != NULL ? inspector_start(c->inspector, &c->crew, &c->shards[0]) : 0;
    if (error != 0)
        return error;
    client_publish_catalog(c, catalog_ref(c->shards[0].catalog));
    hub_start(c->hub);
    return crew_start(&c->crew);
}

/* -- end ----------------------------------------------------------------------------------------------------------- */

static void drain_run(void *ctx, unsigned worker, void *arg)
{
    struct client *c = ctx;
    (void)arg;
    locals_drain(&c->shards[worker]);
}

void client_drain(struct client *c)
{
    CHECK_OBJECT(c, CLIENT_MAGIC);
    atomic_store_explicit(&c->draining, true, memory_order_release);
    hub_close(c->hub);
    crew_run_all(&c->crew, drain_run, c, NULL);
    client_tell_news(c); /* there may be no stream at all */
}

static void cut_run(void *ctx, unsigned worker, void *arg)
{
    struct client *c = ctx;
    (void)arg;
    locals_cut(&c->shards[worker], &error_shutting_down);
    if (worker == 0)
        publish_end(&c->publish);
}

void client_end(struct client *c)
{
    CHECK_OBJECT(c, CLIENT_MAGIC);
    atomic_store(&c->ending, true);
    if (c->inspector != NULL)
        inspector_stop(c->inspector);
    crew_end(&c->crew, c->hub, cut_run, c);
}

void client_free(struct client **cp)
{
    struct client *c;
    if (*cp == NULL)
        return;
    TAKE_OBJECT(c, cp, CLIENT_MAGIC);
    if (c->inspector != NULL)
        inspector_stop(c->inspector);
    crew_stop(&c->crew);
    control_socket_free(&c->control);
    watch_free(&c->watch);
    if (c->gate != NULL)
        gate_unwatch(c->gate);
    for (unsigned i = 0; i < c->crew.count && c->shards != NULL; i++)
        locals_cut(&c->shards[i], &error_shutting_down);
    publish_end(&c->publish);
    if (c->lookups != NULL)
        lookups_free(&c->lookups);
    hub_free(&c->hub);
    for (unsigned i = 0; i < c->crew.count && c->shards != NULL; i++) {
        catalog_unref(c->shards[i].catalog);
        chunk_unref(c->shards[i].room.scratch);
    }
    crew_free(&c->crew);
    publicity_done(&c->publicity);
    catalog_unref(c->catalog);
    ledger_free(&c->ledger);
    free(c->shards);
    if (c->news >= 0)
        close(c->news);
    FREE_OBJECT(c);
}

int client_news(const struct client *c) { return c->news; }
unsigned client_streams(const struct client *c) { return atomic_load(&c->streams); }
const struct error *client_refused(const struct client *c) { return atomic_load(&c->refused); }
bool client_identified(const struct client *c) { return atomic_load(&c->identified); }
void client_pulse(const struct client *c, struct pulse *out) { pulse_init(out, c->crew.workers, c->crew.count); }
bool client_gave_up(const struct client *c) { return atomic_load(&c->gave_up); }

const char *client_last_why(const struct client *c) { return c->last_why; }
