/* SPDX-License-Identifier: Apache-2.0 */
/* What comes in: delivered in order and once, held behind a gap, complained about, acknowledged. */
#include "session/internal.h"

#include "base/counters.h"

#define ACK_DELAY_US (20 * US_PER_MS)
#define ACK_BYTES_MAX (32 * KIB)
#define NACK_FIRST_US (100 * US_PER_MS)
#define NACK_MIN_US (50 * US_PER_MS)
#define NACK_MAX_US (1 * US_PER_S)
#define EARLY_FIRST 32

void receive_init(struct receive_side *r) { r->ack_us = r->nack_us = CLOCK_NEVER; }

void receive_done(struct receive_side *r)
{
    for (size_t i = 0; i < r->early_capacity; i++)
        slice_done(&r->early[i]);
    free(r->early);
    *r = (struct receive_side){.next = r->next, .bytes = r->bytes, .ack_us = CLOCK_NEVER, .nack_us = CLOCK_NEVER};
}

/* All that arrives is delivered at once, so only what is held behind a gap takes room, and that counts as taken. */
uint32_t receive_room(const struct session *s)
{
    return s->config.window_max < UINT32_MAX ? (uint32_t)s->config.window_max : UINT32_MAX;
}

/* -- behind a gap -------------------------------------------------------------------------------------------------- */

static struct slice *early_slot(const struct receive_side *r, uint64_t seq)
{
    return &r->early[seq & (r->early_capacity - 1)];
}

/* Slots for next .. seq. */
static bool early_reserve(struct receive_side *r, uint64_t seq)
{
    if (seq - r->next < r->early_capacity)
        return true;
    size_t capacity = r->early_capacity == 0 ? EARLY_FIRST : r->early_capacity;
    while (capacity <= seq - r->next)
        capacity *= 2;
    struct slice *slots = calloc(capacity, sizeof(*slots));
    if (slots == NULL)
        return false;
    for (uint64_t n = r->next; n < r->next + r->early_capacity; n++)
        slots[n & (capacity - 1)] = *early_slot(r, n);
    free(r->early);
    r->early = slots;
    r->early_capacity = capacity;
    return true;
}

/* A reference that does not pin much more than its bytes; .data is NULL without memory. */
static struct slice early_reference(const struct slice *body)
{
    if (body->len < SLICE_COMPACT && body->chunk != NULL && body->chunk->size > 2 * SLICE_COMPACT)
        return slice_copy(body->data, body->len);
    return slice_ref(body);
}

/* Holds what came too early. What does not fit is dropped: it is asked for again when the gap has closed. */
static void early_keep(struct session *s, uint64_t seq, const struct slice *body)
{
    struct receive_side *r = &s->receive;
    if (seq - r->next >= SESSION_ENVELOPES_MAX || body->len == 0 || body->len > s->config.window_max - r->early_bytes)
        return;
    if (!early_reserve(r, seq))
        return;
    struct slice *slot = early_slot(r, seq);
    if (slot->data != NULL) {
        s->counts.duplicates++;
        return;
    }
    *slot = early_reference(body);
    if (slot->data == NULL)
        return;
    r->early_count++;
    r->early_bytes += slot->len;
}

/* The body of envelope `next` if it came early, now the caller's; .data is NULL if not. */
static struct slice early_take(struct receive_side *r)
{
    if (r->early_count == 0)
        return SLICE_NONE;
    struct slice *slot = early_slot(r, r->next), body = *slot;
    if (body.data == NULL)
        return SLICE_NONE;
    *slot = SLICE_NONE;
    r->early_count--;
    r->early_bytes -= body.len;
    return body;
}

/* -- gaps ---------------------------------------------------------------------------------------------------------- */

static uint64_t gap_end(const struct receive_side *r)
{
    if (r->early_count > 0)
        for (uint64_t n = r->next + 1; n < r->next + r->early_capacity; n++)
            if (early_slot(r, n)->data != NULL)
                return n;
    return r->end;
}

