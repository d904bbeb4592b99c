/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation of session, mux and the bytes below them fails once, over a carrier that loses a message now and then. */
#include "failing.h"

#include "base/clock.h"
#include "mdm-tunnel/limits.h"
#include "mux/mux.h"
#include "session/session.h"
#include "tap.h"

#define BLOCK 20000
#define BLOCKS 6
#define MESSAGES_MAX 256
#define ROUNDS_MAX 5000

struct end {
    struct end *other;
    struct session *session;
    struct mux *mux;
    struct mux_stream *stream;
    struct slice queue[MESSAGES_MAX]; /* towards the other end */
    size_t queued, received;
    unsigned sent;
    bool fin, ended;
};

static struct end a, b;
static uint64_t now_us;

/* -- session --------------------------------------------------------------------------------------------------------- */

static size_t on_room(void *ctx)
{
    const struct end *e = ctx;
    return e->queued < MESSAGES_MAX ? 16 * KIB : 0;
}

static void on_send(void *ctx, struct slice envelope)
{
    struct end *e = ctx;
    if (e->sent++ % 7 == 5 || e->queued == MESSAGES_MAX)
        slice_done(&envelope);
    else
        e->queue[e->queued++] = envelope;
}

static size_t on_pull(void *ctx, uint8_t *dst, size_t max) { return mux_pull(((struct end *)ctx)->mux, dst, max); }

static const struct error *on_push(void *ctx, const struct slice *bytes)
{
    return mux_push(((struct end *)ctx)->mux, bytes, now_us);
}

static void on_up(void *ctx) { (void)ctx; }
static void on_session_wake(void *ctx) { (void)ctx; }

static void on_session_ended(void *ctx, const struct error *reason)
{
    struct end *e = ctx;
    (void)reason;
    e->ended = true;
}

static const struct session_events session_events = {.room = on_room,
                                                     .send = on_send,
                                                     .pull = on_pull,
                                                     .push = on_push,
                                                     .up = on_up,
                                                     .ended = on_session_ended,
                                                     .wake = on_session_wake};

/* -- mux ------------------------------------------------------------------------------------------------------------- */

static void on_mux_wake(void *ctx)
{
    struct end *e = ctx;
    session_wake(e->session);
}

static void on_accepted(void *ctx) { (void)ctx; }

static void on_sent(void *ctx, size_t bytes)
{
    (void)ctx;
    (void)bytes;
}

static void on_stream_ended(void *ctx, const struct error *reason)
{
    struct end *e = ctx;
    (void)reason;
    e->stream = NULL;
}

/* b sends back what comes. */
static void on_data(void *ctx, const struct slice *bytes, bool fin)
{
    struct end *e = ctx;
    e->received += bytes->len;
    e->fin |= fin;
    mux_consumed(e->stream, bytes->len, now_us);
    if (e == &b && e->stream != NULL)
        mux_send(e->stream, slice_ref(bytes), fin);
}

static const struct mux_stream_events stream_events = {
    .accepted = on_accepted, .data = on_data, .sent = on_sent, .ended = on_stream_ended};

static void on_opened(void *ctx, struct mux_stream *s, const struct open_head *head)
{
    struct end *e = ctx;
    (void)head;
    e->stream = s;
    mux_attach(s, &stream_events, e);
    mux_accept(s);
}

static void on_services(void *ctx, const struct service_entry *list, size_t count)
{
    (void)ctx;
    (void)list;
    (void)count;
}

static void on_public(void *ctx, const struct public_port *p) { (void)ctx, (void)p; }

static void on_weight(void *ctx, unsigned weight)
{
    (void)ctx;
    (void)weight;
}

static void on_goaway(void *ctx, const struct error *reason)
{
    (void)ctx;
    (void)reason;
}

static const struct mux_events mux_events = {.wake = on_mux_wake,
                                             .opened = on_opened,
                                             .services = on_services,
                                             .weight = on_weight,
                                             .public_port = on_public,
                                             .goaway = on_goaway};

