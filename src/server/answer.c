/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service's answer: its head is collected in `input`, its body loses the framing and waits in `input` (what came
 * with the head) and in `body`. Bounded by the stream's credit, which goes back as the visitor takes the bytes.
 */
#include <string.h>

#include "base/counters.h"
#include "mdm-tunnel/limits.h"
#include "server/exchange.h"
#include "server/front.h"
#include "server/reply.h"
#include "server/visitor.h"

#define INPUT_FIRST (4 * KIB) /* holds nearly every head, and nearly every small answer as a whole */
#define INPUT_KEPT (16 * KIB) /* a larger one is not kept for the next exchange */

void answer_init(struct answer *a) { memset(a, 0, sizeof(*a)); }

void answer_reset(struct answer *a)
{
    struct answer fresh = {.input = a->input, .input_size = a->input_size, .trailer = a->trailer};

    slice_queue_done(&a->body);
    if (fresh.input_size > INPUT_KEPT) {
        free(fresh.input);
        fresh.input = NULL;
        fresh.input_size = 0;
    }
    *a = fresh;
}

void answer_done(struct answer *a)
{
    slice_queue_done(&a->body);
    free(a->input);
    free(a->trailer);
}

size_t answer_available(const struct answer *a) { return a->body_len + a->body.bytes; }

/* -- the body ------------------------------------------------------------------------------------------------------ */

/* Takes the framing off the chunks that stand in `input` behind the head, in place. */
static bool input_unchunk(struct answer *a, size_t *used)
{
    const char *at = a->input + a->body_at, *end = a->input + a->input_len, *span;
    size_t out = a->body_at, span_len;

    while (at < end && a->chunked.state != HTTP_CHUNKED_DONE) {
        span_len = 0;
        long eaten = http_chunked_eat(&a->chunked, at, (size_t)(end - at), &span, &span_len, a->trailer,
                                      HTTP_TRAILER_MAX);
        if (eaten < 0)
            return false;
        if (span_len > 0) {
            memmove(a->input + out, span, span_len);
            out += span_len;
        }
        at += eaten;
    }
    a->body_len = out - a->body_at;
    *used = (size_t)(at - a->input) - a->body_at;
    return true;
}

/* What came together with the head. */
static void body_begin(struct answer *a)
{
    size_t extra = a->input_len - a->body_at, used = extra;

    a->body_len = 0;
    slice_queue_init(&a->body, STREAM_WINDOW_MAX);
    switch (a->framing) {
    case HTTP_FRAMING_NONE:
        used = 0;
        a->complete = true;
        break;
    case HTTP_FRAMING_LENGTH:
        used = extra < a->content_length ? extra : (size_t)a->content_length;
        a->left = a->content_length - used;
        a->body_len = used;
        a->complete = a->left == 0;
        break;
    case HTTP_FRAMING_CHUNKED:
        http_chunked_init(&a->chunked);
        a->cut = !input_unchunk(a, &used);
        a->complete = a->chunked.state == HTTP_CHUNKED_DONE;
        break;
    case HTTP_FRAMING_CLOSE:
        a->body_len = extra;
        break;
    }
    if (used < extra)
        a->keep_alive = false; /* bytes that belong to no message */
}

/* Moves `len` bytes from the front of the stream's input to the body. */
static void body_move(struct answer *a, struct slice_queue *input, size_t offset, size_t len)
{
    struct slice part = slice_part(slice_queue_first(input), offset, len);

    if (!slice_queue_push(&a->body, part)) {
        slice_done(&part);
        a->cut = true;
    }
}

static void body_read_chunked(struct exchange *ex, struct slice_queue *input, const struct slice *first)
{
    struct answer *a = &ex->from_service;
    const char *span;
    size_t span_len = 0;
    long eaten = http_chunked_eat(&a->chunked, (const char *)first->data, first->len, &span, &span_len, a->trailer,
                                  HTTP_TRAILER_MAX);

    if (eaten < 0) {
        a->cut = true;
        return;
    }
    if (span_len > 0)
        body_move(a, input, (size_t)((const uint8_t *)span - first->data), span_len);
    slice_queue_skip(input, (size_t)eaten);
    conduit_consumed(ex->upstream->conduit, (size_t)eaten - span_len);
    a->complete = a->chunked.state == HTTP_CHUNKED_DONE;
}

