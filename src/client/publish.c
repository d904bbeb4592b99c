/* SPDX-License-Identifier: Apache-2.0 */
/* Services with an end. */
#include "client/publish.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "client/client_inner.h"
#include "wire/rules.h"

/* How long servers have to answer, and how long another one may grant what the first has refused. */
#define ANSWER_US (5 * US_PER_S)
#define SECOND_US (500 * US_PER_MS)

struct publication {
    struct list node;
    char service[NAME_MAX_BYTES + 1];
    struct conduit_peer peer; /* who asked for it, last */
    struct client *client;
    struct tunnel *tunnel; /* of who asked for it first */
    uint64_t until_us;
    uint64_t answer_us; /* who asks is refused then */
    const struct error *why; /* what a server has said; NULL: nothing yet */
    bool granted;
    struct list asks;
};

/* A workstation that waits for the address. */
struct ask {
    OBJECT_MAGIC;
    struct list node;
    struct publish *publish;
    struct conduit *conduit;
    bool answered; /* it is taking leave */
};
#define ASK_MAGIC 0x61736b3f

static struct publication *publication_of(struct list *node) { return CONTAINER_OF(node, struct publication, node); }

/* -- who asks ------------------------------------------------------------------------------------------------------ */

static void ask_end(struct ask *a, const struct error *reason)
{
    if (a->answered)
        conduit_close(&a->conduit, reason);
    else
        conduit_refuse(&a->conduit, reason);
    list_remove(&a->node);
    a->publish->asking--;
    FREE_OBJECT(a);
}

static void on_ended(void *ctx, const struct error *reason)
{
    struct ask *a = ctx;
    CHECK_OBJECT(a, ASK_MAGIC);
    a->answered = true; /* there is nobody to refuse */
    ask_end(a, reason);
}

static void on_readable(void *ctx)
{
    struct ask *a = ctx;
    CHECK_OBJECT(a, ASK_MAGIC);
    struct slice_queue *q = conduit_input(a->conduit);
    size_t n = q->bytes;
    slice_queue_skip(q, n);
    conduit_consumed(a->conduit, n);
}

static const struct conduit_events ask_conduit_events = {.readable = on_readable, .ended = on_ended};

/* `address` NULL: there is none to be said. */
static void ask_answer(struct ask *a, const char *address)
{
    char line[300];
    int len = address != NULL ? snprintf(line, sizeof(line), "%s\n", address) : 0;
    struct slice text = len > 0 && !a->answered ? slice_copy(line, (size_t)len) : SLICE_NONE;
    if (a->answered || (len > 0 && text.data == NULL))
        return;
    a->answered = true;
    conduit_accept(a->conduit);
    conduit_write(a->conduit, text, true);
}

static struct ask *ask_add(struct publish *p, struct list *asks, struct conduit *conduit)
{
    struct ask *a = NULL;
    if (p->asking < PUBLICATIONS_MAX)
        ALLOC_OBJECT(a, ASK_MAGIC);
    if (a == NULL)
        return NULL;
    a->publish = p;
    a->conduit = conduit;
    list_append(asks, &a->node);
    p->asking++;
    conduit_set_events(conduit, &ask_conduit_events, a);
    return a;
}

static void asks_end(struct list *asks, const struct error *reason)
{
    LIST_FOREACH_SAFE (node, next, asks)
        ask_end(CONTAINER_OF(node, struct ask, node), reason);
}

static bool is_asked(const struct publication *b)
{
    LIST_FOREACH (node, &b->asks)
        if (!CONTAINER_OF(node, struct ask, node)->answered)
            return true;
    return false;
}

/* -- what is offered ----------------------------------------------------------------------------------------------- */

size_t publish_rules(const struct service *s, uint8_t *out)
{
    struct bytes_writer w;
    bytes_writer_init(&w, out, PUBLISH_RULES_MAX(s));
    rule_write_port(&w, RULE_public_port, 0);
    if (s->rules_len > 0)
        bytes_write(&w, s->rules, s->rules_len);
    return bytes_written(&w);
}

void publish_mark(const struct publish *p, struct services *services)
{
    for (size_t i = 0; i < services->count; i++)
        services->list[i].published = false;
    LIST_FOREACH (node, &p->all) {
        struct service *s = (struct service *)(uintptr_t)services_find(services, publication_of(node)->service);
        if (s != NULL)
            s->published = !s->wants_port && !s->secret;
    }
}

