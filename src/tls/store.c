/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of certificates on their way to the workers. */
#include "tls/store.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdatomic.h>
#include <string.h>

#include "base/object.h"
#include "base/watch.h"
#include "mdm-tunnel/limits.h"

#define STORE_MAGIC 0x7e155700u
#define FILES_MAX (2 * TLS_PAIRS_MAX + 1)

/* A certificate and its key are two files: both should be there before they are read. */
static const struct timeval settle_time = {.tv_usec = 200000};
static const struct timeval tickets_time = {.tv_sec = TLS_TICKET_KEY_S};

struct tls_store {
    OBJECT_MAGIC;
    struct worker *const *workers;
    unsigned worker_count;
    void (*news)(void *ctx, enum tls_news news, const char *text);
    void *ctx;
    struct tls_set *sets[WORKERS_MAX]; /* each of its worker */
    struct mail reload;
    atomic_bool reloading; /* `reload` is on its way */

    /* the first worker's */
    struct tls_config config;
    struct tls_pair pairs[TLS_PAIRS_MAX];
    struct tls_tickets tickets;
    struct watch *watches[FILES_MAX];
    unsigned watch_count;
    struct event settled, tickets_due;
};

/* A set on its way to one worker. */
struct delivery {
    struct mail mail;
    struct tls_store *store;
    struct tls_set *set;
};

/* -- to the workers ------------------------------------------------------------------------------------------------ */

static void delivery_discard(struct mail *m)
{
    struct delivery *d = CONTAINER_OF(m, struct delivery, mail);
    tls_set_unref(d->set);
    free(d);
}

static void delivery_arrived(struct worker *self, struct mail *m)
{
    struct delivery *d = CONTAINER_OF(m, struct delivery, mail);
    struct tls_set **current = &d->store->sets[worker_index(self)], *former = *current;
    *current = d->set;
    d->set = former;
    delivery_discard(m);
}

static bool publish(struct tls_store *s, struct tls_set *set)
{
    struct delivery *all[WORKERS_MAX];
    for (unsigned i = 0; i < s->worker_count; i++) {
        all[i] = calloc(1, sizeof(*all[i]));
        if (all[i] == NULL) { /* all workers or none */
            while (i > 0)
                free(all[--i]);
            return false;
        }
    }
    for (unsigned i = 0; i < s->worker_count; i++) {
        all[i]->mail = (struct mail){.deliver = delivery_arrived, .discard = delivery_discard};
        all[i]->store = s;
        all[i]->set = tls_set_ref(set);
        worker_post(s->workers[i], &all[i]->mail);
    }
    return true;
}

/* -- reading again ------------------------------------------------------------------------------------------------- */

