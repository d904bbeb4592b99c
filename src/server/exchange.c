/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an exchange and its conversation with libmicrohttpd. */
#include "server/exchange.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/counters.h"
#include "mdm-tunnel/limits.h"
#include "server/front.h"
#include "server/request.h"
#include "server/visitor.h"

static struct exchange *exchange_spare(struct front *f)
{
    struct list *node = list_shift(&f->spares);
    struct exchange *ex;

    if (node != NULL) {
        f->spare_count--;
        return CONTAINER_OF(node, struct exchange, spare_node);
    }
    ex = malloc(sizeof(*ex));
    if (ex != NULL)
        answer_init(&ex->from_service);
    return ex;
}

struct exchange *exchange_create(struct visitor *v, const char *target)
{
    struct exchange *ex = exchange_spare(v->front);
    size_t len = strlen(target);

    if (ex == NULL)
        return NULL;
    struct answer a = ex->from_service;
    *ex = (struct exchange){.magic = EXCHANGE_MAGIC, .front = v->front, .visitor = v, .from_service = a};
    list_init(&ex->spare_node);
    list_init(&ex->held_node);
    deadline_init(&ex->deadline);
    slice_queue_init(&ex->out, HTTP_REQUEST_WAITING_MAX);
    slice_queue_init(&ex->replay, HTTP_REQUEST_REPLAY_MAX);
    ex->began_us = worker_now_us(v->front->worker);
    ex->request.target = len < sizeof(ex->request.target_inline) ? ex->request.target_inline : malloc(len + 1);
    if (ex->request.target == NULL) {
        exchange_free(&ex);
        return NULL;
    }
    memcpy(ex->request.target, target, len + 1);
    v->exchange = ex;
    return ex;
}

void exchange_free(struct exchange **exp)
{
    struct exchange *ex = *exp;

    *exp = NULL;
    answer_done(&ex->from_service);
    ex->magic = 0;
    free(ex);
}

static void exchange_give_back(struct exchange *ex)
{
    struct front *f = ex->front;

    if (ex->request.target != ex->request.target_inline)
        free(ex->request.target);
    answer_reset(&ex->from_service);
    ex->magic = 0;
    if (f->spare_count >= EXCHANGES_SPARE_MAX) {
        exchange_free(&ex);
        return;
    }
    list_append(&f->spares, &ex->spare_node);
    f->spare_count++;
}

/* -- states -------------------------------------------------------------------------------------------------------- */

void exchange_change_state(struct exchange *ex, enum exchange_state state)
{
    static const int deadline_of[] = {
        [EXCHANGE_HEAD] = -1,
        [EXCHANGE_CONTINUE] = DEADLINE_CONTINUE,
        [EXCHANGE_BODY] = DEADLINE_STALL,
        [EXCHANGE_WAIT] = DEADLINE_ANSWER,
        [EXCHANGE_ANSWER] = DEADLINE_STALL,
        [EXCHANGE_OVER] = -1,
    };

    ex->state = state;
    if (!list_empty(&ex->held_node))
        return; /* held: its own deadline goes on */
    if (deadline_of[state] < 0)
        deadline_clear(&ex->deadline);
    else
        deadline_set(&ex->front->deadlines, (enum deadline_kind)deadline_of[state], &ex->deadline);
}

void exchange_progress(struct exchange *ex)
{
    if (list_empty(&ex->held_node))
        deadline_set(&ex->front->deadlines, DEADLINE_STALL, &ex->deadline);
}

void exchange_silence(struct exchange *ex)
{
    if (list_empty(&ex->held_node))
        deadline_set(&ex->front->deadlines, DEADLINE_SILENCE, &ex->deadline);
}

void exchange_wake(struct exchange *ex) { visitor_resume(ex->visitor); }

void exchange_abort(struct exchange *ex, const struct error *reason)
{
    upstream_close(&ex->upstream, reason);
    if (ex->query != NULL)
        hub_query_cancel(&ex->query);
    gate_cancel(&ex->gate);
    ex->error = reason;
    ex->answer = ex->state == EXCHANGE_ANSWER ? ex->answer : ANSWER_CUT;
    ex->from_service.cut = true;
    ex->dropping = true;
    if (!ex->visitor->told)
        bridge_cut(&ex->visitor->end);
    visitor_cut(ex->visitor);
}

