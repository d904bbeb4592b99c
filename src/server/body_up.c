/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request's body, from libmicrohttpd to the stream. All that libmicrohttpd offers is taken at once (its buffer is
 * small): what the stream has no room for waits in `out`, and the connection is suspended, but never behind the last
 * byte. That way libmicrohttpd holds nothing back when it reads the visitor's end of sending.
 */
#include <string.h>

#include "mdm-tunnel/limits.h"
#include "server/exchange.h"
#include "server/front.h"
#include "server/visitor.h"

void body_up_flush(struct exchange *ex)
{
    struct slice *first;
    size_t room;

    if (ex->upstream == NULL)
        return;
    while ((first = slice_queue_first(&ex->out)) != NULL && (room = conduit_room(ex->upstream->conduit)) > 0) {
        size_t len = first->len < room ? first->len : room;
        replay_send(ex, slice_part(first, 0, len));
        slice_queue_skip(&ex->out, len);
    }
    if (ex->out.bytes == 0 && ex->state == EXCHANGE_BODY && !pace_waits(ex->gate.pace, METER_UP))
        exchange_wake(ex);
}

void exchange_upstream_writable(struct exchange *ex)
{
    if (ex->state == EXCHANGE_BODY)
        exchange_progress(ex);
    body_up_flush(ex);
}

void body_up_drop(struct exchange *ex)
{
    ex->dropping = true;
    ex->dropped += ex->out.bytes;
    slice_queue_done(&ex->out);
    slice_queue_init(&ex->out, HTTP_REQUEST_WAITING_MAX);
    if (ex->state == EXCHANGE_BODY)
        exchange_wake(ex);
}

static bool body_up_send(struct exchange *ex, struct slice s)
{
    struct conduit *c = ex->upstream != NULL ? ex->upstream->conduit : NULL;

    if (s.data == NULL)
        return false;
    if (c != NULL && ex->out.bytes == 0 && conduit_room(c) >= s.len) {
        replay_send(ex, s);
        return true;
    }
    if (!slice_queue_push(&ex->out, s)) {
        slice_done(&s);
        return false;
    }
    body_up_flush(ex);
    return true;
}

/* A chunk of the chunked coding around a copy of `data`. */
static struct slice body_up_chunk(const char *data, size_t len)
{
    char head[20];
    size_t head_len = http_chunk_head(len, head);
    struct chunk *c = chunk_create(head_len + len + 2);

    if (c == NULL)
        return SLICE_NONE;
    memcpy(c->data, head, head_len);
    memcpy(c->data + head_len, data, len);
    memcpy(c->data + head_len + len, "\r\n", 2);
    return slice_of(c, 0, head_len + len + 2);
}

bool body_up_take(struct exchange *ex, const char *data, size_t len)
{
    const struct request *r = &ex->request;

    ex->received += len;
    exchange_progress(ex);
    if (ex->dropping) {
        ex->dropped += len;
        return ex->dropped <= HTTP_BODY_DROP_MAX;
    }
    if (!body_up_send(ex, r->framing == HTTP_FRAMING_CHUNKED ? body_up_chunk(data, len) : slice_copy(data, len)))
        return false;
    bool last = r->framing == HTTP_FRAMING_LENGTH && ex->received == r->content_length;
    bool paced = pace_moved(ex->gate.pace, METER_UP, len);
    if ((ex->out.bytes == 0 && !paced) || last)
        return true;
    if (paced)
        exchange_silence(ex);
    if (visitor_cannot_finish(ex->visitor))
        return false;
    visitor_suspend(ex->visitor);
    return true;
}

/* -- trailers (RFC 9110 6.5) --------------------------------------------------------------------------------------- */

static bool trailer_allowed(struct http_text name, struct http_text value)
{
    static const char *const never[] = {"content-length", "host", "trailer", "expect", "authorization", "cookie",
                                        "content-type", "content-encoding", "forwarded"};

    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        if (http_text_is(name, never[i]))
            return false;
    return http_token_valid(name) && http_field_value_valid(value) && !http_field_hop_by_hop(name);
}

static enum MHD_Result trailer_add(void *ctx, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                   const char *value, size_t value_len)
{
    struct text *t = ctx;

    (void)kind;
    if (value == NULL || !trailer_allowed((struct http_text){name, name_len}, (struct http_text){value, value_len}))
        return MHD_YES;
    text_add(t, name, name_len);
    text_add(t, ": ", 2);
    text_add(t, value, value_len);
    text_add(t, "\r\n", 2);
    return MHD_YES;
}

bool body_up_finish(struct exchange *ex, struct MHD_Connection *c)
{
    struct text end;

    if (ex->request.framing != HTTP_FRAMING_CHUNKED || ex->dropping)
        return true;
    text_init(&end, HTTP_REQUEST_HEAD_MAX);
    text_add(&end, "0\r\n", 3);
    MHD_get_connection_values_n(c, MHD_FOOTER_KIND, trailer_add, &end);
    text_add(&end, "\r\n", 2);
    bool sent = !end.failed && body_up_send(ex, slice_copy(end.at, end.len));
    text_done(&end);
    return sent;
}
