/* SPDX-License-Identifier: Apache-2.0 */
/* Frames out: control frames first, then DATA of one stream after the other. */
#include "mux/internal.h"

#include "base/counters.h"

/* The end of an envelope that is shorter than this takes no new DATA frame, unless it is all there is to say. */
#define DATA_WORTH 256
/* Payload of a DATA frame that goes out in pieces because the space is smaller than a head. */
#define DATA_STAGED 64

static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }

/* Payload that the stream's next DATA frame may have. */
static size_t data_wanted(const struct mux_stream *s)
{
    size_t len = min_size(s->out.bytes, FRAME_DATA_QUANTUM);
    return s->send_credit < len ? (size_t)s->send_credit : len;
}

/* Writes one frame with `len` bytes of payload; the stream goes to the end of the queue. */
static size_t data_write(struct mux_stream *s, uint8_t *dst, size_t len)
{
    slice_queue_take(&s->out, dst + FRAME_HEAD_BYTES, len);
    s->send_credit -= len;
    bool empty = s->out.bytes == 0;
    if (empty)
        slice_queue_done(&s->out); /* an idle stream holds no ring */
    s->fin_sent = empty && s->fin_queued;
    struct frame f = {.type = FRAME_DATA, .stream = s->id, .length = (uint32_t)len};
    if (s->fin_sent)
        f.flags |= FRAME_FLAG_FIN;
    else if (s->send_credit == 0)
        f.flags |= FRAME_FLAG_BLOCKED;
    if (s->send_credit == 0 && !empty)
        counter_add(counters_self(), COUNTER_credit_stalls, 1);
    frame_encode(&f, dst);
    s->mux->data_sent += len;
    s->served_at = s->mux->data_sent;
    stream_unschedule(s);
    stream_schedule(s);
    counter_add(counters_self(), COUNTER_bytes_sent, len);
    if (len > 0)
        s->events->sent(s->ctx, len);
    stream_end_if_finished(s);
    return FRAME_HEAD_BYTES + len;
}

/* The space is smaller than the smallest frame: it goes through the control queue, which can be cut anywhere. */
static size_t data_stage(struct mux *m, struct mux_stream *s, uint8_t *dst, size_t space)
{
    uint8_t frame[FRAME_HEAD_BYTES + DATA_STAGED];
    size_t len = data_write(s, frame, min_size(data_wanted(s), DATA_STAGED));
    control_append(m, frame, len);
    return control_take(&m->control, dst, space);
}

static bool data_waits(const struct mux *m) { return !list_empty(&m->fresh) || !list_empty(&m->ready); }

/* One turn of the first stream in a queue. `first`: nothing else is in this space. 0: better in the next envelope. */
static size_t data_pull(struct mux *m, uint8_t *dst, size_t space, bool first)
{
    const struct list *queue = list_empty(&m->fresh) ? &m->ready : &m->fresh;
    struct mux_stream *s = CONTAINER_OF(queue->next, struct mux_stream, turn);
    CHECK_OBJECT(s, MUX_STREAM_MAGIC);
    size_t wanted = data_wanted(s), fits = space > FRAME_HEAD_BYTES ? space - FRAME_HEAD_BYTES : 0;
    if (space >= FRAME_HEAD_BYTES && (wanted <= fits || fits >= DATA_WORTH || (first && fits > 0)))
        return data_write(s, dst, min_size(wanted, fits));
    return first ? data_stage(m, s, dst, space) : 0;
}

/* Turns what is to be said about the session or a stream's credit into bytes of the control queue. */
static bool control_next(struct mux *m)
{
    if (m->services.data != NULL) {
        control_append(m, m->services.data, m->services.len);
        slice_done(&m->services);
        return true;
    }
    struct list *node = list_shift(&m->grants);
    if (node == NULL)
        return false;
    credit_say(CONTAINER_OF(node, struct mux_stream, grant));
    return true;
}

size_t mux_pull(struct mux *m, uint8_t *dst, size_t max)
{
    CHECK_OBJECT(m, MUX_MAGIC);
    mux_enter(m);
    size_t len = 0;
    while (len < max && m->failed == NULL) {
        size_t more = control_take(&m->control, dst + len, max - len);
        if (more == 0 && control_next(m))
            continue;
        if (more == 0 && data_waits(m))
            more = data_pull(m, dst + len, max - len, len == 0);
        if (more == 0)
            break;
        len += more;
    }
    mux_leave(m);
    return len;
}

bool mux_has_output(const struct mux *m)
{
    CHECK_OBJECT(m, MUX_MAGIC);
    if (m->failed != NULL)
        return false;
    return m->control.len > 0 || m->services.data != NULL || !list_empty(&m->grants) || data_waits(m);
}