/* A line at a time. */
static void warn(const struct tls_store *s, char *lines)
{
    char *rest = NULL;
    for (char *line = strtok_r(lines, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        s->news(s->ctx, TLS_NEWS_WARNING, line);
}

static bool renew(struct tls_store *s)
{
    struct tls_report report;
    struct tls_set *set = tls_set_load(&s->config, &s->tickets, &report);
    bool done = set != NULL && publish(s, set);
    if (set != NULL && !done)
        snprintf(report.error, sizeof(report.error), "out of memory");
    tls_set_unref(set);
    if (done)
        warn(s, report.warning);
    else
        s->news(s->ctx, TLS_NEWS_REFUSED, report.error);
    return done;
}

static void settled(evutil_socket_t fd, short what, void *arg)
{
    struct tls_store *s = arg;
    char text[64];
    (void)fd, (void)what;
    CHECK_OBJECT(s, STORE_MAGIC);
    snprintf(text, sizeof(text), "%u in use", s->config.pair_count);
    if (renew(s))
        s->news(s->ctx, TLS_NEWS_LOADED, text);
}

static void tickets_due(evutil_socket_t fd, short what, void *arg)
{
    struct tls_store *s = arg;
    (void)fd, (void)what;
    CHECK_OBJECT(s, STORE_MAGIC);
    if (tls_tickets_turn(&s->tickets))
        renew(s);
}

static void file_changed(void *ctx)
{
    struct tls_store *s = ctx;
    CHECK_OBJECT(s, STORE_MAGIC);
    if (!event_pending(&s->settled, EV_TIMEOUT, NULL))
        event_add(&s->settled, &settle_time);
}

static void reload_arrived(struct worker *self, struct mail *m)
{
    struct tls_store *s = CONTAINER_OF(m, struct tls_store, reload);
    (void)self;
    CHECK_OBJECT(s, STORE_MAGIC);
    atomic_store(&s->reloading, false);
    file_changed(s);
}

static void reload_discard(struct mail *m) { (void)m; }

void tls_store_reload(struct tls_store *s)
{
    CHECK_OBJECT(s, STORE_MAGIC);
    if (!atomic_exchange(&s->reloading, true))
        worker_post(s->workers[0], &s->reload);
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

static bool copy_text(const char **to, const char *from)
{
    *to = from == NULL ? NULL : strdup(from);
    return from == NULL || *to != NULL;
}

static bool config_copy(struct tls_store *s, const struct tls_config *from)
{
    bool ok = copy_text(&s->config.client_ca_file, from->client_ca_file);
    s->config.clients = from->clients;
    s->config.pairs = s->pairs;
    s->config.pair_count = from->pair_count;
    for (unsigned i = 0; i < from->pair_count; i++)
        ok = copy_text(&s->pairs[i].cert_file, from->pairs[i].cert_file) &&
             copy_text(&s->pairs[i].key_file, from->pairs[i].key_file) && ok;
    return ok;
}

static bool watch_file(struct tls_store *s, const char *path)
{
    if (path == NULL)
        return true;
    struct watch *w = watch_create(s->workers[0], path, file_changed, s);
    if (w == NULL)
        return false;
    s->watches[s->watch_count++] = w;
    return true;
}

static bool watch_files(struct tls_store *s)
{
    bool ok = watch_file(s, s->config.client_ca_file);
    for (unsigned i = 0; ok && i < s->config.pair_count; i++)
        ok = watch_file(s, s->pairs[i].cert_file) && watch_file(s, s->pairs[i].key_file);
    return ok && event_add(&s->tickets_due, &tickets_time) == 0;
}

/* Two fresh keys, so that the second is no constant either. */
static bool tickets_make(struct tls_store *s) { return tls_tickets_turn(&s->tickets) && tls_tickets_turn(&s->tickets); }

static bool store_init(struct tls_store *s, const struct tls_config *config, char error[static 512])
{
    struct tls_report report;
    if (!config_copy(s, config) || !tickets_make(s) || !watch_files(s)) {
        snprintf(error, 512, "%s: cannot be watched: %m", config->pairs[0].cert_file);
        return false;
    }
    struct tls_set *set = tls_set_load(&s->config, &s->tickets, &report);
    if (set == NULL) {
        snprintf(error, 512, "%s", report.error);
        return false;
    }
    for (unsigned i = 0; i < s->worker_count; i++)
        s->sets[i] = tls_set_ref(set);
    tls_set_unref(set);
    warn(s, report.warning);
    return true;
}

struct tls_store *tls_store_create(const struct tls_store_config *config, char error[static 512])
{
    struct tls_store *s;
    ALLOC_OBJECT(s, STORE_MAGIC);
    if (s == NULL) {
        snprintf(error, 512, "out of memory");
        return NULL;
    }
    s->workers = config->workers;
    s->worker_count = config->worker_count;
    s->news = config->news;
    s->reload = (struct mail){.deliver = reload_arrived, .discard = reload_discard};
    list_init(&s->reload.node);
    s->ctx = config->ctx;
    event_assign(&s->settled, worker_events(s->workers[0]), -1, 0, settled, s);
    event_assign(&s->tickets_due, worker_events(s->workers[0]), -1, EV_PERSIST, tickets_due, s);
    if (!store_init(s, &config->tls, error))
        tls_store_free(&s);
    return s;
}

struct tls_set *tls_store_set(const struct tls_store *s, unsigned worker_index)
{
    CHECK_OBJECT(s, STORE_MAGIC);
    assert(worker_index < s->worker_count);
    return s->sets[worker_index];
}

void tls_store_free(struct tls_store **sp)
{
    struct tls_store *s;
    if (*sp == NULL)
        return;
    TAKE_OBJECT(s, sp, STORE_MAGIC);
    for (unsigned i = 0; i < s->watch_count; i++)
        watch_free(&s->watches[i]);
    event_del(&s->settled);
    event_del(&s->tickets_due);
    for (unsigned i = 0; i < s->worker_count; i++)
        tls_set_unref(s->sets[i]);
    for (unsigned i = 0; i < s->config.pair_count; i++) {
        free((void *)(uintptr_t)s->pairs[i].cert_file);
        free((void *)(uintptr_t)s->pairs[i].key_file);
    }
    free((void *)(uintptr_t)s->config.client_ca_file);
    explicit_bzero(&s->tickets, sizeof(s->tickets));
    FREE_OBJECT(s);
}
