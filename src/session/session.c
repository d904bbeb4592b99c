/* SPDX-License-Identifier: Apache-2.0 */
/* A session's life and its time. */
#include "session/internal.h"

#include "base/counters.h"

struct session *session_create(const struct session_config *config, const struct session_events *events, void *ctx,
                               uint64_t now_us)
{
    assert(config->max_envelope >= SESSION_ENVELOPE_MIN && config->max_envelope <= UINT32_MAX);
    assert(config->window_max >= SESSION_ENVELOPE_MIN);
    struct session *s;
    ALLOC_OBJECT(s, SESSION_MAGIC);
    if (s == NULL)
        return NULL;
    s->config = *config;
    s->events = events;
    s->ctx = ctx;
    s->id = config->id;
    s->initiator = config->id != 0;
    s->carrier = true;
    s->now_us = s->sent_us = s->received_us = s->away_us = s->hello_us = now_us;
    send_init(&s->send);
    receive_init(&s->receive);
    window_init(s);
    counter_add(counters_self(), COUNTER_sessions, 1);
    return s;
}

static void session_release(struct session *s)
{
    session_set_state(s, SESSION_ENDED);
    s->due = 0;
    send_done(&s->send);
    receive_done(&s->receive);
    counter_sub(counters_self(), COUNTER_sessions, 1);
}

void session_free(struct session **s)
{
    struct session *dead;
    TAKE_OBJECT(dead, s, SESSION_MAGIC);
    if (dead->state != SESSION_ENDED)
        session_release(dead);
    FREE_OBJECT(dead);
}

void session_set_state(struct session *s, enum session_state state)
{
    assert(s->state != SESSION_ENDED);
    s->state = state;
}

void session_end(struct session *s, const struct error *reason)
{
    if (s->state == SESSION_ENDED)
        return;
    session_release(s);
    s->events->ended(s->ctx, reason);
}

void session_want(struct session *s, unsigned due)
{
    s->due |= due;
    s->events->wake(s->ctx);
}

void session_wake(struct session *s)
{
    CHECK_OBJECT(s, SESSION_MAGIC);
    if (s->state != SESSION_ENDED)
        s->events->wake(s->ctx);
}

void session_writable(struct session *s)
{
    CHECK_OBJECT(s, SESSION_MAGIC);
    if (s->state != SESSION_ENDED && s->send.blocked == BLOCKED_ROOM)
        s->events->wake(s->ctx);
}

/* -- in -------------------------------------------------------------------------------------------------------------- */

static void session_dispatch(struct session *s, const struct envelope *e, const struct slice *body)
{
    bool running = s->state == SESSION_UP || s->state == SESSION_AWAY;
    switch (e->type) {
    case ENVELOPE_HELLO:
        hello_receive(s, e, body->data, body->len);
        break;
    case ENVELOPE_HELLO_ACK:
        hello_ack_receive(s, e, body->data, body->len);
        break;
    case ENVELOPE_DATA:
        if (running && send_acknowledged(s, e))
            receive_data(s, e, body);
        break;
    case ENVELOPE_ACK:
        if (!running || !send_acknowledged(s, e))
            break;
        receive_end_known(s, e->seq);
        if ((e->flags & ENVELOPE_FLAG_ACK_NOW) != 0)
            session_want(s, DUE_ACK);
        break;
    case ENVELOPE_NACK:
        if (!running || !send_acknowledged(s, e) || e->ack != s->send.first || s->send.first == s->send.next)
            break;
        window_lost(s);
        send_again(s, e->seq);
        break;
    case ENVELOPE_BYE:
        bye_receive(s, body->data, body->len);
        break;
    }
}

void session_receive(struct session *s, const struct slice *envelope, uint64_t now_us)
{
    CHECK_OBJECT(s, SESSION_MAGIC);
    struct envelope e;
    if (s->state == SESSION_ENDED || envelope_decode(&e, envelope->data, envelope->len) != NULL)
        return;
    if (e.session != s->id && (s->id != 0 || e.type != ENVELOPE_HELLO))
        return;
    s->now_us = s->received_us = now_us;
    s->stalled = false;
    s->counts.received++;
    counter_add(counters_self(), COUNTER_envelopes_received, 1);
    struct slice body = *envelope;
    body.data += ENVELOPE_HEAD_BYTES;
    body.len -= ENVELOPE_HEAD_BYTES;
    session_dispatch(s, &e, &body);
}

/* -- out ------------------------------------------------------------------------------------------------------------- */

static bool hello_repeats(const struct session *s)
{
    return s->state == SESSION_AWAY || s->state == SESSION_HELLO_SENT || (s->state == SESSION_NEW && s->initiator);
}

static void flush_running(struct session *s)
{
    if ((s->due & DUE_NACK) != 0 && s->state == SESSION_UP)
        receive_nack_send(s);
    send_missing(s);
    if (s->send.blocked == BLOCKED_NOT)
        send_new(s);
    if (s->state != SESSION_UP)
        return;
    if ((s->due & DUE_PROBE) != 0 && send_plain(s, ENVELOPE_ACK, ENVELOPE_FLAG_ACK_NOW, s->send.next, NULL, 0))
        s->due &= ~(unsigned)DUE_PROBE;
    if ((s->due & DUE_ACK) != 0)
        send_plain(s, ENVELOPE_ACK, 0, s->send.next, NULL, 0);
}

