/* SPDX-License-Identifier: Apache-2.0 */
/* To a service: TLS that does not end here, and what comes to a port of its own. */
#include "server/passthrough.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "server/front.h"
#include "server/gate_address.h"
#include "server/upgrade.h"

/* "SERVICE.CLIENT", as it is remembered: a client that is away must not have its visitors' TLS end here. */
static void passthrough_key(const char *service, const char *client, char out[static KNOWN_TEXT_MAX + 1])
{
    snprintf(out, KNOWN_TEXT_MAX + 1, "%.63s.%.63s", service, client);
}

/* The same by a domain of the client's own; a label of '@' is in no name. A pattern that is too long is not remembered. */
static bool domain_key(struct http_text pattern, char out[static KNOWN_TEXT_MAX + 1])
{
    return snprintf(out, KNOWN_TEXT_MAX + 1, "@%.*s", (int)pattern.len, pattern.at) <= KNOWN_TEXT_MAX;
}

static void domains_remember(struct front *f, const struct edge_service *s)
{
    char key[KNOWN_TEXT_MAX + 1];

    for (size_t i = 0; s->rules != NULL && i < s->rules->domain_count; i++) {
        if (!domain_key(s->rules->domains[i], key))
            continue;
        if (s->kind == STREAM_KIND_TLS)
            known_add(&f->passed, key);
        else
            known_remove(&f->passed, key);
    }
}

/* Whether TLS passed through under the name of the question when its client was there. */
static bool passed_before(const struct passthrough *p)
{
    char key[KNOWN_TEXT_MAX + 1], wildcard[DOMAIN_TEXT_MAX + 3];
    const char *dot = strchr(p->route.domain, '.');

    if (p->route.domain[0] == '\0') {
        passthrough_key(p->route.service, p->route.client, key);
        return known_has(&p->front->passed, key);
    }
    snprintf(wildcard, sizeof(wildcard), "*%s", dot != NULL ? dot : "");
    return (domain_key(http_text_of(p->route.domain), key) && known_has(&p->front->passed, key)) ||
           (domain_key(http_text_of(wildcard), key) && known_has(&p->front->passed, key));
}

void passthrough_remember(struct front *f, const char *client, const struct offering *o)
{
    char key[KNOWN_TEXT_MAX + 1];

    for (size_t i = 0; i < o->count; i++) {
        passthrough_key(o->list[i].name, client, key);
        if (o->list[i].kind == STREAM_KIND_TLS)
            known_add(&f->passed, key);
        else
            known_remove(&f->passed, key);
    }
    for (size_t i = 0; o->made != NULL && i < ((const struct edge_offer *)o->made)->count; i++)
        domains_remember(f, &((const struct edge_offer *)o->made)->list[i]);
}

static void passthrough_answer(struct passthrough *p, enum passthrough_answer answer) { p->answered(p->ctx, answer); }

static enum passthrough_answer passthrough_look(struct passthrough *p, const struct offering *o)
{
    if (p->route.domain[0] != '\0') {
        const struct edge_service *s =
            o->made == NULL ? NULL : edge_offer_at(o->made, p->kind, http_text_of(p->route.domain), http_text_of("/"));
        if (s != NULL)
            strcpy(p->route.service, s->name);
        return s != NULL ? PASSTHROUGH_YES : PASSTHROUGH_NO;
    }
    for (size_t i = 0; i < o->count; i++)
        if (strcmp(o->list[i].name, p->route.service) == 0 && o->list[i].kind == p->kind)
            return PASSTHROUGH_YES;
    return PASSTHROUGH_NO;
}

static void passthrough_services(void *ctx, struct offering *o, const struct error *why)
{
    struct passthrough *p = ctx;

    p->query = NULL;
    passthrough_answer(p, why != NULL ? PASSTHROUGH_OFFLINE : passthrough_look(p, o));
}

