/* SPDX-License-Identifier: Apache-2.0 */
/* What goes out: envelopes are made from the user's bytes, kept until acknowledged, and sent again when missing. */
#include "session/internal.h"

#include <string.h>

#include "base/counters.h"

#define RING_FIRST 16
/* Smaller bodies are made on the stack and leave in a block of their size. */
#define BODY_SMALL (16 * KIB)
/* With less window or room than this, waiting gives better envelopes than sending. */
#define BODY_WORTH 512
/* The carrier calls when it was full, not when it had less room than we wanted. */
#define ROOM_RETRY_US (5 * US_PER_MS)

void send_init(struct send_side *t)
{
    t->room = SESSION_WINDOW_MIN;
    t->lost_us = t->retry_us = CLOCK_NEVER;
}

static struct kept *send_kept(struct send_side *t, uint64_t seq)
{
    return &t->ring[(t->head + (size_t)(seq - t->first)) & (t->capacity - 1)];
}

void send_done(struct send_side *t)
{
    for (uint64_t seq = t->first; seq < t->next; seq++)
        slice_done(&send_kept(t, seq)->envelope);
    free(t->ring);
    *t = (struct send_side){.first = t->next, .next = t->next, .lost_us = CLOCK_NEVER, .retry_us = CLOCK_NEVER};
}

