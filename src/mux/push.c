/* SPDX-License-Identifier: Apache-2.0 */
/* Frames in. What comes is hostile until it has been looked at; a broken rule ends the session with its reason. */
#include "mux/internal.h"

#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/counters.h"

/* More credit than this at once is no credit any more. */
#define SEND_CREDIT_MAX (UINT32_C(1) << 30)

/* -- streams ----------------------------------------------------------------------------------------------------------- */

static void open_refuse(struct mux *m, uint32_t id, const struct error *why)
{
    counter_add(counters_self(), COUNTER_streams_refused, 1);
    if (why == &error_limit)
        counter_add(counters_self(), COUNTER_limits_hit, 1);
    control_say_code(m, FRAME_REFUSE, id, why);
}

static bool open_too_often(struct mux *m)
{
    uint64_t max = m->config.opens_max, every_us = max > 0 ? US_PER_S / max : 0;
    uint64_t due_us = (m->opens_due_us > m->now_us ? m->opens_due_us : m->now_us) + every_us;

    if (max > 0 && due_us - m->now_us > US_PER_S)
        return true;
    m->opens_due_us = due_us;
    return false;
}

/* NULL: one more stream of the peer is welcome. */
static const struct error *open_forbidden(struct mux *m)
{
    if (m->goaway_said != NULL)
        return &error_shutting_down;
    if (open_too_often(m))
        return &error_limit;
    if (m->count >= m->config.streams_max || m->pending_theirs >= STREAMS_PENDING_MAX)
        return &error_limit;
    return NULL;
}

static const struct error *open_receive(struct mux *m, uint32_t id, const uint8_t *payload, size_t len)
{
    bool odd = (id & 1) == 1;
    if (odd == m->config.opens_odd || id <= m->peer_id)
        return &error_protocol_error;
    m->peer_id = id;
    struct open_head head;
    const struct error *why = open_head_decode(&head, payload, len);
    if (why == &error_protocol_error)
        return why;
    if (why == NULL)
        why = open_forbidden(m);
    struct mux_stream *s = why == NULL ? stream_create(m, id, false) : NULL;
    if (s == NULL) {
        open_refuse(m, id, why != NULL ? why : &error_no_memory);
        return NULL;
    }
    m->events->opened(m->ctx, s, &head);
    assert(s->dead || s->events != NULL);
    return NULL;
}

static const struct error *accept_receive(struct mux_stream *s)
{
    if (!s->ours || s->answered)
        return &error_protocol_error;
    stream_answered(s);
    s->events->accepted(s->ctx);
    return NULL;
}

static const struct error *window_receive(struct mux_stream *s, uint32_t more)
{
    if (more > SEND_CREDIT_MAX - s->send_credit)
        return &error_protocol_error;
    s->send_credit += more;
    stream_schedule(s);
    return NULL;
}

/* A code that means success is no reason to end. */
static const struct error *reason_of(uint16_t code)
{
    return code == error_none.code ? &error_cancelled : error_by_code(code);
}

static const struct error *refuse_receive(struct mux_stream *s, const struct error *reason)
{
    if (!s->ours || s->answered)
        return &error_protocol_error;
    counter_add(counters_self(), COUNTER_streams_refused, 1);
    const struct mux_stream_events *events = s->events;
    void *ctx = s->ctx;
    stream_kill(s);
    events->ended(ctx, reason);
    return NULL;
}

static const struct error *stream_receive(struct mux *m, const struct frame *f, struct bytes_reader *r)
{
    uint32_t more = f->type == FRAME_WINDOW ? bytes_read_u32(r) : 0;
    uint16_t code = f->type == FRAME_REFUSE || f->type == FRAME_RESET ? bytes_read_u16(r) : 0;
    if (r->failed || bytes_left(r) > 0 || !stream_id_used(m, f->stream))
        return &error_protocol_error;
    struct mux_stream *s = stream_find(m, f->stream);
    if (s == NULL)
        return NULL; /* it was on its way when the stream ended here */
    switch (f->type) {
    case FRAME_ACCEPT:
        return accept_receive(s);
    case FRAME_REFUSE:
        return refuse_receive(s, reason_of(code));
    case FRAME_WINDOW:
        return window_receive(s, more);
    default:
        stream_end(s, reason_of(code));
        return NULL;
    }
}

/* -- the session ------------------------------------------------------------------------------------------------------- */

static const struct error *services_receive(struct mux *m, const uint8_t *payload, size_t len)
{
    struct service_entry *list = malloc(SERVICES_MAX * sizeof(*list));
    if (list == NULL)
        return &error_no_memory;
    size_t count = 0;
    const struct error *why = services_decode(list, SERVICES_MAX, &count, payload, len);
    if (why == NULL)
        m->events->services(m->ctx, list, count);
    free(list);
    return why;
}

static const struct error *weight_receive(struct mux *m, struct bytes_reader *r)
{
    uint16_t weight = bytes_read_u16(r);
    if (r->failed || bytes_left(r) > 0)
        return &error_protocol_error;
    m->events->weight(m->ctx, weight);
    return NULL;
}

static const struct error *public_receive(struct mux *m, const uint8_t *payload, size_t len)
{
    struct public_port p;
    const struct error *why = public_port_decode(&p, payload, len);
    if (why == NULL)
        m->events->public_port(m->ctx, &p);
    return why;
}

static const struct error *goaway_receive(struct mux *m, struct bytes_reader *r)
{
    uint16_t code = bytes_read_u16(r);
    if (r->failed || bytes_left(r) > 0)
        return &error_protocol_error;
    m->goaway_heard = reason_of(code);
    m->events->goaway(m->ctx, m->goaway_heard);
    return NULL;
}

