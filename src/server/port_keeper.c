/* SPDX-License-Identifier: Apache-2.0 */
/* Wishes for ports, and the ports. */
#include "server/port_keeper.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/object.h"
#include "config/port_book.h"
#include "gate/shelf.h"
#include "server/edge.h"
#include "server/front.h"
#include "server/tcp_port.h"
#include "wire/rules.h"

#define KEEPER_MAGIC 0x6b656570
/* The file says when a port was last used, also if the server is killed. */
#define REFRESH_US (6 * 3600 * US_PER_S)

struct port_keeper {
    OBJECT_MAGIC;
    struct port_keeper_config config;
    struct port_book *book; /* NULL: no ports are given */
    char host[PUBLIC_HOST_MAX + 1]; /* what clients are told */
    struct event timer;     /* the next release, or the file */
    bool timed;
    uint64_t shelf_until_us; /* sockets that were given to us and that nobody has wanted are closed then */
    /* For each port: workers that still have it open although it was given back, and that do not have it open yet. */
    uint16_t *closing, *opening;
    struct list answers; /* that wait until all workers have the port open (another service may have had it) and the file says so */
    uint64_t noted, written; /* numbers of the last note, and of the last that is in the file */
};

struct port_note {
    struct mail mail; /* back to worker 0 when it is written */
    struct port_keeper *keeper;
    uint64_t number;
    char *text;
};

struct answer {
    struct list node;
    struct hub_shard *shard;
    char instance[INSTANCE_TEXT_BYTES + 1];
    struct public_port port;
    uint64_t note; /* that has it */
};

/* -- orders to the workers ----------------------------------------------------------------------------------------- */

struct order {
    struct mail mail;
    struct port_keeper *keeper;
    struct front *front;
    bool opens;
    int fd; /* of one that opens, until the worker has taken it; -1 */
    uint16_t port;
    struct route route;
};

static void order_discard(struct mail *m)
{
    struct order *o = CONTAINER_OF(m, struct order, mail);

    if (o->fd >= 0)
        close(o->fd);
    free(o);
}

/* Those whose port is open everywhere and in the file. */
static void answers_send(struct port_keeper *k)
{
    LIST_FOREACH_SAFE(node, next, &k->answers) {
        struct answer *a = CONTAINER_OF(node, struct answer, node);
        if (a->port.why == &error_none && (k->opening[a->port.port] > 0 || a->note > k->written))
            continue;
        hub_say_public(a->shard, a->instance, &a->port);
        list_remove(&a->node);
        free(a);
    }
}

static void order_done(struct worker *self, struct mail *m)
{
    struct order *o = CONTAINER_OF(m, struct order, mail);
    struct port_keeper *k = o->keeper;
    uint16_t port = o->port, *count = o->opens ? k->opening : k->closing;

    (void)self;
    CHECK_OBJECT(k, KEEPER_MAGIC);
    free(o);
    if (--count[port] == 0 && count == k->opening)
        answers_send(k);
}

static void order_deliver(struct worker *self, struct mail *m)
{
    struct order *o = CONTAINER_OF(m, struct order, mail);

    (void)self;
    if (o->opens)
        tcp_port_open(o->front, o->fd, o->port, &o->route);
    else
        tcp_port_close(o->front, o->port);
    o->fd = -1;
    o->mail.deliver = order_done;
    worker_post(o->keeper->config.workers[0], &o->mail);
}

/* NULL without memory. */
static struct order *order_create(struct port_keeper *k, unsigned index, const struct port_entry *e)
{
    struct order *o = calloc(1, sizeof(*o));

    if (o == NULL)
        return NULL;
    o->mail = (struct mail){.deliver = order_deliver, .discard = order_discard};
    list_init(&o->mail.node);
    o->keeper = k;
    o->front = k->config.fronts[index];
    o->fd = -1;
    o->port = e->port;
    o->route.kind = ROUTE_SERVICE;
    strcpy(o->route.client, e->client);
    strcpy(o->route.service, e->service);
    return o;
}

static void orders_discard(struct order *const orders[], unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        order_discard(&orders[i]->mail);
}

/* 0 or an errno: then no worker has the port. One that some worker is about to close is still ours. */
static int port_listen(struct port_keeper *k, const struct port_entry *e)
{
    struct order *orders[WORKERS_MAX];
    struct shelf_wish wish = {NULL, k->config.settings->bind, e->port};
    int fds[WORKERS_MAX];
    unsigned made = 0, count = shelf_listen(k->config.shelf, &wish, k->config.count, k->closing[e->port] == 0, fds);

    if (count == 0)
        return errno;
    while (made < count && (orders[made] = order_create(k, made % k->config.count, e)) != NULL)
        orders[made++]->opens = true;
    for (unsigned i = 0; i < count; i++) {
        if (i < made)
            orders[i]->fd = fds[i];
        else
            close(fds[i]);
    }
    if (made < count) {
        orders_discard(orders, made);
        return ENOMEM;
    }
    for (unsigned i = 0; i < count; i++)
        worker_post(k->config.workers[i % k->config.count], &orders[i]->mail);
    k->opening[e->port] += (uint16_t)count;
    return 0;
}