static void body_read_plain(struct answer *a, struct slice_queue *input, const struct slice *first)
{
    size_t len = first->len;

    if (a->framing == HTTP_FRAMING_LENGTH) {
        len = len < a->left ? len : (size_t)a->left;
        a->left -= len;
        a->complete = a->left == 0;
    }
    body_move(a, input, 0, len);
    slice_queue_skip(input, len);
}

/* The stream has given all it had. */
static void body_end(struct answer *a, const struct conduit *c)
{
    if (conduit_read_finished(c)) {
        a->complete = a->framing == HTTP_FRAMING_CLOSE;
        a->cut = !a->complete;
    } else if (conduit_ended(c) != NULL) {
        a->cut = true;
    }
}

static void body_read(struct exchange *ex)
{
    struct answer *a = &ex->from_service;
    struct conduit *c = ex->upstream->conduit;
    struct slice_queue *input = conduit_input(c);
    const struct slice *first;

    while (!a->complete && !a->cut && a->body.count < HTTP_BODY_PARTS_MAX) {
        first = slice_queue_first(input);
        if (first == NULL) {
            body_end(a, c);
            return;
        }
        if (a->framing == HTTP_FRAMING_CHUNKED)
            body_read_chunked(ex, input, first);
        else
            body_read_plain(a, input, first);
    }
}

size_t answer_take(struct exchange *ex, char *dst, size_t max)
{
    struct answer *a = &ex->from_service;
    size_t len = a->body_len < max ? a->body_len : max;

    if (len > 0) {
        memcpy(dst, a->input + a->body_at, len);
        a->body_at += len;
        a->body_len -= len;
    }
    size_t more = slice_queue_take(&a->body, dst + len, max - len);
    if (more > 0 && ex->upstream != NULL)
        conduit_consumed(ex->upstream->conduit, more);
    return len + more;
}

void answer_release_upstream(struct exchange *ex)
{
    const struct answer *a = &ex->from_service;

    if (ex->upstream == NULL)
        return;
    struct conduit *c = ex->upstream->conduit;
    if (a->body.bytes > 0)
        conduit_consumed(c, a->body.bytes);
    bool request_sent = ex->state >= EXCHANGE_WAIT && !ex->request.expects && !ex->dropping && ex->out.bytes == 0;
    if (request_sent && a->complete && a->keep_alive && conduit_input(c)->bytes == 0 && !conduit_read_finished(c) &&
        conduit_ended(c) == NULL)
        upstream_keep(&ex->upstream);
    else
        upstream_close(&ex->upstream, &error_cancelled);
}

/* -- the head ------------------------------------------------------------------------------------------------------ */

/* The stream ended without an answer. */
static void head_missing(struct exchange *ex)
{
    const struct error *why = conduit_ended(ex->upstream->conduit);

    if (ex->upstream->reused && ex->from_service.input_len == 0 && !ex->retried) {
        ex->retried = true;
        counter_add(counters_self(), COUNTER_requests_retried, 1);
        upstream_close(&ex->upstream, &error_cancelled);
        exchange_connect(ex);
        return;
    }
    if (why != NULL && !ex->upstream->accepted && exchange_move(ex, why))
        return;
    if (why == NULL || why == &error_none || why == &error_service_reset || why == &error_cancelled)
        why = &error_service_closed;
    exchange_fail(ex, why, NULL);
}

/* Takes more bytes from the stream; false when there are none, or the exchange has got another answer. */
static bool input_fill(struct exchange *ex)
{
    struct answer *a = &ex->from_service;
    struct conduit *c = ex->upstream->conduit;

    if (conduit_input(c)->bytes == 0) {
        if (conduit_read_finished(c) || conduit_ended(c) != NULL)
            head_missing(ex);
        return false;
    }
    if (a->input_len == a->input_size) {
        size_t size = a->input_size == 0 ? INPUT_FIRST : a->input_size * 2;
        char *input = size <= HTTP_RESPONSE_HEAD_MAX ? realloc(a->input, size) : NULL;
        if (input == NULL) {
            exchange_fail(ex, &error_bad_answer, "the head of the service's answer is too large");
            return false;
        }
        a->input = input;
        a->input_size = size;
    }
    size_t len = slice_queue_take(conduit_input(c), a->input + a->input_len, a->input_size - a->input_len);
    a->input_len += len;
    conduit_consumed(c, len);
    return true;
}

