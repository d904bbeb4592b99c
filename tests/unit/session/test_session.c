/* SPDX-License-Identifier: Apache-2.0 */
/* Two sessions over a carrier in virtual time. The user's bytes are a pattern, so every one is checked. */
#include "session/session.h"

#include "base/bytes.h"
#include "carrier.h"
#include "mdm-tunnel/limits.h"
#include "tap.h"
#include "wire/envelope.h"

#define SESSION_ID 0x01020304u
#define MAX_TYPES 16

struct end {
    struct session *session;
    struct carrier out;
    struct world *world;
    uint64_t to_send, pulled, pushed;
    bool endless;      /* has always something to say */
    bool corrupt, woken;
    unsigned ups, ends, refused_room;
    size_t envelope_max_seen, in_flight_max;
    unsigned types[MAX_TYPES], flags_ack_now; /* sent envelopes by type */
    uint64_t nack_ack, nack_seq;              /* of the last NACK that was sent */
    const struct error *reason, *push_error;
    bool close_in_push;
};

struct world {
    uint64_t now_us, random;
    struct end a, b; /* a says HELLO */
};

static uint8_t pattern(uint64_t i) { return (uint8_t)(i * 167 + (i >> 8) * 13 + (i >> 16)); }

static size_t on_room(void *ctx)
{
    struct end *e = ctx;
    size_t room = carrier_room(&e->out);
    e->refused_room += room == 0;
    return room;
}

static void on_send(void *ctx, struct slice envelope)
{
    struct end *e = ctx;
    struct envelope head;
    OK(envelope_decode(&head, envelope.data, envelope.len) == NULL);
    e->types[head.type]++;
    e->flags_ack_now += (head.flags & ENVELOPE_FLAG_ACK_NOW) != 0;
    if (head.type == ENVELOPE_NACK) {
        e->nack_ack = head.ack;
        e->nack_seq = head.seq;
    }
    if (envelope.len > e->envelope_max_seen)
        e->envelope_max_seen = envelope.len;
    carrier_send(&e->out, envelope, e->world->now_us);
}

static size_t on_pull(void *ctx, uint8_t *dst, size_t max)
{
    struct end *e = ctx;
    uint64_t left = e->endless ? max : e->to_send - e->pulled;
    size_t len = left < max ? (size_t)left : max;
    for (size_t i = 0; i < len; i++)
        dst[i] = pattern(e->pulled + i);
    e->pulled += len;
    return len;
}

static const struct error *on_push(void *ctx, const struct slice *bytes)
{
    struct end *e = ctx;
    for (size_t i = 0; i < bytes->len; i++)
        e->corrupt |= bytes->data[i] != pattern(e->pushed + i);
    e->pushed += bytes->len;
    if (e->close_in_push)
        session_close(e->session, &error_shutting_down, e->world->now_us);
    return e->push_error;
}

static void on_up(void *ctx) { ((struct end *)ctx)->ups++; }

static void on_ended(void *ctx, const struct error *reason)
{
    struct end *e = ctx;
    e->ends++;
    e->reason = reason;
}

static void on_wake(void *ctx) { ((struct end *)ctx)->woken = true; }

static const struct session_events events = {
    .room = on_room, .send = on_send, .pull = on_pull, .push = on_push, .up = on_up, .ended = on_ended, .wake = on_wake};

static struct session_config config_default(void)
{
    return (struct session_config){.id = SESSION_ID,
                                   .max_envelope = ENVELOPE_MAX_BROKER,
                                   .window_max = SESSION_WINDOW_MAX,
                                   .grace_us = 60 * US_PER_S,
                                   .idle_us = 0};
}

static void end_start(struct world *w, struct end *e, const struct session_config *config, bool initiator)
{
    struct session_config own = *config;
    own.id = initiator ? config->id : 0;
    e->world = w;
    e->out.random = &w->random;
    e->out.delay_us = 1000;
    e->session = session_create(&own, &events, e, w->now_us);
}