/* The services as they are, with what is public now. */
static bool offer_again(struct client *c)
{
    struct services services;
    if (!services_copy(catalog_services(c->catalog), &services))
        return false;
    publish_mark(&c->publish, &services);
    struct catalog *catalog = catalog_create(&services);
    if (catalog != NULL)
        client_change_catalog(c, catalog);
    return catalog != NULL;
}

/* -- time ---------------------------------------------------------------------------------------------------------- */

static void publish_arm(struct publish *p)
{
    uint64_t now = worker_now_us(p->client->crew.workers[0]), at = CLOCK_NEVER;
    LIST_FOREACH (node, &p->all) {
        const struct publication *b = publication_of(node);
        if (b->until_us < at)
            at = b->until_us;
        if ((!b->granted || is_asked(b)) && b->answer_us < at)
            at = b->answer_us;
    }
    event_del(&p->timer);
    uint64_t delay = at > now ? at - now : 0;
    if (at != CLOCK_NEVER)
        event_add(&p->timer, &(struct timeval){(time_t)(delay / US_PER_S), (suseconds_t)(delay % US_PER_S)});
}

static void publication_free(struct publish *p, struct publication *b, const struct error *reason)
{
    asks_end(&b->asks, reason);
    tunnel_end(&b->tunnel, reason->text);
    list_remove(&b->node);
    p->count--;
    free(b);
}

static void publications_changed(struct client *c)
{
    if (!offer_again(c))
        log_warning(c->id, "no memory to take a public port back");
    publish_arm(&c->publish);
}

/* Its time is not over yet: somebody ends the tunnels, or the program ends. */
static void publication_cut(void *ctx, const struct error *reason)
{
    struct publication *b = ctx;
    struct client *c = b->client;
    log_info(c->id, "service %s is not public any more: %s", b->service, reason->text);
    publication_free(&c->publish, b, reason);
    if (reason != &error_shutting_down)
        publications_changed(c);
}

void publish_review(struct client *c)
{
    struct publish *p = &c->publish;
    bool changed = false;
    LIST_FOREACH_SAFE (node, next, &p->all) {
        struct publication *b = publication_of(node);
        struct gate_who who;
        struct config_error why;
        const struct error *error = gate_public(c->gate, &b->peer, b->service, &who, &why);
        if (error == NULL)
            continue;
        log_info(c->id, "service %s is not public any more: %s", b->service, why.text);
        publication_free(p, b, error);
        changed = true;
    }
    if (changed)
        publications_changed(c);
}

/* Timers may come some milliseconds early. */
static bool is_due(uint64_t at_us, uint64_t now_us) { return at_us <= now_us + 5 * US_PER_MS; }

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct publish *p = ctx;
    struct client *c = p->client;
    uint64_t now = worker_now_us(c->crew.workers[0]);
    bool changed = false;
    (void)fd;
    (void)what;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    LIST_FOREACH_SAFE (node, next, &p->all) {
        struct publication *b = publication_of(node);
        bool due = is_due(b->answer_us, now), over = is_due(b->until_us, now);
        const struct error *why = b->why != NULL ? b->why : &error_no_server;
        if (b->granted && !over && due && is_asked(b))
            asks_end(&b->asks, why);
        if (!over && (b->granted || !due))
            continue;
        log_info(c->id, "service %s is not public any more: %s", b->service, over ? "its time is over" : why->text);
        publication_free(p, b, why);
        changed = true;
    }
    if (changed)
        publications_changed(c);
    else
        publish_arm(p);
}

/* -- asking -------------------------------------------------------------------------------------------------------- */

static struct publication *publication_find(struct publish *p, const char *service)
{
    LIST_FOREACH (node, &p->all)
        if (strcmp(publication_of(node)->service, service) == 0)
            return publication_of(node);
    return NULL;
}

static struct publication *publication_make(struct publish *p, const char *service)
{
    struct publication *b = publication_find(p, service);
    if (b != NULL || p->count == PUBLICATIONS_MAX || (b = calloc(1, sizeof(*b))) == NULL)
        return b;
    snprintf(b->service, sizeof(b->service), "%s", service);
    list_init(&b->asks);
    list_append(&p->all, &b->node);
    p->count++;
    return b;
}

static void refuse(const struct client *c, struct conduit **conduit, const char *service, const struct error *error,
                   const char *why)
{
    log_info(c->id, "%s is not made public: %s", service, why[0] != '\0' ? why : error->text);
    conduit_refuse(conduit, error);
}

