/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake, going on after the carrier was lost, and BYE. */
#include "session/internal.h"

#include "base/bytes.h"
#include "base/counters.h"

/* Body of HELLO and HELLO_ACK: longest envelope u32, grace in seconds u16, options (type u8, length u16, value)*. */
#define HELLO_BODY_BYTES 6
#define HELLO_OPTION_CRITICAL 0x80
#define HELLO_OPTION_SEALED 0x81 /* one byte: how the session's bytes are encrypted */
#define HELLO_OPTION_BYTES 4
#define SEALED_TLS13 1

#define HELLO_RETRY_US (1 * US_PER_S)
#define HELLO_RETRY_MAX_US (8 * US_PER_S)

void hello_start(struct session *s)
{
    s->away_us = s->hello_us = s->now_us;
    s->hellos = 0;
    if (s->carrier)
        session_want(s, DUE_HELLO);
}

static void hello_sent(struct session *s)
{
    uint64_t wait = HELLO_RETRY_US << (s->hellos < 3 ? s->hellos : 3);
    s->hellos++;
    s->hello_sent_us = s->now_us;
    s->hello_us = s->now_us + (wait < HELLO_RETRY_MAX_US ? wait : HELLO_RETRY_MAX_US);
    if (s->state == SESSION_NEW) {
        session_set_state(s, SESSION_HELLO_SENT);
    } else if (s->state == SESSION_HELLO_SENT) { /* DATA without its HELLO was dropped there */
        s->send.again = s->send.first;
        s->send.again_end = s->send.next;
    }
}

bool hello_send(struct session *s, enum envelope_type type)
{
    uint64_t grace_s = (s->config.grace_us + US_PER_S - 1) / US_PER_S;
    uint8_t body[HELLO_BODY_BYTES + HELLO_OPTION_BYTES];
    struct bytes_writer w;
    bytes_writer_init(&w, body, sizeof(body));
    bytes_write_u32(&w, (uint32_t)s->config.max_envelope);
    bytes_write_u16(&w, grace_s < UINT16_MAX ? (uint16_t)grace_s : UINT16_MAX);
    if (s->config.sealed) {
        bytes_write_u8(&w, HELLO_OPTION_SEALED);
        bytes_write_u16(&w, 1);
        bytes_write_u8(&w, SEALED_TLS13);
    }
    size_t len = HELLO_BODY_BYTES + (s->config.sealed ? HELLO_OPTION_BYTES : 0);
    bool resume = type == ENVELOPE_HELLO && s->state == SESSION_AWAY;
    if (!send_plain(s, type, resume ? ENVELOPE_FLAG_RESUME : 0, s->send.first, body, len))
        return false;
    if (type == ENVELOPE_HELLO)
        hello_sent(s);
    s->due &= type == ENVELOPE_HELLO ? ~(unsigned)DUE_HELLO : ~(unsigned)DUE_HELLO_ACK;
    return true;
}

/* Takes what the peer says of itself; NULL or why the session cannot be. */
static const struct error *hello_body_read(struct session *s, const uint8_t *body, size_t len)
{
    struct bytes_reader r;
    bytes_reader_init(&r, body, len);
    uint32_t max_envelope = bytes_read_u32(&r);
    uint64_t grace_us = bytes_read_u16(&r) * US_PER_S;
    bool sealed = false;
    while (!r.failed && bytes_left(&r) > 0) {
        uint8_t type = bytes_read_u8(&r);
        uint16_t value_len = bytes_read_u16(&r);
        const uint8_t *value = bytes_read(&r, value_len);
        if (r.failed)
            break;
        if (type == HELLO_OPTION_SEALED && value_len == 1 && value[0] == SEALED_TLS13)
            sealed = true;
        else if ((type & HELLO_OPTION_CRITICAL) != 0)
            return &error_protocol_version;
    }
    if (r.failed || max_envelope < SESSION_ENVELOPE_MIN)
        return &error_protocol_error;
    if (sealed != s->config.sealed)
        return &error_encryption_mismatch;
    if (max_envelope < s->config.max_envelope)
        s->config.max_envelope = max_envelope;
    if (grace_us < s->config.grace_us)
        s->config.grace_us = grace_us;
    return NULL;
}

/* The first HELLO of a session that the peer starts. */
static void hello_accept(struct session *s, const struct envelope *e, const uint8_t *body, size_t len)
{
    s->id = e->session;
    const struct error *why = hello_body_read(s, body, len);
    if ((e->flags & ENVELOPE_FLAG_RESUME) != 0)
        why = &error_session_unknown;
    else if (why == NULL && (e->seq != 0 || e->ack != 0))
        why = &error_protocol_error;
    if (why != NULL) {
        session_close(s, why, s->now_us);
        return;
    }
    s->send.room = e->room;
    session_set_state(s, SESSION_UP);
    session_want(s, DUE_HELLO_ACK);
    s->events->up(s->ctx);
}

