/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile envelopes into a session, with time, a carrier and a user. Input: the first byte chooses who said HELLO; then
 * steps, each a byte: raw bytes of an envelope, an envelope made of small numbers, time, the carrier, the user.
 */
#include "session/session.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "mdm-tunnel/limits.h"
#include "wire/envelope.h"

#define SESSION_ID 0x11111111u
#define WINDOW_MAX (256 * KIB)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
    struct session *session;
    uint64_t now_us, to_say;
    bool woken, full, close_in_push;
    unsigned ups, ends;
};

static size_t on_room(void *ctx) { return ((struct fuzz *)ctx)->full ? 0 : 100000; }

static void on_send(void *ctx, struct slice envelope)
{
    struct envelope head;
    assert(!((struct fuzz *)ctx)->full);
    assert(envelope_decode(&head, envelope.data, envelope.len) == NULL);
    slice_done(&envelope);
}

static size_t on_pull(void *ctx, uint8_t *dst, size_t max)
{
    struct fuzz *f = ctx;
    size_t len = f->to_say < max ? (size_t)f->to_say : max;
    memset(dst, 'x', len);
    f->to_say -= len;
    return len;
}

static const struct error *on_push(void *ctx, const struct slice *bytes)
{
    struct fuzz *f = ctx;
    assert(f->ends == 0 && f->ups == 1 && bytes->len > 0);
    if (f->close_in_push)
        session_close(f->session, &error_shutting_down, f->now_us);
    return bytes->data[0] == 0xff ? &error_protocol_error : NULL;
}

static void on_up(void *ctx)
{
    struct fuzz *f = ctx;
    assert(f->ups++ == 0);
}

static void on_ended(void *ctx, const struct error *reason)
{
    struct fuzz *f = ctx;
    assert(reason != NULL && reason != &error_none && f->ends++ == 0);
}

static void on_wake(void *ctx) { ((struct fuzz *)ctx)->woken = true; }

static const struct session_events events = {
    .room = on_room, .send = on_send, .pull = on_pull, .push = on_push, .up = on_up, .ended = on_ended, .wake = on_wake};

static void fuzz_receive(struct fuzz *f, const uint8_t *data, size_t len)
{
    struct slice s = slice_copy(data, len);
    session_receive(f->session, &s, f->now_us);
    slice_done(&s);
}

/* type and flags, seq, ack, first byte of the body: one byte each, so that valid numbers are likely. */
static void fuzz_likely(struct fuzz *f, const uint8_t *b)
{
    uint8_t bytes[ENVELOPE_HEAD_BYTES + 8] = {0};
    struct envelope e = {.type = 1 + b[0] % 6,
                         .flags = b[0] >> 6,
                         .session = SESSION_ID,
                         .seq = b[1] == 255 ? UINT64_MAX : b[1],
                         .ack = b[2] == 255 ? UINT64_MAX : b[2],
                         .room = (uint32_t)b[2] << 12};
    envelope_encode(&e, bytes);
    bool hello = e.type == ENVELOPE_HELLO || e.type == ENVELOPE_HELLO_ACK;
    memcpy(bytes + ENVELOPE_HEAD_BYTES, hello ? "\0\1\0\0\0\74" : "abcdef", 6);
    bytes[ENVELOPE_HEAD_BYTES + 5] ^= hello ? b[3] : 0;
    if (!hello)
        bytes[ENVELOPE_HEAD_BYTES] = b[3];
    size_t body = hello ? 6 : e.type == ENVELOPE_DATA || e.type == ENVELOPE_BYE ? b[3] % 7 : 0;
    fuzz_receive(f, bytes, ENVELOPE_HEAD_BYTES + body);
}

static void fuzz_other(struct fuzz *f, uint8_t what, uint8_t value)
{
    switch (what) {
    case 0:
        f->now_us += (uint64_t)value * value * 1000;
        break;
    case 1:
        session_carrier_lost(f->session, f->now_us);
        break;
    case 2:
        session_carrier_back(f->session, f->now_us);
        break;
    case 3:
        f->to_say += f->to_say > 1000000 ? 0 : (uint64_t)value << (value & 7);
        session_wake(f->session);
        break;
    case 4:
        f->full = (value & 1) != 0;
        if (!f->full)
            session_writable(f->session);
        break;
    case 5:
        f->close_in_push = (value & 1) != 0;
        break;
    default:
        if (value == 0)
            session_close(f->session, &error_limit, f->now_us);
    }
}

static void fuzz_settle(struct fuzz *f)
{
    struct session_stats stats;
    if (session_deadline(f->session) <= f->now_us)
        session_tick(f->session, f->now_us);
    for (unsigned i = 0; f->woken; i++) {
        assert(i < 10);
        f->woken = false;
        session_flush(f->session, f->now_us);
    }
    session_stats(f->session, &stats);
    assert(stats.in_flight <= WINDOW_MAX && stats.window <= WINDOW_MAX);
    assert((session_state(f->session) == SESSION_ENDED) == (f->ends == 1));
    assert(f->ends == 0 || session_deadline(f->session) == CLOCK_NEVER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct fuzz f = {.now_us = 1};
    struct session_config config = {.id = data[0] & 1 ? SESSION_ID : 0,
                                    .max_envelope = 2048,
                                    .window_max = WINDOW_MAX,
                                    .envelopes_max = data[0] & 2 ? 16 : 0,
                                    .grace_us = 60 * US_PER_S,
                                    .idle_us = data[0] & 4 ? 10 * US_PER_S : 0};
    f.session = session_create(&config, &events, &f, f.now_us);
    f.woken = true;
    fuzz_settle(&f);
    for (size_t at = 1; at < size;) {
        uint8_t step = data[at++];
        size_t left = size - at;
        if ((step & 0xc0) == 0xc0) {
            size_t len = (step & 0x3fu) < left ? step & 0x3fu : left;
            fuzz_receive(&f, data + at, len);
            at += len;
        } else if ((step & 0x80) != 0 && left >= 4) {
            fuzz_likely(&f, data + at);
            at += 4;
        } else if (left >= 1) {
            fuzz_other(&f, step % 7, data[at++]);
        }
        fuzz_settle(&f);
    }
    session_free(&f.session);
    return 0;
}