static const struct error *may_publish(struct client *c, const struct conduit *conduit, const struct open_head *head,
                                       struct gate_who *who, struct config_error *why)
{
    const struct service *s = services_find(catalog_services(c->catalog), head->service);
    const struct error *error = gate_public(c->gate, conduit_peer(conduit), head->service, who, why);
    if (error != NULL)
        return error;
    if (s == NULL)
        return &error_unknown_service;
    if (s->secret) {
        config_error_set(why, "%s has passwords or tokens, which only its HTTP name can ask for", s->name);
        return &error_kind_not_offered;
    }
    return head->seconds > PUBLISH_S_MAX ? &error_limit : NULL;
}

/* Whoever asks again later makes it longer, not shorter. */
static const struct error *publish_begin(struct client *c, struct conduit *conduit, const struct open_head *head,
                                         const struct gate_who *who)
{
    struct publish *p = &c->publish;
    uint64_t now = worker_now_us(c->crew.workers[0]), until = now + head->seconds * US_PER_S;
    struct publication *b = publication_make(p, head->service);
    if (b == NULL || ask_add(p, &b->asks, conduit) == NULL) {
        if (b != NULL && b->until_us == 0)
            publication_free(p, b, &error_limit);
        return &error_limit;
    }
    if (until > b->until_us)
        b->until_us = until;
    b->answer_us = now + ANSWER_US;
    b->peer = *conduit_peer(conduit);
    b->client = c;
    struct client_shard *shard = &c->shards[0];
    const struct tunnel_start start = {.peer = &b->peer, .who = who, .kind = "public", .what = b->service, .from = "",
                                       .cut = publication_cut, .ctx = b};
    if (b->tunnel == NULL && (b->tunnel = tunnel_create(shard->ledger, &shard->tunnels, &start)) == NULL)
        log_warning(c->id, "no memory to list the public service %s", b->service);
    log_info(c->id, "%s makes service %s public for %u s", who->name, b->service, head->seconds);
    return NULL;
}

/* Whoever may make it public may take that back, whether it is so or not. */
static const struct error *publish_take_back(struct client *c, struct conduit *conduit, const char *service, const char *who)
{
    struct publication *b = publication_find(&c->publish, service);
    struct ask *a = ask_add(&c->publish, &c->publish.leaving, conduit);
    if (a == NULL)
        return &error_limit;
    ask_answer(a, NULL);
    if (b == NULL)
        return NULL;
    log_info(c->id, "service %s is not public any more: %s has taken it back", service, who);
    publication_free(&c->publish, b, &error_cancelled);
    publications_changed(c);
    return NULL;
}

void publish_open(struct client *c, struct conduit *conduit, const struct open_head *head)
{
    struct gate_who who = {.name = ""};
    struct config_error why = {.text = ""};
    const struct error *error = may_publish(c, conduit, head, &who, &why);
    if (error == NULL && c->publish.client == NULL) {
        c->publish.client = c;
        evtimer_assign(&c->publish.timer, worker_events(c->crew.workers[0]), on_timer, &c->publish);
    }
    if (error == NULL && head->seconds == 0)
        error = publish_take_back(c, conduit, head->service, who.name);
    else if (error == NULL)
        error = publish_begin(c, conduit, head, &who);
    if (error != NULL)
        refuse(c, &conduit, head->service, error, why.text);
    if (error != NULL || head->seconds == 0)
        return;
    const struct public_port *port = publicity_find(&c->publicity, head->service);
    if (!offer_again(c))
        log_warning(c->id, "no memory to ask for a public port");
    if (port != NULL)
        publish_heard(c, port);
    publish_arm(&c->publish);
}

void publish_heard(struct client *c, const struct public_port *port)
{
    struct publication *b = publication_find(&c->publish, port->service);
    char address[300];
    if (b == NULL)
        return;
    if (port->why != &error_none) {
        uint64_t second = worker_now_us(c->crew.workers[0]) + SECOND_US;
        b->why = port->why;
        b->answer_us = second < b->answer_us ? second : b->answer_us;
        publish_arm(&c->publish);
        return;
    }
    b->granted = true;
    public_port_text(port, c->host, address, sizeof(address));
    LIST_FOREACH (node, &b->asks)
        ask_answer(CONTAINER_OF(node, struct ask, node), address);
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

void publish_init(struct publish *p)
{
    list_init(&p->all);
    list_init(&p->leaving);
}

void publish_end(struct publish *p)
{
    LIST_FOREACH_SAFE (node, next, &p->all)
        publication_free(p, publication_of(node), &error_shutting_down);
    asks_end(&p->leaving, &error_shutting_down);
    if (p->client != NULL)
        event_del(&p->timer);
    p->client = NULL;
}