/* -- the scenario ------------------------------------------------------------------------------------------------------ */

static bool end_init(struct end *e, struct end *other, bool first)
{
    const struct session_config of_session = {
        .id = first ? 1 : 0, .max_envelope = 4 * KIB, .window_max = 64 * KIB, .grace_us = US_PER_S, .idle_us = US_PER_S};
    const struct mux_config of_mux = {
        .opens_odd = first, .window_initial = STREAM_WINDOW_INITIAL, .window_max = STREAM_WINDOW_MAX, .streams_max = 4};
    *e = (struct end){.other = other};
    e->session = session_create(&of_session, &session_events, e, now_us);
    e->mux = e->session == NULL ? NULL : mux_create(&of_mux, &mux_events, e);
    return e->mux != NULL;
}

static void queue_drop(struct end *e)
{
    for (size_t i = 0; i < e->queued; i++)
        slice_done(&e->queue[i]);
    e->queued = 0;
}

static void end_done(struct end *e)
{
    if (e->mux != NULL)
        mux_free(&e->mux, &error_shutting_down);
    if (e->session != NULL)
        session_free(&e->session);
    queue_drop(e);
}

/* Whether anything arrived. */
static bool deliver(struct end *e)
{
    struct slice taken[MESSAGES_MAX];
    size_t count = e->queued;
    memcpy(taken, e->queue, count * sizeof(*taken));
    e->queued = 0;
    for (size_t i = 0; i < count; i++) {
        session_receive(e->other->session, &taken[i], now_us);
        slice_done(&taken[i]);
    }
    return count > 0;
}

static void flush(struct end *e)
{
    session_flush(e->session, now_us);
    const struct error *why = mux_failed(e->mux);
    if (why != NULL)
        session_close(e->session, why, now_us);
}

static void say(struct end *e)
{
    static const struct service_entry offer[] = {{STREAM_KIND_HTTP, "hello", NULL, 0}};
    const struct open_head head = {.kind = STREAM_KIND_HTTP, .service = "hello"};
    const struct error *why;
    mux_say_services(e->mux, offer, 1);
    e->stream = mux_open(e->mux, &head, &stream_events, e, &why);
    for (unsigned i = 0; i < BLOCKS && e->stream != NULL; i++) {
        struct chunk *c = chunk_create(BLOCK);
        if (c == NULL)
            return;
        memset(c->data, (int)i, BLOCK);
        mux_send(e->stream, (struct slice){.chunk = c, .data = c->data, .len = BLOCK}, i + 1 == BLOCKS);
    }
}

static bool run(void)
{
    now_us = US_PER_S;
    bool made = end_init(&a, &b, true);
    made = end_init(&b, &a, false) && made;
    if (made) {
        session_wake(a.session);
        say(&a);
    }
    for (unsigned round = 0; made && round < ROUNDS_MAX && !a.ended && !b.ended && !(a.fin && b.fin); round++) {
        flush(&a);
        flush(&b);
        bool moved = deliver(&a);
        if (deliver(&b) || moved)
            continue;
        uint64_t at = session_deadline(a.session), other = session_deadline(b.session);
        now_us = at < other ? at : other;
        if (now_us == CLOCK_NEVER)
            break;
        session_tick(a.session, now_us);
        session_tick(b.session, now_us);
    }
    bool whole = a.fin && b.fin && a.received == BLOCK * BLOCKS && b.received == BLOCK * BLOCKS;
    end_done(&a);
    end_done(&b);
    return whole;
}

static void test_each(void)
{
    bool whole;
    unsigned long count = failing_each(run, &whole);
    OK(whole);
    OK(count > 20 && count < FAILING_MAX - 1);
}

static const struct tap_case cases[] = {
    {"a stream there and back, over losses", test_each},
};

int main(void) { return TAP_RUN(cases); }