static struct world *world_create(const struct session_config *a, const struct session_config *b)
{
    struct world *w = calloc(1, sizeof(*w));
    w->now_us = 1000000;
    w->random = 1;
    end_start(w, &w->a, a, true);
    end_start(w, &w->b, b, false);
    return w;
}

static struct world *world_default(void)
{
    struct session_config c = config_default();
    return world_create(&c, &c);
}

static void world_free(struct world *w)
{
    OK(!w->a.corrupt && !w->b.corrupt);
    session_free(&w->a.session);
    session_free(&w->b.session);
    OK(w->a.session == NULL);
    carrier_done(&w->a.out);
    carrier_done(&w->b.out);
    free(w);
}

static struct end *other(struct end *e) { return e == &e->world->a ? &e->world->b : &e->world->a; }

static void end_settle(struct end *e)
{
    struct session_stats stats;
    if (e->out.was_full && carrier_room(&e->out) > 0) {
        e->out.was_full = false;
        session_writable(e->session);
    }
    for (unsigned i = 0; e->woken; i++) {
        e->woken = false;
        session_flush(e->session, e->world->now_us);
        if (!OK(i < 10)) /* it wakes itself for nothing */
            break;
    }
    session_stats(e->session, &stats);
    if (stats.in_flight > e->in_flight_max)
        e->in_flight_max = stats.in_flight;
}

static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

static void end_step(struct end *e)
{
    struct world *w = e->world;
    if (session_deadline(e->session) <= w->now_us)
        session_tick(e->session, w->now_us);
    while (carrier_next_us(&other(e)->out) <= w->now_us) {
        struct slice message = carrier_take(&other(e)->out);
        session_receive(e->session, &message, w->now_us);
        slice_done(&message);
    }
    end_settle(e);
}

static uint64_t end_next(const struct end *e)
{
    return earlier(session_deadline(e->session), carrier_next_us(&e->out));
}

/* Runs for `us`, or until nothing is left to happen. */
static void run(struct world *w, uint64_t us)
{
    uint64_t until_us = w->now_us + us;
    unsigned standing = 0;
    for (;;) {
        uint64_t before_us = w->now_us;
        end_step(&w->a);
        end_step(&w->b);
        uint64_t next_us = earlier(end_next(&w->a), end_next(&w->b));
        if (next_us > until_us)
            break;
        w->now_us = next_us > w->now_us ? next_us : w->now_us;
        standing = w->now_us == before_us ? standing + 1 : 0;
        if (!OK(standing < 1000)) /* time does not go on */
            break;
    }
    w->now_us = until_us;
}

static void say(struct end *e, uint64_t bytes)
{
    e->to_send += bytes;
    session_wake(e->session);
}

static void world_up(struct world *w)
{
    session_wake(w->a.session);
    run(w, 10 * US_PER_MS);
    OK_INT(session_state(w->a.session), SESSION_UP);
    OK_INT(session_state(w->b.session), SESSION_UP);
}

/* -- handshake --------------------------------------------------------------------------------------------------------- */

static void test_data_goes_with_hello(void)
{
    struct world *w = world_default();
    OK_INT(session_deadline(w->a.session), w->now_us);
    say(&w->a, 5000);
    run(w, 1000);
    OK_INT(w->b.pushed, 5000);
    OK_INT(w->a.ups, 0);
    OK_INT(w->b.ups, 1);
    run(w, 1000);
    OK_INT(w->a.ups, 1);
    OK_INT(session_id(w->b.session), SESSION_ID);
    say(&w->b, 70000);
    run(w, 10 * US_PER_MS);
    OK_INT(w->a.pushed, 70000);
    world_free(w);
}

static void test_hello_lost(void)
{
    struct world *w = world_default();
    w->a.out.drop_next = 2; /* HELLO and DATA */
    say(&w->a, 100);
    run(w, 900 * US_PER_MS);
    OK_INT(w->b.ups, 0);
    run(w, 200 * US_PER_MS);
    OK_INT(w->a.ups, 1);
    OK_INT(w->a.types[ENVELOPE_HELLO], 2);
    OK_INT(w->b.pushed, 100);
    world_free(w);
}