/* An interim answer (RFC 9110 15.2) ends here; the final one follows. */
static void head_skip_interim(struct exchange *ex, unsigned status, size_t used)
{
    struct answer *a = &ex->from_service;

    memmove(a->input, a->input + used, a->input_len - used);
    a->input_len -= used;
    a->scanned = 0;
    if (status == 100 && ex->state == EXCHANGE_CONTINUE)
        exchange_wake(ex);
}

static bool head_has_upgrade(const struct http_response *r)
{
    for (size_t i = 0; i < r->field_count; i++)
        if (http_text_is(r->fields[i].name, "upgrade") && r->fields[i].value.len > 0)
            return true;
    return false;
}

static void head_accept(struct exchange *ex, const struct http_response *r, size_t used)
{
    struct answer *a = &ex->from_service;

    if (r->status == 101 && (!ex->request.upgrade || !head_has_upgrade(r))) {
        exchange_fail(ex, &error_bad_answer, "the service changes the protocol, and was not asked to");
        return;
    }
    if (!reply_head_fits(ex, r, used)) {
        exchange_fail(ex, &error_bad_answer, "the head of the service's answer is too large");
        return;
    }
    if (r->framing == HTTP_FRAMING_CHUNKED && a->trailer == NULL && (a->trailer = malloc(HTTP_TRAILER_MAX)) == NULL) {
        exchange_fail(ex, &error_no_memory, NULL);
        return;
    }
    ex->status = a->status = r->status;
    ex->times.answered_us = worker_now_us(ex->front->worker);
    a->framing = r->framing;
    a->content_length = r->content_length;
    a->has_length = r->has_content_length;
    a->keep_alive = r->keep_alive;
    a->head_len = a->body_at = used;
    ex->answer = r->status == 101 ? ANSWER_UPGRADE : ANSWER_SERVICE;
    if (r->status != 101)
        body_begin(a);
}

static void head_read(struct exchange *ex)
{
    struct answer *a = &ex->from_service;
    struct http_response *r = &ex->front->response;
    const char *why = NULL;
    size_t used = 0;

    while (ex->answer == ANSWER_NONE && ex->upstream != NULL) {
        enum http_parse result = HTTP_PARSE_MORE;
        if (a->input_len > 0)
            result = http_response_parse(r, a->input, a->input_len, ex->request.to_head, &a->scanned, &used, &why);
        if (result == HTTP_PARSE_BAD)
            exchange_fail(ex, &error_bad_answer, why);
        else if (result == HTTP_PARSE_MORE && !input_fill(ex))
            return;
        else if (result == HTTP_PARSE_DONE && r->status < 200 && r->status != 101)
            head_skip_interim(ex, r->status, used);
        else if (result == HTTP_PARSE_DONE)
            head_accept(ex, r, used);
    }
}

bool answer_fields(struct exchange *ex, struct http_response *out)
{
    struct answer *a = &ex->from_service;
    size_t scanned = 0, used;
    const char *why;

    return http_response_parse(out, a->input, a->head_len, ex->request.to_head, &scanned, &used, &why) ==
           HTTP_PARSE_DONE;
}

/* -- news of the stream -------------------------------------------------------------------------------------------- */

void answer_read(struct exchange *ex)
{
    bool fresh = ex->answer == ANSWER_NONE;

    if (fresh)
        head_read(ex);
    if (ex->answer == ANSWER_SERVICE && ex->upstream != NULL) {
        body_read(ex);
        if (ex->from_service.complete || ex->from_service.cut)
            answer_release_upstream(ex);
        if (fresh && ex->state == EXCHANGE_WAIT)
            reply_build(ex, &ex->front->response);
    }
}

void exchange_upstream_readable(struct exchange *ex)
{
    CHECK_OBJECT(ex, EXCHANGE_MAGIC);
    answer_read(ex);
    if (ex->answer == ANSWER_NONE)
        return;
    if (ex->state != EXCHANGE_BODY)
        exchange_wake(ex);
    else if (ex->upstream == NULL && !ex->dropping)
        body_up_drop(ex); /* an early answer, and nobody takes the body any more */
}