static void port_close(struct port_keeper *k, struct port_entry *e)
{
    for (unsigned i = 0; i < k->config.count; i++) {
        struct order *o = order_create(k, i, e);
        if (o == NULL) {
            log_warning(e->client, "no memory to close the port of %s", e->service);
            return;
        }
        k->closing[e->port]++;
        worker_post(k->config.workers[i], &o->mail);
    }
    log_info(e->client, "port %u of %s is closed", e->port, e->service);
    counter_sub(counters_self(), COUNTER_public_ports, 1);
    port_book_release(e, time(NULL));
}

/* -- the file, and what time brings -------------------------------------------------------------------------------- */

void port_note_free(struct port_note *n)
{
    if (n == NULL)
        return;
    free(n->text);
    free(n);
}

const char *port_note_text(const struct port_note *n) { return n->text; }

static void note_discard(struct mail *m) { port_note_free(CONTAINER_OF(m, struct port_note, mail)); }

static void note_deliver(struct worker *self, struct mail *m)
{
    struct port_note *n = CONTAINER_OF(m, struct port_note, mail);
    struct port_keeper *k = n->keeper;

    (void)self;
    CHECK_OBJECT(k, KEEPER_MAGIC);
    k->written = n->number;
    port_note_free(n);
    answers_send(k);
}

void port_note_written(struct port_note *n) { worker_post(n->keeper->config.workers[0], &n->mail); }

/* Without memory nothing is written, and nobody waits for it. */
static void keeper_remember(struct port_keeper *k)
{
    struct port_note *n = calloc(1, sizeof(*n));

    if (n != NULL)
        n->text = port_book_write(k->book, time(NULL));
    if (n == NULL || n->text == NULL) {
        port_note_free(n);
        k->written = k->noted;
        answers_send(k);
        return;
    }
    n->mail = (struct mail){.deliver = note_deliver, .discard = note_discard};
    list_init(&n->mail.node);
    n->keeper = k;
    n->number = ++k->noted;
    k->config.remember(k->config.ctx, n);
}

static void keeper_arm(struct port_keeper *k)
{
    uint64_t now = worker_now_us(k->config.workers[0]), at = now + REFRESH_US;

    if (k->shelf_until_us < at)
        at = k->shelf_until_us;
    for (const struct port_entry *e = port_book_held(k->book, 0); e != NULL; e = port_book_held(k->book, e->port + 1u))
        if (e->release_us < at)
            at = e->release_us;
    uint64_t delay = at > now ? at - now : 0;
    event_add(&k->timer, &(struct timeval){(time_t)(delay / US_PER_S), (suseconds_t)(delay % US_PER_S)});
}

static void keeper_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct port_keeper *k = ctx;

    (void)fd, (void)what;
    CHECK_OBJECT(k, KEEPER_MAGIC);
    uint64_t now = worker_now_us(k->config.workers[0]);
    for (struct port_entry *e = port_book_held(k->book, 0); e != NULL; e = port_book_held(k->book, e->port + 1u))
        if (e->release_us <= now + 5 * US_PER_MS)
            port_close(k, e);
    if (k->shelf_until_us <= now + 5 * US_PER_MS) {
        shelf_clear(k->config.shelf);
        k->shelf_until_us = CLOCK_NEVER;
    }
    keeper_remember(k);
    keeper_arm(k);
}

/* -- wishes -------------------------------------------------------------------------------------------------------- */

/* Whether the service wants a port, and which one (0: any). */
static bool wish_of(const struct service_entry *service, uint16_t *port)
{
    struct bytes_reader r;
    struct rule rule;

    if (service->kind != STREAM_KIND_TCP || rules_check(service->options, service->options_len) != NULL)
        return false;
    bytes_reader_init(&r, service->options, service->options_len);
    while (rules_next(&r, &rule)) {
        if (rule.code != RULE_public_port)
            continue;
        *port = rule_port(&rule);
        return true;
    }
    return false;
}

/* An instance wants what the entry is, and may. */
static bool entry_is_wanted(void *ctx, const struct offering *o)
{
    const struct port_entry *e = ctx;
    const struct edge_offer *made = o->made;
    uint16_t port;

    if (made == NULL || edge_offer_find(made, e->service, STREAM_KIND_TCP) == NULL || !port_granted(made->ports, e->port))
        return false;
    for (size_t i = 0; i < o->count; i++)
        if (strcmp(o->list[i].name, e->service) == 0 && wish_of(&o->list[i], &port) && (port == 0 || port == e->port))
            return true;
    return false;
}