/* There is place for one more. */
static bool ring_reserve(struct send_side *t)
{
    size_t count = (size_t)(t->next - t->first);
    if (count < t->capacity)
        return true;
    size_t capacity = t->capacity == 0 ? RING_FIRST : t->capacity * 2;
    struct kept *ring = malloc(capacity * sizeof(*ring));
    if (ring == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        ring[i] = *send_kept(t, t->first + i);
    free(t->ring);
    t->ring = ring;
    t->capacity = capacity;
    t->head = 0;
    return true;
}

bool send_fits(struct session *s, size_t len)
{
    size_t room = s->events->room(s->ctx);
    if (room >= len)
        return true;
    s->send.blocked = BLOCKED_ROOM;
    s->send.retry_us = room == 0 ? CLOCK_NEVER : s->now_us + ROOM_RETRY_US;
    return false;
}

/* Gives the envelope to the carrier (takes the reference). */
static void send_envelope(struct session *s, struct slice envelope)
{
    s->sent_us = s->now_us;
    s->counts.sent++;
    counter_add(counters_self(), COUNTER_envelopes_sent, 1);
    s->events->send(s->ctx, envelope);
}

static void head_write(const struct session *s, uint8_t *out, enum envelope_type type, uint8_t flags, uint64_t seq)
{
    struct envelope e = {.type = type,
                         .flags = flags,
                         .session = s->id,
                         .seq = seq,
                         .ack = s->receive.next,
                         .room = receive_room(s)};
    envelope_encode(&e, out);
}

bool send_plain(struct session *s, enum envelope_type type, uint8_t flags, uint64_t seq, const void *body, size_t len)
{
    if (!send_fits(s, ENVELOPE_HEAD_BYTES + len))
        return false;
    struct chunk *c = chunk_create(ENVELOPE_HEAD_BYTES + len);
    if (c == NULL)
        return false;
    head_write(s, c->data, type, flags, seq);
    if (len > 0)
        memcpy(c->data + ENVELOPE_HEAD_BYTES, body, len);
    send_envelope(s, slice_of(c, 0, ENVELOPE_HEAD_BYTES + len));
    receive_ack_sent(s);
    return true;
}

static void lost_timer_start(struct session *s)
{
    s->send.lost_us = s->send.first == s->send.next ? CLOCK_NEVER : s->now_us + window_timeout(s);
}

void send_missing(struct session *s)
{
    struct send_side *t = &s->send;
    while (t->again < t->again_end) {
        struct kept *k = send_kept(t, t->again);
        if (!send_fits(s, k->envelope.len))
            return;
        t->again++;
        k->sent_us = s->now_us;
        k->resent = true;
        s->counts.resent++;
        counter_add(counters_self(), COUNTER_envelopes_resent, 1);
        lost_timer_start(s);
        send_envelope(s, slice_ref(&k->envelope));
    }
}

/* -- new envelopes ------------------------------------------------------------------------------------------------- */

static unsigned envelopes_max(const struct session *s)
{
    unsigned max = s->config.envelopes_max;
    return max == 0 || max > SESSION_ENVELOPES_MAX ? SESSION_ENVELOPES_MAX : max;
}

static uint64_t window_allowed(const struct session *s)
{
    uint64_t window = window_now(s);
    return window < s->send.room ? window : s->send.room;
}

/* Bytes that the body of the next envelope may have; 0: blocked, and `blocked` says by what. */
static size_t body_limit(struct session *s)
{
    struct send_side *t = &s->send;
    uint64_t window = window_allowed(s);
    uint64_t left = window > t->in_flight ? window - t->in_flight : 0;
    if (t->next - t->first >= envelopes_max(s) || left < BODY_WORTH) {
        t->blocked = BLOCKED_WINDOW;
        counter_add(counters_self(), COUNTER_window_stalls, 1);
        s->window.round_limited |= left < BODY_WORTH;
        return 0;
    }
    if (!send_fits(s, ENVELOPE_HEAD_BYTES + BODY_WORTH)) {
        s->window.round_limited = true;
        return 0;
    }
    size_t room = s->events->room(s->ctx);
    size_t limit = (room < s->config.max_envelope ? room : s->config.max_envelope) - ENVELOPE_HEAD_BYTES;
    return limit < left ? limit : (size_t)left;
}

/* The one place where the user's bytes become bytes of a body. */
static size_t body_fill(struct session *s, uint8_t *dst, size_t max) { return s->events->pull(s->ctx, dst, max); }

/* In a block of about its size; .data is NULL without memory. */
static struct slice envelope_fill_large(struct session *s, const uint8_t *begun, size_t len, size_t limit)
{
    struct chunk *c = chunk_create(ENVELOPE_HEAD_BYTES + limit);
    if (c == NULL)
        return slice_copy(begun, ENVELOPE_HEAD_BYTES + len);
    memcpy(c->data, begun, ENVELOPE_HEAD_BYTES + len);
    len += body_fill(s, c->data + ENVELOPE_HEAD_BYTES + len, limit - len);
    struct slice whole = slice_of(c, 0, ENVELOPE_HEAD_BYTES + len);
    if (len > limit / 2)
        return whole;
    struct slice exact = slice_copy(whole.data, whole.len);
    if (exact.data == NULL)
        return whole;
    slice_done(&whole);
    return exact;
}

/* Makes an envelope whose body has up to `limit` bytes and whose head is still to be written. False: nothing to say. */
static bool envelope_fill(struct session *s, size_t limit, struct slice *out)
{
    uint8_t small[ENVELOPE_HEAD_BYTES + BODY_SMALL];
    size_t small_max = limit < BODY_SMALL ? limit : BODY_SMALL;
    size_t len = body_fill(s, small + ENVELOPE_HEAD_BYTES, small_max);
    if (len == 0)
        return false;
    memset(small, 0, ENVELOPE_HEAD_BYTES);
    if (len < small_max || limit == small_max)
        *out = slice_copy(small, ENVELOPE_HEAD_BYTES + len);
    else
        *out = envelope_fill_large(s, small, len, limit);
    return true;
}

static uint8_t data_flags(const struct session *s)
{
    const struct send_side *t = &s->send;
    bool near_end = t->in_flight > window_allowed(s) / 2 || t->next - t->first > envelopes_max(s) / 2;
    return near_end ? ENVELOPE_FLAG_ACK_NOW : 0;
}

/* Gives the envelope its number, keeps it and sends it. There is place in the ring, and the block is still ours alone. */
static void data_send(struct session *s, struct slice envelope)
{
    struct send_side *t = &s->send;
    uint64_t seq = t->next++;
    uint8_t flags = window_wants_answer(s) ? ENVELOPE_FLAG_ACK_NOW : 0;
    t->in_flight += envelope.len - ENVELOPE_HEAD_BYTES;
    flags |= data_flags(s);
    head_write(s, envelope.chunk->data, ENVELOPE_DATA, flags, seq);
    *send_kept(t, seq) =
        (struct kept){.envelope = envelope, .sent_us = s->now_us, .ack_now = (flags & ENVELOPE_FLAG_ACK_NOW) != 0};
    if (t->lost_us == CLOCK_NEVER)
        lost_timer_start(s);
    send_envelope(s, slice_ref(&envelope));
    receive_ack_sent(s);
}

void send_new(struct session *s)
{
    for (size_t limit; (limit = body_limit(s)) > 0 && s->state != SESSION_ENDED;) {
        struct slice envelope = SLICE_NONE;
        bool reserved = ring_reserve(&s->send);
        if (reserved && !envelope_fill(s, limit, &envelope))
            return;
        if (s->state == SESSION_ENDED) {
            slice_done(&envelope);
            return;
        }
        if (envelope.data == NULL) {
            session_close(s, &error_no_memory, s->now_us);
            return;
        }
        data_send(s, envelope);
    }
}

/* -- acknowledgements ---------------------------------------------------------------------------------------------- */

/* Releases all before `ack`; the youngest gives a round trip, unless one was sent twice (RFC 6298 3). */
static void send_release(struct session *s, uint64_t ack)
{
    struct send_side *t = &s->send;
    uint64_t bytes = 0, sent_us = 0;
    bool timed = true, prompt = false;
    while (t->first < ack) {
        struct kept *k = send_kept(t, t->first);
        bytes += k->envelope.len - ENVELOPE_HEAD_BYTES;
        timed &= !k->resent;
        prompt = k->ack_now;
        sent_us = k->sent_us;
        slice_done(&k->envelope);
        t->head = (t->head + 1) & (t->capacity - 1);
        t->first++;
    }
    t->in_flight -= bytes;
    if (timed)
        window_rtt(s, s->now_us - sent_us, prompt, ack - 1);
    window_delivered(s, bytes);
}

bool send_acknowledged(struct session *s, const struct envelope *e)
{
    struct send_side *t = &s->send;
    if (e->ack > t->next) {
        session_close(s, &error_protocol_error, s->now_us);
        return false;
    }
    if (e->ack < t->first)
        return true;
    t->room = e->room;
    if (e->ack > t->first) {
        send_release(s, e->ack);
        t->probes = 0;
        if (t->again < t->first)
            t->again = t->first;
        lost_timer_start(s);
    }
    if (t->blocked == BLOCKED_WINDOW || t->again < t->again_end) {
        t->blocked = BLOCKED_NOT;
        s->events->wake(s->ctx);
    }
    return true;
}

void send_again(struct session *s, uint64_t end)
{
    struct send_side *t = &s->send;
    if (end > t->next)
        end = t->next;
    if (t->first >= end)
        return;
    const struct kept *k = send_kept(t, t->first);
    if (k->resent && s->now_us - k->sent_us < s->window.rtt_us)
        return; /* the same complaint, sent before the repeat could arrive */
    if (t->again >= t->again_end || end > t->again_end)
        t->again_end = end;
    t->again = t->first;
    s->events->wake(s->ctx);
}

void send_lost(struct session *s)
{
    if (s->now_us - s->received_us > s->config.grace_us) {
        session_close(s, &error_session_lost, s->now_us);
        return;
    }
    s->send.probes++;
    lost_timer_start(s);
    session_want(s, DUE_PROBE);
}