/* The visitor neither sends nor reads. In the middle of a request libmicrohttpd can take no answer. */
static void exchange_stalled(struct exchange *ex)
{
    counter_add(counters_self(), COUNTER_bodies_stalled, 1);
    if (ex->state == EXCHANGE_BODY) {
        ex->status = error_request_timeout.http_status;
        visitor_turn_out(ex->visitor, &error_request_timeout, ex->request.format);
    }
    exchange_abort(ex, &error_request_timeout);
}

void exchange_expired(struct deadline *d)
{
    struct exchange *ex = CONTAINER_OF(d, struct exchange, deadline);

    CHECK_OBJECT(ex, EXCHANGE_MAGIC);
    if (ex->state == EXCHANGE_CONTINUE)
        exchange_wake(ex); /* a service that ignores Expect: send the body */
    else if (ex->state == EXCHANGE_WAIT || (ex->state == EXCHANGE_BODY && ex->out.bytes > 0))
        exchange_fail(ex, &error_service_timeout, NULL);
    else
        exchange_stalled(ex);
}

/* -- libmicrohttpd's handler --------------------------------------------------------------------------------------- */

static bool exchange_must_answer_now(const struct exchange *ex)
{
    const struct request *r = &ex->request;

    return ex->answer != ANSWER_NONE &&
           (r->expects || (r->framing == HTTP_FRAMING_LENGTH && r->content_length > HTTP_BODY_DROP_MAX));
}

static enum MHD_Result exchange_begin(struct exchange *ex, struct MHD_Connection *c, const char *method,
                                      const char *version)
{
    const char *detail = NULL;
    const struct error *e = request_read(ex, c, method, version, &detail);

    visitor_asks(ex->visitor);
    access_request_begin(ex, c, version);
    counter_add(counters_self(), COUNTER_requests, 1);
    if (e != NULL) {
        exchange_fail(ex, e, detail);
        return exchange_reply(ex, c); /* at this stage: and the connection is closed */
    }
    exchange_dispatch(ex);
    if (exchange_must_answer_now(ex))
        return exchange_reply(ex, c);
    if (ex->request.expects && (ex->upstream != NULL || ex->query != NULL || ex->gate.question != NULL)) {
        exchange_change_state(ex, EXCHANGE_CONTINUE);
        visitor_suspend(ex->visitor);
    } else {
        exchange_change_state(ex, EXCHANGE_BODY);
    }
    return MHD_YES;
}

static enum MHD_Result exchange_continue(struct exchange *ex, struct MHD_Connection *c)
{
    if (ex->answer != ANSWER_NONE)
        return exchange_reply(ex, c);
    exchange_change_state(ex, EXCHANGE_BODY);
    return MHD_YES; /* libmicrohttpd sends the 100 */
}

/*
 * Two things about a visitor that has finished sending before its answer (`nc -N`) shape the end of a request.
 * libmicrohttpd reads from a connection that is resumed while it was waiting for input, and takes the visitor's end for
 * a failure: so the first call that finds the request complete returns without suspending, after which no input is
 * expected. And after a short read it waits for the next edge, which has been: so each answer comes after a resume,
 * which makes it look again when it wants the next request.
 */
static enum MHD_Result exchange_complete(struct exchange *ex, struct MHD_Connection *c)
{
    if (!body_up_finish(ex, c))
        return MHD_NO;
    exchange_change_state(ex, EXCHANGE_WAIT);
    return MHD_YES;
}

static enum MHD_Result exchange_wait(struct exchange *ex, struct MHD_Connection *c)
{
    if (ex->answer != ANSWER_NONE && ex->paused)
        return exchange_reply(ex, c);
    ex->paused = true;
    visitor_suspend(ex->visitor);
    if (ex->answer != ANSWER_NONE)
        visitor_resume(ex->visitor);
    return MHD_YES;
}