static void test_hello_ack_lost(void)
{
    struct world *w = world_default();
    w->b.out.drop_next = 1;
    say(&w->a, 100);
    run(w, 1500 * US_PER_MS);
    OK_INT(w->a.ups, 1);
    OK_INT(w->b.ups, 1);
    OK_INT(w->b.pushed, 100);
    world_free(w);
}

static void test_nobody_answers(void)
{
    struct world *w = world_default();
    w->a.out.cut = true;
    run(w, 59 * US_PER_S);
    OK_INT(w->a.ends, 0);
    OK(w->a.types[ENVELOPE_HELLO] >= 7 && w->a.types[ENVELOPE_HELLO] <= 12);
    run(w, 2 * US_PER_S);
    OK_INT(w->a.ends, 1);
    OK(w->a.reason == &error_session_lost);
    OK(w->b.reason == &error_session_lost); /* a responder does not wait for ever either */
    OK_INT(session_deadline(w->a.session), CLOCK_NEVER);
    world_free(w);
}

static void test_smaller_envelope_counts(void)
{
    struct session_config a = config_default(), b = config_default();
    b.max_envelope = 8 * KIB;
    struct world *w = world_create(&a, &b);
    world_up(w);
    w->a.envelope_max_seen = 0;
    say(&w->a, 100000);
    say(&w->b, 100000);
    run(w, US_PER_S);
    OK_INT(w->b.pushed, 100000);
    OK_INT(w->a.envelope_max_seen, 8 * KIB);
    OK_INT(w->b.envelope_max_seen, 8 * KIB);
    world_free(w);
}

/* -- loss -------------------------------------------------------------------------------------------------------------- */

static void test_gap(void)
{
    struct world *w = world_default();
    world_up(w);
    for (unsigned i = 0; i < 10; i++) {
        w->a.out.drop_next = i >= 3 && i < 6;
        say(&w->a, 1000);
        run(w, 100);
    }
    run(w, 20 * US_PER_MS);
    OK_INT(w->b.pushed, 10000);
    OK_INT(w->b.types[ENVELOPE_NACK], 1);
    OK_INT(w->b.nack_ack, 3);
    OK_INT(w->b.nack_seq, 6);
    struct session_stats stats;
    session_stats(w->a.session, &stats);
    OK_INT(stats.resent, 3);
    OK_INT(stats.in_flight, 0);
    session_stats(w->b.session, &stats);
    OK_INT(stats.duplicates, 0);
    world_free(w);
}

static void test_nack_and_repeat_lost(void)
{
    struct world *w = world_default();
    world_up(w);
    w->a.out.drop_next = 1;
    say(&w->a, 1000);
    run(w, 100);
    w->b.out.drop_next = 1; /* the first NACK */
    say(&w->a, 1000);
    run(w, 10 * US_PER_MS);
    OK_INT(w->b.types[ENVELOPE_NACK], 1);
    w->a.out.drop_next = 1; /* the repeat */
    run(w, 2 * US_PER_S);
    OK_INT(w->b.pushed, 2000);
    OK(w->b.types[ENVELOPE_NACK] >= 3 && w->b.types[ENVELOPE_NACK] <= 5);
    world_free(w);
}

static void test_tail_lost(void)
{
    struct world *w = world_default();
    world_up(w);
    w->a.out.drop_next = 1;
    say(&w->a, 1000);
    run(w, 190 * US_PER_MS);
    OK_INT(w->b.pushed, 0);
    run(w, 100 * US_PER_MS);
    OK_INT(w->b.pushed, 1000);
    OK_INT(session_deadline(w->a.session), CLOCK_NEVER);
    world_free(w);
}

