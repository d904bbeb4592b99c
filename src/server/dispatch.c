/* SPDX-License-Identifier: Apache-2.0 */
/* Where a request goes: status, a client's listing, or a stream to a service. */
#include <stdio.h>
#include <string.h>

#include "base/counters.h"
#include "mdm-tunnel/limits.h"
#include "server/doorway.h"
#include "server/exchange.h"
#include "server/front.h"
#include "server/gate_address.h"
#include "server/hooking.h"
#include "server/mqtt_entry.h"
#include "server/visitor.h"
#include "wire/rules.h"

static bool dispatch_hold(struct exchange *ex)
{
    struct front *f = ex->front;

    if (f->config.settings->hold_us == 0 || f->held_count >= VISITORS_HELD_MAX || (f->draining && !f->patient))
        return false;
    list_append(&f->held, &ex->held_node);
    f->held_count++;
    deadline_set(&f->deadlines, DEADLINE_HOLD, &ex->deadline);
    return true;
}

static void dispatch_unhold(struct exchange *ex)
{
    list_remove(&ex->held_node);
    ex->front->held_count--;
    exchange_change_state(ex, ex->state);
}

void exchange_hold_expired(struct deadline *d)
{
    struct exchange *ex = CONTAINER_OF(d, struct exchange, deadline);

    CHECK_OBJECT(ex, EXCHANGE_MAGIC);
    dispatch_unhold(ex);
    exchange_fail(ex, &error_client_offline, NULL);
}

void exchange_release_held(struct exchange *ex)
{
    dispatch_unhold(ex);
    exchange_dispatch(ex);
    if (ex->answer != ANSWER_NONE)
        exchange_wake(ex);
}

static bool dispatch_present(struct exchange *ex)
{
    struct front *f = ex->front;
    enum hub_presence presence = hub_presence(f->shard, ex->route.client);

    if (presence == HUB_PRESENT)
        return true;
    if (presence == HUB_UNKNOWN && !known_has(&f->known, ex->route.client))
        exchange_fail(ex, &error_unknown_client, NULL);
    else if (!dispatch_hold(ex))
        exchange_fail(ex, &error_client_offline, NULL);
    return false;
}

/* -- a stream ------------------------------------------------------------------------------------------------------ */

static void connect_head(const struct exchange *ex, struct open_head *head)
{
    *head = (struct open_head){.kind = ex->request.websocket ? STREAM_KIND_WS : STREAM_KIND_HTTP};
    strcpy(head->service, ex->route.service);
    visitor_text(ex->visitor, head->visitor);
    strcpy(head->host, ex->request.host);
}

static struct upstream *connect_reuse(struct exchange *ex, const struct hub_choice *at)
{
    struct upstream *u = upstream_reuse(ex->front, ex, at, ex->route.service);

    if (u != NULL && conduit_room(u->conduit) < HTTP_REQUEST_HEAD_MAX + SERVICE_RULES_MAX)
        upstream_close(&u, &error_cancelled);
    return u;
}

/* One address does not make a client connect to its services as often as it likes. */
static bool connect_may_open(struct exchange *ex, const struct error **why)
{
    uint8_t address[CIDR_ADDRESS_BYTES];

    gate_address(ex, address);
    const struct front *f = ex->front;
    uint64_t wait_us = gate_open_wait(f->config.edge, f->worker, f->config.settings->limits.opens, address);
    if (wait_us == 0)
        return true;
    gate_retry_after(&ex->gate, wait_us);
    *why = &error_too_many_requests;
    return false;
}

/* An idle stream to the service or a new one, with the request's head on it. */
static void dispatch_connect(struct exchange *ex)
{
    const struct error *why = &error_limit;
    struct open_head head;

    bool sole = ex->gate.rules != NULL && ex->gate.rules->one_visitor;
    if (!ex->retried && ex->request.repeatable && !sole)
        ex->upstream = connect_reuse(ex, &ex->at);
    if (ex->upstream == NULL && connect_may_open(ex, &why)) {
        connect_head(ex, &head);
        ex->upstream = upstream_open(ex->front, ex, &ex->at, &head, &why);
    }
    if (ex->upstream == NULL) {
        exchange_fail(ex, why, NULL);
        return;
    }
    ex->upstream->sole = sole;
    ex->number = conduit_number(ex->upstream->conduit);
    ex->times.opened_us = worker_now_us(ex->front->worker);
    if (ex->upstream->accepted)
        ex->times.accepted_us = ex->times.opened_us;
    if (ex->state == EXCHANGE_WAIT)
        exchange_change_state(ex, EXCHANGE_WAIT); /* the service's time begins now */
    conduit_write(ex->upstream->conduit, slice_ref(ex->gate.head.data != NULL ? &ex->gate.head : &ex->head), false);
    body_up_flush(ex);
}

/* -- what the client offers ---------------------------------------------------------------------------------------- */