static const struct error *ping_receive(struct mux *m, const struct frame *f, struct bytes_reader *r)
{
    const uint8_t *bytes = bytes_read(r, 8);
    if (bytes == NULL || bytes_left(r) > 0)
        return &error_protocol_error;
    if (f->type == FRAME_PING)
        control_say(m, FRAME_PONG, 0, bytes, 8);
    return NULL;
}

/* A whole frame that is not DATA. */
static const struct error *control_receive(struct mux *m, const uint8_t *payload)
{
    struct frame f = m->in.frame;
    struct bytes_reader r;
    bytes_reader_init(&r, payload, f.length);
    switch (f.type) {
    case FRAME_OPEN:
        return open_receive(m, f.stream, payload, f.length);
    case FRAME_ACCEPT:
    case FRAME_REFUSE:
    case FRAME_WINDOW:
    case FRAME_RESET:
        return stream_receive(m, &f, &r);
    case FRAME_PING:
    case FRAME_PONG:
        return ping_receive(m, &f, &r);
    case FRAME_SERVICES:
        return services_receive(m, payload, f.length);
    case FRAME_WEIGHT:
        return weight_receive(m, &r);
    case FRAME_PUBLIC:
        return public_receive(m, payload, f.length);
    case FRAME_GOAWAY:
        return goaway_receive(m, &r);
    default:
        return NULL; /* not critical */
    }
}

/* -- DATA -------------------------------------------------------------------------------------------------------------- */

static const struct error *data_begin(struct mux *m)
{
    const struct frame *f = &m->in.frame;
    if (!stream_id_used(m, f->stream))
        return &error_protocol_error;
    struct mux_stream *s = stream_find(m, f->stream);
    m->in.stream = s;
    if (s == NULL)
        return NULL;
    if (s->fin_received)
        return &error_protocol_error;
    return credit_use(s, f->length, (f->flags & FRAME_FLAG_BLOCKED) != 0);
}

/* The next `len` bytes of the payload, `len` <= in.left. */
static void data_receive(struct mux *m, const struct slice *bytes, size_t offset, size_t len)
{
    struct mux_stream *s = m->in.stream;
    m->in.left -= len;
    if (s == NULL)
        return;
    bool fin = m->in.left == 0 && (m->in.frame.flags & FRAME_FLAG_FIN) != 0;
    if (len == 0 && !fin)
        return;
    s->credit.held += (uint32_t)len;
    s->fin_received = fin;
    counter_add(counters_self(), COUNTER_bytes_received, len);
    struct slice part = slice_part(bytes, offset, len);
    s->events->data(s->ctx, &part, fin);
    slice_done(&part);
    stream_end_if_finished(s);
}

/* -- bytes to frames --------------------------------------------------------------------------------------------------- */

static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }

static bool frame_is_skipped(const struct frame *f)
{
    return (f->type & FRAME_CRITICAL) == 0 && frame_type_name(f->type) == NULL;
}

static void frame_end(struct mux *m)
{
    free(m->in.collected);
    m->in = (struct inbound){0};
}

/* Collects a head; NULL or why the session ends. */
static const struct error *head_receive(struct mux *m, const uint8_t *at, size_t len, size_t *used)
{
    struct inbound *in = &m->in;
    *used = min_size(len, FRAME_HEAD_BYTES - in->head_len);
    memcpy(in->head + in->head_len, at, *used);
    in->head_len += *used;
    if (in->head_len < FRAME_HEAD_BYTES)
        return NULL;
    const struct error *why = frame_decode(&in->frame, in->head);
    if (why != NULL)
        return why;
    in->payload = true;
    in->left = in->frame.length;
    return in->frame.type == FRAME_DATA ? data_begin(m) : NULL;
}

/* Reads a control frame in place when all of it is there, else collects it. */
static const struct error *control_collect(struct mux *m, const uint8_t *at, size_t len)
{
    struct inbound *in = &m->in;
    in->left -= len;
    if (len == in->frame.length)
        return control_receive(m, at);
    if (in->collected == NULL)
        in->collected = malloc(in->frame.length);
    if (in->collected == NULL)
        return &error_no_memory;
    memcpy(in->collected + in->collected_len, at, len);
    in->collected_len += len;
    return in->left == 0 ? control_receive(m, in->collected) : NULL;
}

static const struct error *payload_receive(struct mux *m, const struct slice *bytes, size_t offset, size_t *used)
{
    struct inbound *in = &m->in;
    const struct error *why = NULL;
    *used = min_size(bytes->len - offset, in->left);
    if (in->frame.type == FRAME_DATA)
        data_receive(m, bytes, offset, *used);
    else if (frame_is_skipped(&in->frame))
        in->left -= *used;
    else
        why = control_collect(m, bytes->data + offset, *used);
    if (why == NULL && in->left == 0)
        frame_end(m);
    return why;
}

const struct error *mux_push(struct mux *m, const struct slice *bytes, uint64_t now_us)
{
    CHECK_OBJECT(m, MUX_MAGIC);
    m->now_us = now_us;
    mux_enter(m);
    /* A frame without payload ends where its head does: one more round then, though no byte is left. */
    for (size_t at = 0, used; m->failed == NULL && (at < bytes->len || (m->in.payload && m->in.left == 0)); at += used) {
        const struct error *why = m->in.payload ? payload_receive(m, bytes, at, &used)
                                                : head_receive(m, bytes->data + at, bytes->len - at, &used);
        if (m->failed == NULL)
            m->failed = why;
    }
    mux_leave(m);
    return m->failed;
}