static void test_ack_lost(void)
{
    struct world *w = world_default();
    world_up(w);
    w->b.out.drop_next = 1;
    say(&w->a, 1000);
    run(w, 500 * US_PER_MS);
    struct session_stats stats;
    session_stats(w->a.session, &stats);
    OK_INT(stats.in_flight, 0);
    OK_INT(stats.resent, 0);
    world_free(w);
}

static void test_repeats_are_dropped(void)
{
    struct world *w = world_default();
    w->a.out.repeat_ppm = w->b.out.repeat_ppm = 1000000;
    world_up(w);
    say(&w->a, 200000);
    say(&w->b, 200000);
    run(w, 2 * US_PER_S);
    OK_INT(w->a.pushed, 200000);
    OK_INT(w->b.pushed, 200000);
    unsigned sent = w->a.out.sent + w->b.out.sent;
    run(w, 10 * US_PER_S);
    OK_INT(w->a.out.sent + w->b.out.sent, sent); /* it comes to rest */
    world_free(w);
}

/* -- acknowledgements -------------------------------------------------------------------------------------------------- */

static void test_ack_delayed_and_at_once(void)
{
    struct world *w = world_default();
    world_up(w);
    unsigned acks = w->b.types[ENVELOPE_ACK];
    say(&w->a, 100);
    run(w, 5 * US_PER_MS);
    OK_INT(w->b.types[ENVELOPE_ACK], acks + 1); /* wanted: it shows the way's round trip */
    OK_INT(w->a.flags_ack_now, 1);
    acks = w->b.types[ENVELOPE_ACK];
    say(&w->a, 100);
    run(w, 15 * US_PER_MS);
    OK_INT(w->b.types[ENVELOPE_ACK], acks);
    run(w, 15 * US_PER_MS);
    OK_INT(w->b.types[ENVELOPE_ACK], acks + 1);
    OK_INT(w->a.flags_ack_now, 1);
    say(&w->a, 40000); /* more than half of the window */
    run(w, 2500);
    OK_INT(w->a.flags_ack_now, 2);
    OK_INT(w->b.types[ENVELOPE_ACK], acks + 2);
    OK_INT(w->a.types[ENVELOPE_ACK], 0); /* nobody answers an ACK */
    world_free(w);
}

static void test_ack_rides_on_data(void)
{
    struct world *w = world_default();
    world_up(w);
    for (unsigned i = 0; i < 50; i++) {
        say(&w->a, 100);
        run(w, 1500);
        say(&w->b, 100);
        run(w, 1500);
    }
    OK(w->a.types[ENVELOPE_ACK] + w->b.types[ENVELOPE_ACK] <= 2); /* one each that was wanted */
    OK_INT(w->a.pushed, 5000);
    world_free(w);
}

/* -- the carrier --------------------------------------------------------------------------------------------------------- */

static void carriers_cut(struct world *w, bool cut)
{
    w->a.out.cut = w->b.out.cut = cut;
    if (cut) {
        carrier_drop_all(&w->a.out);
        carrier_drop_all(&w->b.out);
    }
}

static void run_resume(bool a_sees, bool b_sees)
{
    struct world *w = world_default();
    world_up(w);
    say(&w->a, 500000);
    say(&w->b, 500000);
    run(w, 4 * US_PER_MS);
    carriers_cut(w, true);
    if (a_sees)
        session_carrier_lost(w->a.session, w->now_us);
    if (b_sees)
        session_carrier_lost(w->b.session, w->now_us);
    run(w, 10 * US_PER_S);
    carriers_cut(w, false);
    if (a_sees)
        session_carrier_back(w->a.session, w->now_us);
    run(w, 50 * US_PER_MS);
    if (b_sees)
        session_carrier_back(w->b.session, w->now_us);
    run(w, 10 * US_PER_S);
    OK_INT(w->a.pushed, 500000);
    OK_INT(w->b.pushed, 500000);
    OK_INT(session_state(w->a.session), SESSION_UP);
    OK_INT(session_state(w->b.session), SESSION_UP);
    OK_INT(w->a.ups + w->b.ups, 2);
    world_free(w);
}