/* What `at` offers is known: nothing that it does not offer is opened, and nothing past the rules of the service. */
static void dispatch_offered(struct exchange *ex, const struct edge_offer *offer)
{
    const struct edge_service *s = NULL;

    if (ex->route.kind == ROUTE_SERVICE) {
        s = edge_offer_find(offer, ex->route.service, STREAM_KIND_HTTP);
    } else if ((s = edge_offer_at(offer, STREAM_KIND_HTTP, http_text_of(ex->route.domain), ex->request.path)) != NULL) {
        strcpy(ex->route.service, s->name);
        ex->route.kind = ROUTE_SERVICE;
        ex->strip = s->rules != NULL && s->rules->strip && s->rules->path.len > 1 ? s->rules->path.len : 0;
    } else if (!ex->front->config.settings->no_listing && ex->route.domain[0] == '\0') {
        exchange_reply_listing(ex, offer);
        return;
    }
    if (s == NULL && !exchange_move(ex, &error_unknown_service))
        exchange_fail(ex, &error_unknown_service, NULL);
    else if (s != NULL && gate_pass(ex, s->rules) == GATE_OPEN && hooking_pass(ex) == GATE_OPEN)
        dispatch_connect(ex);
}

static void dispatch_answered(void *ctx, struct offering *o, const struct error *why)
{
    struct exchange *ex = ctx;

    CHECK_OBJECT(ex, EXCHANGE_MAGIC);
    ex->query = NULL;
    if (why != NULL || o->made == NULL)
        exchange_fail(ex, why != NULL ? why : &error_no_memory, NULL);
    else
        dispatch_offered(ex, o->made);
    if (ex->answer != ANSWER_NONE)
        exchange_wake(ex);
}

void exchange_go_on(struct exchange *ex)
{
    struct hub_shard *shard = ex->front->shard;
    struct offering *o = hub_offering(shard, &ex->at);

    if (o != NULL && o->made != NULL)
        dispatch_offered(ex, o->made);
    else if ((ex->query = hub_services(shard, &ex->at, dispatch_answered, ex)) == NULL)
        exchange_fail(ex, &error_no_memory, NULL);
}

/* A client's own name is for any of its machines. */
static bool dispatch_choose(const struct exchange *ex, struct hub_choice *at, const struct error **why)
{
    const char *service = ex->route.kind == ROUTE_SERVICE ? ex->route.service : NULL;

    return hub_choose(ex->front->shard, ex->route.client, service, at, why);
}

void exchange_connect(struct exchange *ex)
{
    const struct error *why = NULL;

    if (dispatch_choose(ex, &ex->at, &why))
        exchange_go_on(ex);
    else
        exchange_fail(ex, why, NULL);
}

bool exchange_move(struct exchange *ex, const struct error *why)
{
    const struct error *none;
    struct hub_choice at;

    if (!hub_refused(ex->front->shard, &ex->at, ex->route.service, why) || ex->moves >= INSTANCES_PER_ID_MAX ||
        !dispatch_choose(ex, &at, &none) || !at.sound || !replay_rewind(ex))
        return false;
    ex->moves++;
    ex->at = at;
    counter_add(counters_self(), COUNTER_requests_moved, 1);
    upstream_close(&ex->upstream, &error_cancelled);
    exchange_go_on(ex);
    return true;
}

/* Its stream may go on if the machine is only cut off; but who knows when. What asks for nothing twice is asked of another one. */
void exchange_machine_gone(struct exchange *ex)
{
    const struct error *none;
    struct hub_choice at;

    if (ex->state != EXCHANGE_WAIT || ex->answer != ANSWER_NONE || ex->upstream == NULL || !ex->request.repeatable ||
        ex->from_service.input_len > 0 || ex->moves >= INSTANCES_PER_ID_MAX || hub_is_there(ex->front->shard, &ex->at) ||
        !dispatch_choose(ex, &at, &none) || !at.sound)
        return;
    ex->moves++;
    ex->at = at;
    counter_add(counters_self(), COUNTER_requests_moved, 1);
    upstream_close(&ex->upstream, &error_cancelled);
    exchange_go_on(ex);
    if (ex->answer != ANSWER_NONE)
        exchange_wake(ex);
}

void exchange_dispatch(struct exchange *ex)
{
    if (doorway_answers(ex) || mqtt_entry_answers(ex))
        return;
    const char *words = kept_file_text(&ex->front->maintenance, worker_now_us(ex->front->worker));
    if (words != NULL && ex->route.kind != ROUTE_STATUS) {
        char line[RULE_WORDS_MAX + 1];
        snprintf(line, sizeof(line), "%.*s", (int)strcspn(words, "\r\n"), words);
        gate_maintenance(ex, line);
        return;
    }
    switch (ex->route.kind) {
    case ROUTE_STATUS:
        exchange_reply_status(ex);
        return;
    case ROUTE_UNKNOWN:
        exchange_fail(ex, &error_unknown_client, NULL);
        return;
    case ROUTE_CLIENT:
    case ROUTE_SERVICE:
        if (dispatch_present(ex))
            exchange_connect(ex);
        return;
    }
}