static void nack_timer_start(struct session *s)
{
    uint64_t wait = s->window.rtt_us == 0 ? NACK_FIRST_US : 2 * s->window.rtt_us;
    wait = (wait < NACK_MIN_US ? NACK_MIN_US : wait) << (s->receive.nacks < 5 ? s->receive.nacks : 5);
    s->receive.nack_us = s->now_us + (wait < NACK_MAX_US ? wait : NACK_MAX_US);
}

/* After every change of `next` or `end`: one complaint a gap, the timer repeats it when nothing moves. */
static void gap_check(struct session *s, bool progress)
{
    struct receive_side *r = &s->receive;
    if (r->next >= r->end) {
        r->nack_us = CLOCK_NEVER;
        s->due &= ~(unsigned)DUE_NACK;
    } else if (r->next >= r->nack_end && (s->due & DUE_NACK) == 0) {
        r->nacks = 0;
        session_want(s, DUE_NACK);
    } else if (progress) {
        r->nacks = 0;
        nack_timer_start(s);
    }
}

void receive_end_known(struct session *s, uint64_t end)
{
    if (end > s->receive.end)
        s->receive.end = end;
    gap_check(s, false);
}

void receive_nack_send(struct session *s)
{
    struct receive_side *r = &s->receive;
    uint64_t end = gap_end(r);
    if (!send_plain(s, ENVELOPE_NACK, 0, end, NULL, 0))
        return;
    s->due &= ~(unsigned)DUE_NACK;
    r->nack_end = end;
    nack_timer_start(s);
    r->nacks++;
}

/* -- in order ------------------------------------------------------------------------------------------------------ */

/* The one place where bytes of a body become the user's bytes. False: the session has ended over them. */
static bool body_deliver(struct session *s, const struct slice *body)
{
    const struct error *why = body->len == 0 ? NULL : s->events->push(s->ctx, body);
    if (why != NULL)
        session_close(s, why, s->now_us);
    if (s->state == SESSION_ENDED)
        return false;
    s->receive.next++;
    s->receive.unacked += body->len;
    s->receive.bytes += body->len;
    return true;
}

static bool early_deliver(struct session *s)
{
    for (struct slice body; (body = early_take(&s->receive)).data != NULL;) {
        bool alive = body_deliver(s, &body);
        slice_done(&body);
        if (!alive)
            return false;
    }
    return true;
}

static void ack_schedule(struct session *s, bool now)
{
    struct receive_side *r = &s->receive;
    uint64_t quarter = receive_room(s) / 4;
    if (now || r->unacked >= (quarter < ACK_BYTES_MAX ? quarter : ACK_BYTES_MAX))
        session_want(s, DUE_ACK);
    else if (r->ack_us == CLOCK_NEVER)
        r->ack_us = s->now_us + ACK_DELAY_US;
}

void receive_ack_sent(struct session *s)
{
    s->receive.unacked = 0;
    s->receive.ack_us = CLOCK_NEVER;
    s->due &= ~(unsigned)DUE_ACK;
}

void receive_data(struct session *s, const struct envelope *e, const struct slice *body)
{
    struct receive_side *r = &s->receive;
    if (e->seq < r->next) {
        s->counts.duplicates++;
        session_want(s, DUE_ACK); /* the acknowledgement may have been lost */
        return;
    }
    bool in_order = e->seq == r->next, in_gap = r->next < r->end;
    if (!in_order)
        early_keep(s, e->seq, body);
    else if (!body_deliver(s, body) || !early_deliver(s))
        return;
    if (e->seq < UINT64_MAX && e->seq + 1 > r->end)
        r->end = e->seq + 1;
    gap_check(s, in_order);
    if (in_order)
        ack_schedule(s, in_gap || (e->flags & ENVELOPE_FLAG_ACK_NOW) != 0);
}