enum MHD_Result exchange_handle(struct exchange *ex, struct MHD_Connection *c, const char *method, const char *version,
                                const char *upload, size_t *upload_size)
{
    size_t len = *upload_size;

    if (ex->answer == ANSWER_CUT)
        return MHD_NO;
    switch (ex->state) {
    case EXCHANGE_HEAD:
        return exchange_begin(ex, c, method, version);
    case EXCHANGE_CONTINUE:
        return exchange_continue(ex, c);
    case EXCHANGE_BODY:
        if (len == 0)
            return exchange_complete(ex, c);
        *upload_size = 0;
        return body_up_take(ex, upload, len) ? MHD_YES : MHD_NO;
    case EXCHANGE_WAIT:
        return exchange_wait(ex, c);
    default:
        return MHD_NO;
    }
}

bool exchange_is_last(const struct exchange *ex) { return ex->front->draining || visitor_used_up(ex->visitor); }

/* -- the end ------------------------------------------------------------------------------------------------------- */

void exchange_subject(const struct exchange *ex, char out[static 160])
{
    const struct route *r = &ex->route;

    if (r->client[0] == '\0')
        visitor_text(ex->visitor, out);
    else if (r->service[0] == '\0')
        snprintf(out, 160, "%s", r->client);
    else if (ex->number == 0)
        snprintf(out, 160, "%s/%s", r->client, r->service);
    else
        snprintf(out, 160, "%s/%s#%u", r->client, r->service, ex->number);
}

/* A name is counted only where a stream was opened to it: visitors name what they like. */
static void exchange_count(struct exchange *ex)
{
    bool met = ex->number != 0 && ex->error != &error_unknown_service && ex->error != &error_unknown_client;

    if (ex->state != EXCHANGE_HEAD)
        tally_add(&ex->front->tally, met ? ex->route.client : "", met ? ex->route.service : "", ex->status,
                  worker_now_us(ex->front->worker) - ex->began_us, ex->received, ex->sent);
}

static void exchange_log(const struct exchange *ex)
{
    char subject[160];
    uint64_t ms = (worker_now_us(ex->front->worker) - ex->began_us) / 1000;
    const char *reason = ex->error != NULL ? ex->error->name : NULL;

    if (!log_wanted(LOG_LEVEL_INFO) || ex->state == EXCHANGE_HEAD)
        return;
    exchange_subject(ex, subject);
    log_info(subject, "%s %s -> %u %" PRIu64 " bytes %" PRIu64 " ms%s%s%s", ex->request.method, ex->request.target,
             ex->status, ex->sent, ms, reason != NULL ? " (" : "", reason != NULL ? reason : "",
             reason != NULL ? ")" : "");
}

void exchange_end(struct exchange *ex, enum MHD_RequestTerminationCode code)
{
    struct visitor *v = ex->visitor;
    struct front *f = ex->front;

    CHECK_OBJECT(ex, EXCHANGE_MAGIC);
    if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK && ex->error == NULL)
        ex->error = code == MHD_REQUEST_TERMINATED_DAEMON_SHUTDOWN ? &error_shutting_down : &error_visitor_gone;
    exchange_log(ex);
    access_request_end(ex);
    exchange_count(ex);
    if (ex->state == EXCHANGE_HEAD && code == MHD_REQUEST_TERMINATED_WITH_ERROR && !v->told)
        counter_add(counters_self(), COUNTER_heads_refused, 1); /* libmicrohttpd has said why */
    if ((code != MHD_REQUEST_TERMINATED_COMPLETED_OK || ex->from_service.cut) && !v->told)
        bridge_cut(&v->end);
    if (!list_empty(&ex->held_node)) {
        list_remove(&ex->held_node);
        f->held_count--;
    }
    exchange_change_state(ex, EXCHANGE_OVER);
    if (ex->query != NULL)
        hub_query_cancel(&ex->query);
    upstream_close(&ex->upstream, ex->error != NULL ? ex->error : &error_cancelled);
    if (ex->response != NULL)
        MHD_destroy_response(ex->response);
    gate_leave(&ex->gate);
    slice_done(&ex->head);
    slice_queue_done(&ex->out);
    slice_queue_done(&ex->replay);
    v->exchange = NULL;
    v->left = false;
    exchange_give_back(ex);
    if (f->draining && !f->patient)
        visitor_cut(v);
    else
        visitor_rests(v);
}
