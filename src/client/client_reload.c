/* SPDX-License-Identifier: Apache-2.0 */
/* The services while the program runs: read again after an edit, no stream dropped; what is wrong changes nothing. */
#include <stdio.h>

#include "base/log.h"
#include "client/client_inner.h"

/* -- a catalogue for everybody ------------------------------------------------------------------------------------- */

static void catalog_discard(void *arg) { catalog_unref(arg); }

static void catalog_change(void *ctx, unsigned worker, void *arg)
{
    struct client *c = ctx;
    struct client_shard *s = &c->shards[worker];
    catalog_unref(s->catalog);
    s->catalog = arg;
    if (worker == 0)
        publicity_keep(&c->publicity, catalog_services(s->catalog));
}

static struct service_entry entry_of(const struct service *s, enum stream_kind kind, const uint8_t *rules, size_t len)
{
    struct service_entry e = {.kind = kind, .options = rules, .options_len = len};
    snprintf(e.name, sizeof(e.name), "%s", s->name);
    return e;
}

/* A service that is public for a while stands there twice: as a workstation wants it, and as its file says. */
static bool catalog_offer(struct client *c, const struct services *services)
{
    static const enum stream_kind kinds[] = {
        [SERVICE_HTTP] = STREAM_KIND_HTTP, [SERVICE_TLS] = STREAM_KIND_TLS, [SERVICE_TCP] = STREAM_KIND_TCP};
    size_t count = 0, size = 1;
    for (size_t i = 0; i < services->count; i++)
        size += services->list[i].published ? PUBLISH_RULES_MAX(&services->list[i]) : 0;
    struct service_entry *list = calloc(2 * services->count + 1, sizeof(*list));
    uint8_t *wishes = malloc(size), *at = wishes;
    bool offered = list != NULL && wishes != NULL;
    for (size_t i = 0; i < services->count && offered; i++) {
        const struct service *s = &services->list[i];
        if (s->published) {
            size_t len = publish_rules(s, at);
            list[count++] = entry_of(s, STREAM_KIND_TCP, at, len);
            at += len;
        }
        list[count++] = entry_of(s, kinds[s->kind], s->rules, s->rules_len);
    }
    offered = offered && hub_offer(c->hub, list, count);
    free(wishes);
    free(list);
    return offered;
}

static void services_log(const struct client *c, const struct services *s)
{
    char target[PATH_TEXT_MAX];
    for (size_t i = 0; i < s->count && log_wanted(LOG_LEVEL_INFO); i++) {
        target_text(&s->list[i].target, target, sizeof(target));
        log_info(c->id, "service %s at %s", s->list[i].name, target);
    }
}

void client_change_catalog(struct client *c, struct catalog *catalog)
{
    for (unsigned i = 0; i < c->crew.count; i++)
        if (!crew_run(&c->crew, i, catalog_change, c, catalog_ref(catalog), catalog_discard))
            log_warning(c->id, "no memory for the services on worker %u", i);
    if (!catalog_offer(c, catalog_services(catalog)))
        log_warning(c->id, "no memory to say what is offered");
    catalog_unref(c->catalog);
    c->catalog = catalog;
}

void client_publish_catalog(struct client *c, struct catalog *catalog)
{
    services_log(c, catalog_services(catalog));
    client_change_catalog(c, catalog);
}

/* -- the file ------------------------------------------------------------------------------------------------------ */

static void reload(struct client *c)
{
    struct services services = {0, NULL};
    struct config_error err;
    if (services_load(c->services_file, &services, &err) != 0 || !services_may_be_offered(&services, c->trust != NULL, &err)) {
        log_warning(c->id, "%s; the services stay as they were", err.text);
        services_done(&services);
        return;
    }
    size_t count = services.count;
    publish_mark(&c->publish, &services);
    struct catalog *catalog = catalog_create(&services);
    if (catalog == NULL) {
        log_warning(c->id, "no memory for the services; they stay as they were");
        return;
    }
    client_publish_catalog(c, catalog);
    log_info(c->id, "reloaded %s: %zu service%s", c->services_file, count, count == 1 ? "" : "s");
}

static void on_file_changed(void *ctx)
{
    struct client *c = ctx;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    reload(c);
}

static void reload_run(void *ctx, unsigned worker, void *arg)
{
    (void)worker;
    (void)arg;
    reload(ctx);
}

void client_reload(struct client *c)
{
    CHECK_OBJECT(c, CLIENT_MAGIC);
    if (c->services_file != NULL && !crew_run(&c->crew, 0, reload_run, c, NULL, NULL))
        log_warning(c->id, "no memory to reload");
}

bool client_watch(struct client *c)
{
    if (c->services_file == NULL)
        return true;
    c->watch = watch_create(c->crew.workers[0], c->services_file, on_file_changed, c);
    return c->watch != NULL;
}