/* Ports that nobody of `id` wants any more: closed now, or (`later`) after a while. */
static bool keeper_sweep(struct port_keeper *k, struct hub_shard *s, const char *id, bool later)
{
    struct list *entries = port_book_of(k->book, id);
    bool changed = false;

    if (entries == NULL)
        return false;
    LIST_FOREACH(node, entries) {
        struct port_entry *e = CONTAINER_OF(node, struct port_entry, node);
        if (!e->held)
            continue;
        bool wanted = hub_offers(s, id, entry_is_wanted, e), waits = e->release_us != UINT64_MAX;
        changed |= !wanted || waits;
        if (wanted)
            e->release_us = UINT64_MAX;
        else if (!later)
            port_close(k, e);
        else if (!waits)
            e->release_us = worker_now_us(k->config.workers[0]) + k->config.fronts[0]->config.settings->tcp_release_us;
    }
    return changed;
}

/* A client that offers something else all the time does not get our time. */
static bool opens_too_often(struct port_keeper *k, const char *id)
{
    char key[NAME_MAX_BYTES + 8];
    int len = snprintf(key, sizeof(key), "ports %s", id);

    return rates_take(k->config.rates, key, (size_t)len, PORTS_OPENED_PER_1000_S, PORTS_OPENED_AT_ONCE,
                      worker_now_us(k->config.workers[0])) > 0;
}

/* NULL and *port. */
static const struct error *keeper_give(struct port_keeper *k, const char *id, const char *service, uint16_t wanted,
                                       const char *granted, uint16_t *port)
{
    struct port_entry *e = port_book_find(k->book, id, service);
    struct port_set except = {{0}};

    if (e != NULL && e->held) { /* several instances have one port, the first one's */
        *port = e->port;
        return port_granted(granted, e->port) ? NULL : &error_port_not_granted;
    }
    if (opens_too_often(k, id))
        return &error_limit;
    for (unsigned tries = 0; tries < PORT_TRIES_MAX; tries++) {
        const struct error *why = port_book_take(k->book, id, service, wanted, granted, &except, time(NULL), &e);
        if (why != NULL)
            return why;
        int failure = port_listen(k, e);
        if (failure == 0) {
            log_info(id, "%s has port %u", service, e->port);
            counter_add(counters_self(), COUNTER_public_ports, 1);
            *port = e->port;
            return NULL;
        }
        log_warning(id, "port %u for %s cannot be opened: %s", e->port, service, strerror(failure));
        port_set_add(&except, e->port);
        port_book_forget(k->book, e);
        if (failure != EADDRINUSE && failure != EACCES)
            return failure == ENOMEM ? &error_no_memory : &error_limit;
        if (wanted != 0) /* what we may not open is none that we give */
            return failure == EACCES ? &error_port_outside : &error_port_taken;
    }
    return &error_ports_used_up;
}

static void keeper_answer(struct port_keeper *k, struct hub_shard *s, const char *id, const char *instance,
                          const struct service_entry *service, uint16_t wanted, const struct edge_offer *made)
{
    struct public_port p = {.why = &error_ports_not_given, .port = wanted};
    const struct edge_service *allowed = edge_offer_find(made, service->name, STREAM_KIND_TCP);
    uint16_t port = 0;

    strcpy(p.service, service->name);
    snprintf(p.host, sizeof(p.host), "%s", k->host);
    if (k->book != NULL && allowed == NULL)
        p.why = &error_port_not_granted;
    else if (k->book != NULL)
        p.why = keeper_give(k, id, service->name, wanted, made->ports, &port);
    if (p.why == NULL) {
        p.why = &error_none;
        p.port = port;
    } else {
        log_at(p.why->level, id, "%s gets no public port: %s", service->name, p.why->text);
    }
    struct answer *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return;
    a->shard = s;
    a->port = p;
    snprintf(a->instance, sizeof(a->instance), "%s", instance);
    a->note = k->noted + 1;
    list_append(&k->answers, &a->node);
}

/* Where the names of its services are for visitors. */
static void keeper_say_web(const struct port_keeper *k, struct hub_shard *s, const char *instance)
{
    struct public_port p = {.why = &error_none, .port = k->config.web_port, .scheme = k->config.web_scheme};

    snprintf(p.host, sizeof(p.host), "%s", k->config.settings->domain != NULL ? k->config.settings->domain : "");
    hub_say_public(s, instance, &p);
}