/* The instance whose turn it is; an offer that is known decides at once, and another instance may have what one has not. */
static void passthrough_choose(struct passthrough *p)
{
    struct hub_shard *shard = p->front->shard;
    const struct error *why = NULL;

    for (unsigned i = 0; i < INSTANCES_PER_ID_MAX; i++) {
        if (!hub_choose(shard, p->route.client, p->route.domain[0] != '\0' ? NULL : p->route.service, &p->at, &why)) {
            bool away = p->kind == STREAM_KIND_TCP || passed_before(p);
            passthrough_answer(p, away ? PASSTHROUGH_OFFLINE : PASSTHROUGH_NO);
            return;
        }
        const struct offering *o = hub_offering(shard, &p->at);
        if (o == NULL) {
            p->query = hub_services(shard, &p->at, passthrough_services, p);
            if (p->query == NULL)
                passthrough_answer(p, PASSTHROUGH_OFFLINE);
            return;
        }
        enum passthrough_answer answer = passthrough_look(p, o);
        if (answer == PASSTHROUGH_YES || !p->at.sound || p->kind == STREAM_KIND_TLS ||
            !hub_refused(shard, &p->at, p->route.service, &error_unknown_service)) {
            passthrough_answer(p, answer);
            return;
        }
    }
    passthrough_answer(p, PASSTHROUGH_NO);
}

void passthrough_ask(struct passthrough *p, struct front *f, const char *name,
                     void (*answered)(void *ctx, enum passthrough_answer answer), void *ctx)
{
    *p = (struct passthrough){
        .front = f, .kind = STREAM_KIND_TLS, .asked_us = worker_now_us(f->worker), .answered = answered, .ctx = ctx};
    if (name[0] != '\0')
        front_route(f, http_text_of(name), true, &p->route);
    if (p->route.kind == ROUTE_CLIENT && p->route.domain[0] != '\0') {
        p->route.kind = ROUTE_SERVICE; /* whichever has the domain */
    } else if (p->route.kind == ROUTE_CLIENT) {
        p->route.kind = ROUTE_SERVICE;
        strcpy(p->route.service, "default");
    }
    if (p->route.kind == ROUTE_SERVICE)
        passthrough_choose(p);
    else
        passthrough_answer(p, PASSTHROUGH_NO);
}

void passthrough_ask_service(struct passthrough *p, struct front *f, const struct route *route,
                             void (*answered)(void *ctx, enum passthrough_answer answer), void *ctx)
{
    *p = (struct passthrough){.front = f,
                              .route = *route,
                              .kind = STREAM_KIND_TCP,
                              .asked_us = worker_now_us(f->worker),
                              .answered = answered,
                              .ctx = ctx};
    passthrough_choose(p);
}

void passthrough_cancel(struct passthrough *p)
{
    if (p->query != NULL)
        hub_query_cancel(&p->query);
}

/* The rules that hold now; false: it is not offered any more. */
static bool passthrough_rules(const struct passthrough *p, struct edge_rules **out)
{
    const struct offering *o = hub_offering(p->front->shard, &p->at);
    const struct edge_service *s =
        o == NULL || o->made == NULL ? NULL : edge_offer_find(o->made, p->route.service, p->kind);

    *out = s != NULL ? s->rules : NULL;
    return s != NULL;
}

static struct access_stream *access_begin(const struct passthrough *p, const struct address *visitor)
{
    return access_stream_begin(p->front, p->kind, p->route.client, p->route.service, visitor, p->asked_us);
}

void passthrough_turned_away(const struct passthrough *p, const struct address *visitor, const struct error *why)
{
    struct access_stream *access = access_begin(p, visitor);

    access_stream_end(&access, 0, 0, why);
}

void passthrough_open(struct passthrough *p, int fd, uint32_t place, const struct address *visitor)
{
    struct front *f = p->front;
    struct open_head head = {.kind = p->kind};
    const struct error *why = &error_unknown_service;
    struct edge_rules *rules;
    struct gate gate;
    struct access_stream *access = access_begin(p, visitor);

    strcpy(head.service, p->route.service);
    address_text(visitor, head.visitor);
    if (gate_open_wait(f->config.edge, f->worker, f->config.settings->limits.opens, visitor->bytes) > 0)
        why = &error_too_many_requests;
    else if (passthrough_rules(p, &rules))
        why = gate_connection(&gate, f->worker, rules, visitor->bytes);
    if (why != NULL) {
        access_stream_end(&access, 0, 0, why);
        front_leave(f, &place);
        close(fd);
    } else if (upgrade_open(f, fd, place, &p->at, &head, access, &gate, p->route.client, &why)) {
        return;
    }
    log_info(p->route.client, "%s for %s from %s: %s", stream_kind_name(p->kind), p->route.service, head.visitor, why->text);
}