static void test_resume_both_saw(void) { run_resume(true, true); }
static void test_resume_initiator_saw(void) { run_resume(true, false); }
static void test_resume_responder_saw(void) { run_resume(false, true); }
static void test_resume_nobody_saw(void) { run_resume(false, false); }

static void test_resume_is_prompt(void)
{
    struct world *w = world_default();
    world_up(w);
    w->a.out.drop_next = 3;
    for (unsigned i = 0; i < 3; i++) {
        say(&w->a, 1000);
        end_settle(&w->a);
    }
    session_carrier_lost(w->a.session, w->now_us);
    session_carrier_back(w->a.session, w->now_us);
    run(w, 5 * US_PER_MS); /* two round trips, no timer */
    OK_INT(w->b.pushed, 3000);
    OK_INT(w->b.types[ENVELOPE_NACK], 0);
    world_free(w);
}

static void test_hello_brings_carrier_back(void)
{
    struct world *w = world_default();
    world_up(w);
    session_carrier_lost(w->b.session, w->now_us);
    session_carrier_back(w->a.session, w->now_us);
    say(&w->b, 100);
    run(w, 100 * US_PER_MS);
    OK_INT(w->a.pushed, 100);
    OK_INT(session_state(w->b.session), SESSION_UP);
    world_free(w);
}

static void test_grace(void)
{
    struct session_config a = config_default(), b = config_default();
    b.grace_us = 5 * US_PER_S; /* the shorter one counts */
    struct world *w = world_create(&a, &b);
    world_up(w);
    session_carrier_lost(w->a.session, w->now_us);
    session_carrier_lost(w->b.session, w->now_us);
    OK_INT(session_state(w->a.session), SESSION_AWAY);
    OK_INT(session_deadline(w->a.session), w->now_us + 5 * US_PER_S);
    run(w, 4900 * US_PER_MS);
    OK_INT(w->a.ends, 0);
    run(w, 200 * US_PER_MS);
    OK(w->a.reason == &error_session_lost);
    OK(w->b.reason == &error_session_lost);
    OK_INT(w->a.ends, 1);
    world_free(w);
}

static void test_resume_of_unknown(void)
{
    struct world *w = world_default();
    world_up(w);
    struct session_config c = config_default();
    session_free(&w->b.session);
    c.id = 0;
    w->b.session = session_create(&c, &events, &w->b, w->now_us);
    session_carrier_back(w->a.session, w->now_us);
    run(w, 100 * US_PER_MS);
    OK(w->a.reason == &error_session_unknown);
    OK(w->b.reason == &error_session_unknown);
    world_free(w);
}

static void test_refusal(void)
{
    struct world *w = world_default();
    struct slice no = session_refusal(SESSION_ID, &error_session_limit);
    struct slice unknown = session_refusal(SESSION_ID, &error_session_unknown);
    session_flush(w->a.session, w->now_us);
    session_receive(w->a.session, &unknown, w->now_us); /* an answer to DATA that overtook its HELLO */
    OK_INT(w->a.ends, 0);
    session_receive(w->a.session, &no, w->now_us);
    OK(w->a.reason == &error_session_limit);
    slice_done(&no);
    slice_done(&unknown);
    world_free(w);
}

static void test_heartbeat_and_stall(void)
{
    struct session_config c = config_default();
    c.idle_us = 15 * US_PER_S;
    struct world *w = world_create(&c, &c);
    world_up(w);
    run(w, 300 * US_PER_S);
    OK_INT(session_state(w->a.session), SESSION_UP);
    OK(!session_stalled(w->a.session));
    OK(w->a.types[ENVELOPE_ACK] >= 10 && w->a.types[ENVELOPE_ACK] <= 21);
    carriers_cut(w, true);
    run(w, 31 * US_PER_S);
    OK(session_stalled(w->a.session));
    OK_INT(session_state(w->a.session), SESSION_AWAY);
    carriers_cut(w, false);
    run(w, 10 * US_PER_S);
    OK(!session_stalled(w->a.session));
    OK_INT(session_state(w->a.session), SESSION_UP);
    OK_INT(session_state(w->b.session), SESSION_UP);
    carriers_cut(w, true);
    run(w, 100 * US_PER_S);
    OK(w->a.reason == &error_session_lost);
    OK(w->b.reason == &error_session_lost);
    world_free(w);
}