void session_flush(struct session *s, uint64_t now_us)
{
    CHECK_OBJECT(s, SESSION_MAGIC);
    if (s->state == SESSION_ENDED)
        return;
    s->now_us = now_us;
    if (!s->carrier)
        return;
    s->send.blocked = BLOCKED_NOT;
    s->send.retry_us = CLOCK_NEVER;
    if (hello_repeats(s) && now_us >= s->hello_us)
        s->due |= DUE_HELLO;
    if ((s->due & DUE_HELLO) != 0 && !hello_send(s, ENVELOPE_HELLO))
        return;
    if ((s->due & DUE_HELLO_ACK) != 0 && !hello_send(s, ENVELOPE_HELLO_ACK))
        return;
    if (s->state == SESSION_HELLO_SENT || s->state == SESSION_UP)
        flush_running(s);
}

/* -- the carrier ----------------------------------------------------------------------------------------------------- */

void session_carrier_lost(struct session *s, uint64_t now_us)
{
    CHECK_OBJECT(s, SESSION_MAGIC);
    if (s->state == SESSION_ENDED)
        return;
    s->now_us = now_us;
    s->carrier = false;
    session_go_away(s);
}

void session_carrier_back(struct session *s, uint64_t now_us)
{
    CHECK_OBJECT(s, SESSION_MAGIC);
    if (s->state == SESSION_ENDED)
        return;
    s->now_us = s->received_us = now_us;
    s->carrier = true;
    s->stalled = false;
    session_go_away(s);
    if (s->state == SESSION_AWAY || s->initiator) {
        s->hellos = 0;
        session_want(s, DUE_HELLO);
    }
}

/* -- time ------------------------------------------------------------------------------------------------------------ */

static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* Of a session that is up and has its carrier. */
static uint64_t deadline_running(const struct session *s)
{
    uint64_t at = s->send.lost_us;
    if ((s->due & DUE_NACK) == 0)
        at = earlier(at, s->receive.nack_us);
    if ((s->due & DUE_ACK) == 0)
        at = earlier(at, s->receive.ack_us);
    if (s->config.idle_us == 0)
        return at;
    if ((s->due & DUE_ACK) == 0)
        at = earlier(at, s->sent_us + s->config.idle_us);
    return earlier(at, s->received_us + 2 * s->config.idle_us);
}

uint64_t session_deadline(const struct session *s)
{
    CHECK_OBJECT(s, SESSION_MAGIC);
    if (s->state == SESSION_ENDED)
        return CLOCK_NEVER;
    uint64_t at = s->state == SESSION_UP ? CLOCK_NEVER : s->away_us + s->config.grace_us;
    if (!s->carrier)
        return at;
    at = earlier(at, s->send.retry_us);
    if (s->state == SESSION_UP)
        return earlier(at, deadline_running(s));
    return hello_repeats(s) && (s->due & DUE_HELLO) == 0 ? earlier(at, s->hello_us) : at;
}

static void tick_running(struct session *s)
{
    uint64_t now_us = s->now_us, idle_us = s->config.idle_us;
    if (idle_us != 0 && now_us >= s->received_us + 2 * idle_us) {
        s->stalled = true;
        session_go_away(s);
        return;
    }
    if (now_us >= s->receive.nack_us)
        session_want(s, DUE_NACK);
    if (now_us >= s->receive.ack_us || (idle_us != 0 && now_us >= s->sent_us + idle_us))
        session_want(s, DUE_ACK);
    if (now_us >= s->send.lost_us)
        send_lost(s);
}

void session_tick(struct session *s, uint64_t now_us)
{
    CHECK_OBJECT(s, SESSION_MAGIC);
    if (s->state == SESSION_ENDED)
        return;
    s->now_us = now_us;
    if (now_us >= s->send.retry_us)
        session_writable(s);
    if (s->state == SESSION_UP) {
        if (s->carrier)
            tick_running(s);
    } else if (now_us >= s->away_us + s->config.grace_us) {
        session_close(s, &error_session_lost, now_us);
    } else if (s->carrier && hello_repeats(s) && now_us >= s->hello_us) {
        session_want(s, DUE_HELLO);
    }
}

/* -- to look at ------------------------------------------------------------------------------------------------------ */

enum session_state session_state(const struct session *s)
{
    CHECK_OBJECT(s, SESSION_MAGIC);
    return s->state;
}

uint32_t session_id(const struct session *s)
{
    CHECK_OBJECT(s, SESSION_MAGIC);
    return s->id;
}

bool session_stalled(const struct session *s)
{
    CHECK_OBJECT(s, SESSION_MAGIC);
    return s->stalled;
}

void session_stats(const struct session *s, struct session_stats *out)
{
    CHECK_OBJECT(s, SESSION_MAGIC);
    *out = s->counts;
    out->window = window_now(s);
    out->in_flight = s->send.in_flight;
    out->rtt_us = s->window.rtt_us;
    out->rtt_min_us = s->window.rtt_min_us;
    out->rate = s->window.rate;
    out->window_full = s->send.blocked == BLOCKED_WINDOW;
}