void port_keeper_offers(struct port_keeper *k, struct hub_shard *s, const char *id, const char *instance,
                        const struct offering *o)
{
    unsigned asked = 0;
    uint16_t wanted;

    CHECK_OBJECT(k, KEEPER_MAGIC);
    if (o->made == NULL)
        return;
    keeper_say_web(k, s, instance);
    bool changed = k->book != NULL && keeper_sweep(k, s, id, false);
    for (size_t i = 0; i < o->count && asked < PORTS_PER_CLIENT_MAX; i++) {
        if (!wish_of(&o->list[i], &wanted))
            continue;
        keeper_answer(k, s, id, instance, &o->list[i], wanted, o->made);
        asked++;
    }
    if (k->book != NULL && (changed || asked > 0)) {
        keeper_remember(k);
        keeper_arm(k);
    }
    answers_send(k);
}

void port_keeper_down(struct port_keeper *k, struct hub_shard *s, const char *id)
{
    CHECK_OBJECT(k, KEEPER_MAGIC);
    if (k->book == NULL || !keeper_sweep(k, s, id, true))
        return;
    keeper_remember(k);
    keeper_arm(k);
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

/* The answer comes as an offer, too. */
static void up_answered(void *ctx, struct offering *o, const struct error *why) { (void)ctx, (void)o, (void)why; }

/* Where sessions are not encrypted they begin with the first stream: nobody would hear of the wishes. */
void port_keeper_up(struct port_keeper *k, struct hub_shard *s, const char *id)
{
    struct hub_choice at;
    const struct error *why;

    CHECK_OBJECT(k, KEEPER_MAGIC);
    if (k->config.settings->no_encryption && hub_choose(s, id, NULL, &at, &why))
        hub_services(s, &at, up_answered, NULL);
}

/* A client finds our own broker at our own host; at another's it needs a name. */
static void keeper_name(struct port_keeper *k)
{
    const struct server_settings *settings = k->config.settings;

    if (settings->domain != NULL)
        snprintf(k->host, sizeof(k->host), "%s", settings->domain);
    else if (settings->broker.url != NULL && gethostname(k->host, sizeof(k->host) - 1) != 0)
        k->host[0] = '\0';
}

static bool keeper_read(struct port_keeper *k, struct config_error *err)
{
    struct config_error why;
    uint64_t key[2];

    if (getrandom(key, sizeof(key), 0) == sizeof(key))
        k->book = port_book_create(k->config.settings->tcp_ports, key);
    k->closing = calloc(UINT16_MAX + 1, sizeof(*k->closing));
    k->opening = calloc(UINT16_MAX + 1, sizeof(*k->opening));
    if (k->book == NULL || k->closing == NULL || k->opening == NULL) {
        config_error_set(err, "out of memory");
        return false;
    }
    char *text = state_read(k->config.state, PORTS_FILE);
    if (text == NULL && errno == ENOENT)
        return true;
    int result = text == NULL ? config_error_set(&why, "%s", strerror(errno)) : port_book_read(k->book, text, time(NULL), &why);
    free(text);
    if (result != 0)
        config_error_set(err, "%s/" PORTS_FILE ": %s", state_directory(k->config.state), why.text);
    return result == 0;
}

struct port_keeper *port_keeper_create(const struct port_keeper_config *config, struct config_error *err)
{
    char left[SHELF_NAME_MAX + 32];
    struct port_keeper *k;

    ALLOC_OBJECT(k, KEEPER_MAGIC);
    if (k == NULL) {
        config_error_set(err, "out of memory");
        return NULL;
    }
    k->config = *config;
    list_init(&k->answers);
    keeper_name(k);
    if (config->settings->tcp_ports == NULL)
        return k;
    if (!keeper_read(k, err)) {
        port_keeper_free(&k);
        return NULL;
    }
    evtimer_assign(&k->timer, worker_events(config->workers[0]), keeper_timer, k);
    k->timed = true;
    k->shelf_until_us = CLOCK_NEVER;
    if (shelf_left(config->shelf, left, sizeof(left))) {
        uint64_t us = config->settings->tcp_release_us;
        k->shelf_until_us = clock_now_us() + us;
        event_add(&k->timer, &(struct timeval){(time_t)(us / US_PER_S), (suseconds_t)(us % US_PER_S)});
    }
    return k;
}

void port_keeper_free(struct port_keeper **kp)
{
    struct port_keeper *k;

    TAKE_OBJECT(k, kp, KEEPER_MAGIC);
    if (k->timed)
        event_del(&k->timer);
    if (k->book != NULL)
        port_book_free(&k->book);
    for (struct list *node; (node = list_shift(&k->answers)) != NULL;)
        free(CONTAINER_OF(node, struct answer, node));
    free(k->closing);
    free(k->opening);
    FREE_OBJECT(k);
}

char *port_keeper_text(struct port_keeper *k)
{
    CHECK_OBJECT(k, KEEPER_MAGIC);
    return k->book != NULL ? port_book_write(k->book, time(NULL)) : NULL;
}