static void test_no_room(void)
{
    struct world *w = world_default();
    world_up(w);
    w->a.out.capacity = 20000;
    w->a.out.rate = 1000000;
    say(&w->a, 1000000);
    run(w, 5 * US_PER_S);
    OK_INT(w->b.pushed, 1000000);
    OK(w->a.refused_room > 10);
    w->a.out.capacity = 1; /* none for ever: nothing turns in circles */
    say(&w->a, 1000);
    run(w, 5 * US_PER_S);
    OK_INT(w->b.pushed, 1000000);
    world_free(w);
}

static void test_little_room_for_a_repeat(void)
{
    struct world *w = world_default();
    world_up(w);
    w->a.out.drop_next = 1;
    say(&w->a, 20000);
    end_settle(&w->a);
    say(&w->a, 100);
    end_settle(&w->a);
    w->a.out.capacity = 5000;
    run(w, 3 * US_PER_MS);
    w->a.out.capacity = 0; /* nobody says so: it was never full */
    run(w, 10 * US_PER_MS);
    OK_INT(w->b.pushed, 20100);
    world_free(w);
}

static void test_envelopes_max(void)
{
    struct session_config c = config_default();
    c.envelopes_max = 4;
    struct world *w = world_create(&c, &c);
    world_up(w);
    for (unsigned i = 0; i < 20; i++) {
        say(&w->a, 10);
        end_settle(&w->a);
    }
    OK_INT(w->a.types[ENVELOPE_DATA], 4);
    run(w, 100 * US_PER_MS);
    OK_INT(w->b.pushed, 200);
    world_free(w);
}

/* -- the window ---------------------------------------------------------------------------------------------------------- */

static struct session_stats run_bulk(uint64_t delay_us, uint64_t rate, unsigned loss_ppm, uint64_t us, struct end *result)
{
    struct session_config c = config_default();
    c.max_envelope = 16 * KIB;
    struct world *w = world_create(&c, &c);
    w->a.out.delay_us = w->b.out.delay_us = delay_us;
    w->a.out.rate = rate;
    w->a.out.loss_ppm = loss_ppm;
    session_wake(w->a.session);
    run(w, 2 * delay_us + 10 * US_PER_MS);
    w->a.endless = true;
    session_wake(w->a.session);
    run(w, us);
    struct session_stats stats;
    session_stats(w->a.session, &stats);
    *result = w->b;
    result->in_flight_max = w->a.in_flight_max;
    world_free(w);
    return stats;
}

static void test_window_fills_a_long_path(void)
{
    struct end b;
    struct session_stats s = run_bulk(50 * US_PER_MS, 50000000, 0, 5 * US_PER_S, &b);
    OK(s.rtt_min_us >= 100000 && s.rtt_min_us < 102000);
    OK(s.window > 5 * MIB);
    OK(b.pushed > 200000000);
}

static void test_window_keeps_a_slow_line_short(void)
{
    struct end b;
    struct session_stats s = run_bulk(5 * US_PER_MS, 2500000, 0, 60 * US_PER_S, &b);
    OK(s.rtt_min_us < 25000);
    OK(s.window <= 160 * KIB); /* nothing of our own queue is taken for the way, however long it lasts */
    OK(b.pushed > 140000000);
}

static void test_window_on_a_lan(void)
{
    struct end b;
    struct session_stats s = run_bulk(100, 1000000000, 0, US_PER_S / 4, &b);
    OK(s.window <= SESSION_WINDOW_LAN && b.in_flight_max <= SESSION_WINDOW_LAN);
    OK(s.window > 256 * KIB);
    OK(b.pushed > 150000000);
}