/* The rtt of the handshake, where it is certain which HELLO was answered. */
static void hello_time(struct session *s)
{
    if (s->hellos == 1)
        window_rtt(s, s->now_us - s->hello_sent_us, true, s->send.next);
}

/* The peer is there again: a new carrier is a new way, and what it does not have is sent again. */
static void session_resume(struct session *s)
{
    session_set_state(s, SESSION_UP);
    window_init(s);
    hello_time(s);
    s->send.probes = 0;
    counter_add(counters_self(), COUNTER_sessions_resumed, 1);
    send_again(s, s->send.next);
    receive_end_known(s, s->receive.end);
    session_want(s, DUE_ACK);
}

/* What both kinds of HELLO say about an existing session. False: it ended, or this is an old one that came late. */
static bool hello_agree(struct session *s, const struct envelope *e, const uint8_t *body, size_t len)
{
    const struct error *why = hello_body_read(s, body, len);
    if (why == NULL && e->seq > s->receive.next)
        why = &error_session_unknown; /* what we still need is not held there any more */
    if (why != NULL) {
        session_close(s, why, s->now_us);
        return false;
    }
    bool late = e->ack < s->send.first;
    return send_acknowledged(s, e) && !late;
}

void hello_receive(struct session *s, const struct envelope *e, const uint8_t *body, size_t len)
{
    if (s->state == SESSION_NEW && !s->initiator) {
        hello_accept(s, e, body, len);
        return;
    }
    if (s->state != SESSION_UP && s->state != SESSION_AWAY)
        return;
    s->carrier = true;
    session_want(s, DUE_HELLO_ACK);
    if (!hello_agree(s, e, body, len))
        return;
    if (s->state == SESSION_AWAY)
        session_resume(s);
    else if ((e->flags & ENVELOPE_FLAG_RESUME) != 0)
        send_again(s, s->send.next);
}

void hello_ack_receive(struct session *s, const struct envelope *e, const uint8_t *body, size_t len)
{
    if (s->state == SESSION_NEW || !hello_agree(s, e, body, len))
        return;
    if (s->state == SESSION_AWAY) {
        session_resume(s);
    } else if (s->state == SESSION_HELLO_SENT) {
        hello_time(s);
        session_set_state(s, SESSION_UP);
        s->events->wake(s->ctx);
        s->events->up(s->ctx);
    }
}

/* HELLO asks whether the peer is still there, and goes on asking for `grace`. */
void session_go_away(struct session *s)
{
    if (s->state != SESSION_UP)
        return;
    session_set_state(s, SESSION_AWAY);
    s->due = 0;
    hello_start(s);
}

void bye_receive(struct session *s, const uint8_t *body, size_t len)
{
    struct bytes_reader r;
    bytes_reader_init(&r, body, len);
    uint16_t code = bytes_read_u16(&r);
    const struct error *reason = r.failed || code == error_none.code ? &error_session_closed : error_by_code(code);
    if (s->state == SESSION_HELLO_SENT && reason == &error_session_unknown)
        return; /* DATA went ahead of its HELLO, which will be repeated */
    session_end(s, reason);
}

static void bye_body_write(uint8_t out[static 2], const struct error *reason)
{
    struct bytes_writer w;
    bytes_writer_init(&w, out, 2);
    bytes_write_u16(&w, reason->code);
}

void session_close(struct session *s, const struct error *reason, uint64_t now_us)
{
    CHECK_OBJECT(s, SESSION_MAGIC);
    if (s->state == SESSION_ENDED || s->closing)
        return;
    s->closing = true;
    s->now_us = now_us;
    uint8_t body[2];
    bye_body_write(body, reason);
    if (s->carrier && (s->state != SESSION_NEW || s->id != 0))
        send_plain(s, ENVELOPE_BYE, 0, s->send.next, body, sizeof(body));
    session_end(s, reason);
}

struct slice session_refusal(uint32_t id, const struct error *reason)
{
    struct envelope e = {.type = ENVELOPE_BYE, .session = id};
    struct chunk *c = chunk_create(ENVELOPE_HEAD_BYTES + 2);
    if (c == NULL)
        return SLICE_NONE;
    envelope_encode(&e, c->data);
    bye_body_write(c->data + ENVELOPE_HEAD_BYTES, reason);
    return slice_of(c, 0, ENVELOPE_HEAD_BYTES + 2);
}