static void test_window_starts_fast(void)
{
    struct end b;
    struct session_stats s = run_bulk(50 * US_PER_MS, 25000000, 0, 1500 * US_PER_MS, &b);
    OK(s.window > 4 * MIB);
    OK(b.pushed > 15000000); /* 60 % of the line from the first byte on */
    s = run_bulk(5 * US_PER_MS, 2500000, 0, 300 * US_PER_MS, &b);
    OK(s.window <= 128 * KIB); /* and stops when more brings no more */
}

static void test_window_with_loss(void)
{
    struct end b;
    struct session_stats s = run_bulk(10 * US_PER_MS, 12500000, 1000, 20 * US_PER_S, &b);
    OK(s.resent > 5);
    OK(s.resent < s.sent / 100);
    OK(b.pushed > 150000000); /* 60 % of the line */
}

/* -- what must not come ---------------------------------------------------------------------------------------------------- */

static void inject_to(struct end *e, struct envelope head, const void *body, size_t len)
{
    struct chunk *c = chunk_create(ENVELOPE_HEAD_BYTES + len);
    envelope_encode(&head, c->data);
    if (len > 0)
        memcpy(c->data + ENVELOPE_HEAD_BYTES, body, len);
    struct slice bytes = slice_of(c, 0, ENVELOPE_HEAD_BYTES + len);
    session_receive(e->session, &bytes, e->world->now_us);
    slice_done(&bytes);
}

static void test_acknowledges_the_future(void)
{
    struct world *w = world_default();
    world_up(w);
    inject_to(&w->a, (struct envelope){.type = ENVELOPE_ACK, .session = 99, .ack = 5}, NULL, 0);
    OK_INT(w->a.ends, 0);
    inject_to(&w->a, (struct envelope){.type = ENVELOPE_ACK, .session = SESSION_ID, .ack = 5}, NULL, 0);
    OK(w->a.reason == &error_protocol_error);
    run(w, 10 * US_PER_MS);
    OK(w->b.reason == &error_protocol_error); /* was told */
    world_free(w);
}

static const struct error *hello_with(const char *body, size_t len, struct envelope head)
{
    struct world *w = world_default();
    head.type = ENVELOPE_HELLO;
    head.session = 7;
    inject_to(&w->b, head, body, len);
    const struct error *why = w->b.reason;
    OK_INT(w->b.ups, why == NULL);
    world_free(w);
    return why;
}

static void test_bad_hellos(void)
{
    struct envelope plain = {.room = 1000};
    OK(hello_with("\0\1\0\0\0\74", 6, plain) == NULL);
    OK(hello_with("\0\1\0\0\0\74\1\0\2xx\2\0\0", 14, plain) == NULL); /* options to skip */
    OK(hello_with("\0\1\0\0\0\74\201\0\0", 9, plain) == &error_protocol_version);
    OK(hello_with("\0\1\0\0\0\74\1\0\2x", 10, plain) == &error_protocol_error);
    OK(hello_with("\0\0\3\377\0\74", 6, plain) == &error_protocol_error);
    OK(hello_with("\0\1\0\0\0", 5, plain) == &error_protocol_error);
    OK(hello_with("", 0, plain) == &error_protocol_error);
    OK(hello_with("\0\1\0\0\0\74", 6, (struct envelope){.seq = 1}) == &error_protocol_error);
    OK(hello_with("\0\1\0\0\0\74", 6, (struct envelope){.flags = ENVELOPE_FLAG_RESUME}) == &error_session_unknown);
}

static void test_far_future_data(void)
{
    struct world *w = world_default();
    world_up(w);
    for (uint64_t seq = 1; seq != 0; seq *= 2)
        inject_to(&w->b, (struct envelope){.type = ENVELOPE_DATA, .session = SESSION_ID, .seq = seq}, "x", 1);
    inject_to(&w->b, (struct envelope){.type = ENVELOPE_DATA, .session = SESSION_ID, .seq = UINT64_MAX}, "x", 1);
    run(w, 10 * US_PER_S);
    OK_INT(w->b.pushed, 0);
    OK_INT(session_state(w->b.session), SESSION_UP);
    OK(w->b.types[ENVELOPE_NACK] < 30);
    world_free(w);
}

/* -- the end ----------------------------------------------------------------------------------------------------------------- */

static void test_close(void)
{
    struct world *w = world_default();
    world_up(w);
    say(&w->a, 100);
    session_close(w->a.session, &error_shutting_down, w->now_us);
    session_close(w->a.session, &error_limit, w->now_us);
    OK_INT(w->a.ends, 1);
    OK(w->a.reason == &error_shutting_down);
    run(w, 10 * US_PER_MS);
    OK(w->b.reason == &error_shutting_down);
    OK_INT(session_state(w->b.session), SESSION_ENDED);
    world_free(w);
}

static void test_push_ends_it(void)
{
    struct world *w = world_default();
    world_up(w);
    w->b.push_error = &error_window_overrun;
    say(&w->a, 100);
    run(w, 10 * US_PER_MS);
    OK(w->b.reason == &error_window_overrun);
    OK(w->a.reason == &error_window_overrun);
    OK_INT(w->b.ends, 1);
    world_free(w);
}

static void test_close_inside_push(void)
{
    struct world *w = world_default();
    world_up(w);
    w->a.out.drop_next = 1;
    say(&w->a, 100);
    run(w, 100);
    say(&w->a, 100);
    say(&w->a, 100);
    w->b.close_in_push = true;
    run(w, 100 * US_PER_MS);
    OK(w->b.reason == &error_shutting_down);
    OK_INT(w->b.ends, 1);
    world_free(w);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"DATA goes right behind HELLO", test_data_goes_with_hello},
        {"HELLO is repeated with its DATA", test_hello_lost},
        {"a lost HELLO_ACK is said again", test_hello_ack_lost},
        {"nobody answers: lost after the grace time", test_nobody_answers},
        {"the smaller longest envelope counts", test_smaller_envelope_counts},
        {"a gap: one NACK, and only what is missing comes again", test_gap},
        {"NACK and repeat are lost too", test_nack_and_repeat_lost},
        {"a lost tail is asked for", test_tail_lost},
        {"a lost ACK costs no repeat", test_ack_lost},
        {"repeats are dropped, and it comes to rest", test_repeats_are_dropped},
        {"ACK: delayed when little came, at once when wanted", test_ack_delayed_and_at_once},
        {"ACK rides on DATA", test_ack_rides_on_data},
        {"resume: both saw the loss", test_resume_both_saw},
        {"resume: the initiator saw the loss", test_resume_initiator_saw},
        {"resume: the responder saw the loss", test_resume_responder_saw},
        {"resume: nobody saw the loss", test_resume_nobody_saw},
        {"resume waits for no timer", test_resume_is_prompt},
        {"a HELLO brings the carrier back", test_hello_brings_carrier_back},
        {"grace: the shorter one counts", test_grace},
        {"resume of an unknown session", test_resume_of_unknown},
        {"refusals", test_refusal},
        {"heartbeat and stall", test_heartbeat_and_stall},
        {"no room in the carrier", test_no_room},
        {"too little room for a repeat", test_little_room_for_a_repeat},
        {"envelopes in flight are bounded", test_envelopes_max},
        {"the window fills a long path", test_window_fills_a_long_path},
        {"the window keeps the queue of a slow line short", test_window_keeps_a_slow_line_short},
        {"the window on a LAN", test_window_on_a_lan},
        {"the window grows fast at first", test_window_starts_fast},
        {"the window with loss", test_window_with_loss},
        {"a peer that acknowledges what was never sent", test_acknowledges_the_future},
        {"bad HELLOs", test_bad_hellos},
        {"DATA from far ahead", test_far_future_data},
        {"close", test_close},
        {"the user's error ends it", test_push_ends_it},
        {"close inside push", test_close_inside_push},
    };
    return TAP_RUN(cases);
}
