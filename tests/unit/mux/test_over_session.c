/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams over sessions over a carrier that loses, repeats, reorders, fills up and is cut: seeded, in virtual time.
 * What goes in comes out, in order and once, with its end; or the stream ends with a reason. Memory stays bounded and
 * every story comes to its end.
 */
#include <stdlib.h>

#include "carrier.h"
#include "mdm-tunnel/limits.h"
#include "mux/mux.h"
#include "session/session.h"
#include "tap.h"

#define SESSION_ID 0xabcdef01u
#define WINDOW (64 * KIB)
#define USERS 24
/* Later than this nothing may be open any more. */
#define STORY_MAX_US (900 * US_PER_S)

struct end;

/* One end of a stream: sends `total` bytes of a pattern, takes what comes and consumes it at its own pace. */
struct user {
    struct end *end;
    struct mux_stream *stream;
    uint64_t seed;            /* of the pattern; the other end's is `seed ^ 1` */
    size_t total, queued, sent, received, held;
    size_t reset_at;          /* resets after so many bytes were received; SIZE_MAX: never */
    bool fin_sent, fin, over, corrupt, overdue;
    const struct error *reason;
    struct user *other;
};

struct end {
    struct world *world;
    struct session *session;
    struct mux *mux;
    struct carrier out;
    struct user users[USERS];
    bool woken, carrier;
    const struct error *ended;
    unsigned ups;
};

struct world {
    uint64_t now_us, random;
    unsigned to_open;
    uint64_t open_us;
    bool resets;
    struct end a, b;
    uint64_t cut_us, cut_end_us; /* the present or next cut */
    uint64_t a_sees_us, b_sees_us, a_back_us, b_back_us;
    unsigned cuts;
    size_t in_flight_max, held_max;
};

static struct end *other(struct end *e) { return e == &e->world->a ? &e->world->b : &e->world->a; }
static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint8_t pattern(uint64_t seed, size_t i) { return (uint8_t)(seed + i * 167 + (i >> 8) * 29 + (i >> 16) * 3); }

/* -- users ------------------------------------------------------------------------------------------------------------- */

static void user_send(struct user *u)
{
    uint64_t *random = &u->end->world->random;
    while (u->stream != NULL && !u->fin_sent && u->queued - u->sent < WINDOW / 2) {
        size_t len = 1 + random_below(random, random_below(random, 4) == 0 ? 30000 : 500);
        len = len < u->total - u->queued ? len : u->total - u->queued;
        struct chunk *c = chunk_create(len + 1);
        for (size_t i = 0; i < len; i++)
            c->data[i] = pattern(u->seed, u->queued + i);
        u->queued += len;
        u->fin_sent = u->queued == u->total && random_below(random, 2) == 0;
        bool last = u->queued == u->total;
        mux_send(u->stream, slice_of(c, 0, len), u->fin_sent);
        if (last && !u->fin_sent) {
            u->fin_sent = true;
            mux_send(u->stream, SLICE_NONE, true);
        }
    }
}

static void user_reset(struct user *u)
{
    mux_reset(u->stream, &error_cancelled);
    u->stream = NULL;
    u->over = true;
    u->reason = &error_cancelled;
}

static void on_accepted(void *ctx) { (void)ctx; }

static void on_data(void *ctx, const struct slice *bytes, bool fin)
{
    struct user *u = ctx;
    for (size_t i = 0; i < bytes->len; i++)
        u->corrupt |= bytes->data[i] != pattern(u->seed ^ 1, u->received + i);
    u->corrupt |= u->fin || u->over;
    u->received += bytes->len;
    u->held += bytes->len;
    u->fin = fin;
    if (u->received >= u->reset_at)
        user_reset(u);
}

static void on_sent(void *ctx, size_t bytes) { ((struct user *)ctx)->sent += bytes; }

static void on_ended(void *ctx, const struct error *reason)
{
    struct user *u = ctx;
    u->corrupt |= u->over;
    u->over = true;
    u->reason = reason;
    u->stream = NULL;
}

static const struct mux_stream_events stream_events = {
    .accepted = on_accepted, .data = on_data, .sent = on_sent, .ended = on_ended};

static void user_init(struct user *u, struct end *e, uint64_t seed)
{
    uint64_t *random = &e->world->random;
    *u = (struct user){.end = e, .seed = seed, .reset_at = SIZE_MAX};
    u->total = random_below(random, random_below(random, 5) == 0 ? 2000000 : 5000);
    if (e->world->resets && random_below(random, 4) == 0)
        u->reset_at = random_below(random, 3000);
}

static void story_open(struct world *w)
{
    unsigned i = --w->to_open;
    struct end *e = random_below(&w->random, 3) == 0 ? &w->b : &w->a;
    struct user *u = &e->users[i];
    struct open_head head = {.kind = STREAM_KIND_TCP};
    snprintf(head.service, sizeof(head.service), "s%u", i);
    user_init(u, e, 2 * i);
    user_init(&other(e)->users[i], other(e), 2 * i + 1);
    u->other = &other(e)->users[i];
    u->other->other = u;
    const struct error *why = NULL;
    u->stream = e->mux == NULL ? NULL : mux_open(e->mux, &head, &stream_events, u, &why);
    if (u->stream == NULL) {
        u->over = u->other->over = true;
        u->reason = u->other->reason = why;
    }
    user_send(u);
}

/* Some time passes: users send and consume. True while somebody has something to do. */
static bool users_work(struct end *e)
{
    bool busy = false;
    for (unsigned i = 0; i < USERS && e->mux != NULL; i++) {
        struct user *u = &e->users[i];
        if (u->stream == NULL)
            continue;
        user_send(u);
        size_t n = random_below(&e->world->random, 2 * u->held + 1);
        n = n < u->held ? n : u->held;
        u->held -= n;
        mux_consumed(u->stream, n, e->world->now_us);
        busy |= u->held > 0;
        e->world->held_max = u->held > e->world->held_max ? u->held : e->world->held_max;
    }
    return busy;
}

/* -- ends -------------------------------------------------------------------------------------------------------------- */

static void on_mux_wake(void *ctx) { session_wake(((struct end *)ctx)->session); }

static void on_opened(void *ctx, struct mux_stream *s, const struct open_head *head)
{
    struct end *e = ctx;
    struct user *u = &e->users[atoi(head->service + 1)];
    u->stream = s;
    mux_attach(s, &stream_events, u);
    if (e->world->resets && random_below(&e->world->random, 10) == 0) {
        mux_refuse(s, &error_service_refused);
        u->stream = NULL;
        u->over = true;
        u->reason = &error_service_refused;
        return;
    }
    mux_accept(s);
    user_send(u);
}

static void on_services(void *ctx, const struct service_entry *list, size_t count) { (void)ctx, (void)list, (void)count; }
static void on_public(void *ctx, const struct public_port *p) { (void)ctx, (void)p; }
static void on_weight(void *ctx, unsigned weight) { (void)ctx, (void)weight; }
static void on_goaway(void *ctx, const struct error *reason) { (void)ctx, (void)reason; }

static const struct mux_events mux_events = {
    .wake = on_mux_wake, .opened = on_opened, .services = on_services, .weight = on_weight, .public_port = on_public, .goaway = on_goaway};

static size_t on_room(void *ctx) { return carrier_room(&((struct end *)ctx)->out); }

static void on_send(void *ctx, struct slice envelope)
{
    struct end *e = ctx;
    carrier_send(&e->out, envelope, e->world->now_us);
}

static size_t on_pull(void *ctx, uint8_t *dst, size_t max)
{
    struct end *e = ctx;
    bool said = mux_has_output(e->mux);
    size_t len = mux_pull(e->mux, dst, max);
    OK(said == (len > 0));
    return len;
}

static const struct error *on_push(void *ctx, const struct slice *bytes)
{
    struct end *e = ctx;
    return mux_push(e->mux, bytes, e->world->now_us);
}

static void on_up(void *ctx) { ((struct end *)ctx)->ups++; }
static void on_session_ended(void *ctx, const struct error *reason) { ((struct end *)ctx)->ended = reason; }
static void on_wake(void *ctx) { ((struct end *)ctx)->woken = true; }

static const struct session_events session_events = {.room = on_room,
                                                     .send = on_send,
                                                     .pull = on_pull,
                                                     .push = on_push,
                                                     .up = on_up,
                                                     .ended = on_session_ended,
                                                     .wake = on_wake};

static void end_start(struct world *w, struct end *e, bool initiator, uint64_t grace_us)
{
    uint64_t *random = &w->random;
    struct session_config session = {.id = initiator ? SESSION_ID : 0,
                                     .max_envelope = 1024 + random_below(random, 60000),
                                     .window_max = SESSION_WINDOW_MIN << random_below(random, 6),
                                     .envelopes_max = random_below(random, 2) == 0 ? 0 : 8 + (unsigned)random_below(random, 250),
                                     .grace_us = grace_us,
                                     .idle_us = 5 * US_PER_S};
    struct mux_config mux = {
        .opens_odd = initiator, .window_initial = WINDOW, .window_max = 4 * WINDOW, .streams_max = 100};
    e->world = w;
    e->carrier = true;
    e->out.random = random;
    e->session = session_create(&session, &session_events, e, w->now_us);
    e->mux = mux_create(&mux, &mux_events, e);
}

static void end_settle(struct end *e)
{
    if (e->out.was_full && carrier_room(&e->out) > 0) {
        e->out.was_full = false;
        session_writable(e->session);
    }
    for (unsigned i = 0; e->woken && e->ended == NULL; i++) {
        e->woken = false;
        session_flush(e->session, e->world->now_us);
        if (!OK(i < 100))
            break;
    }
    if (e->ended != NULL && e->mux != NULL)
        mux_free(&e->mux, e->ended);
    struct session_stats stats;
    session_stats(e->session, &stats);
    if (stats.in_flight > e->world->in_flight_max)
        e->world->in_flight_max = stats.in_flight;
}

static void end_step(struct end *e)
{
    struct world *w = e->world;
    if (session_deadline(e->session) <= w->now_us)
        session_tick(e->session, w->now_us);
    end_settle(e);
    while (carrier_next_us(&other(e)->out) <= w->now_us) {
        struct slice message = carrier_take(&other(e)->out);
        session_receive(e->session, &message, w->now_us);
        slice_done(&message);
        end_settle(e);
    }
}

/* -- the carrier -------------------------------------------------------------------------------------------------------- */

static void cut_plan(struct world *w)
{
    uint64_t *random = &w->random;
    w->cut_us = w->a_sees_us = w->b_sees_us = w->a_back_us = w->b_back_us = CLOCK_NEVER;
    if (w->cuts == 0)
        return;
    w->cuts--;
    w->cut_us = w->now_us + random_below(random, 2 * US_PER_S);
    w->cut_end_us = w->cut_us + random_below(random, 15 * US_PER_S);
    if (random_below(random, 2) == 0)
        w->a_sees_us = w->cut_us + random_below(random, US_PER_S);
    if (random_below(random, 2) == 0)
        w->b_sees_us = w->cut_us + random_below(random, US_PER_S);
}

static void cut_step(struct world *w)
{
    bool cut = w->now_us >= w->cut_us;
    if (cut && !w->a.out.cut) {
        carrier_drop_all(&w->a.out);
        carrier_drop_all(&w->b.out);
    }
    w->a.out.cut = w->b.out.cut = cut;
    if (w->now_us >= w->a_sees_us) {
        session_carrier_lost(w->a.session, w->now_us);
        w->a_back_us = w->cut_end_us > w->now_us ? w->cut_end_us + random_below(&w->random, US_PER_S) : w->now_us;
        w->a_sees_us = CLOCK_NEVER;
    }
    if (w->now_us >= w->b_sees_us) {
        session_carrier_lost(w->b.session, w->now_us);
        w->b_back_us = w->cut_end_us > w->now_us ? w->cut_end_us + random_below(&w->random, US_PER_S) : w->now_us;
        w->b_sees_us = CLOCK_NEVER;
    }
    if (w->now_us >= w->a_back_us) {
        session_carrier_back(w->a.session, w->now_us);
        w->a_back_us = CLOCK_NEVER;
    }
    if (w->now_us >= w->b_back_us) {
        session_carrier_back(w->b.session, w->now_us);
        w->b_back_us = CLOCK_NEVER;
    }
    if (cut && w->now_us >= w->cut_end_us && w->a_back_us == CLOCK_NEVER && w->b_back_us == CLOCK_NEVER &&
        w->a_sees_us == CLOCK_NEVER && w->b_sees_us == CLOCK_NEVER)
        cut_plan(w);
    w->a.out.cut = w->b.out.cut = w->now_us >= w->cut_us && w->now_us < w->cut_end_us;
}

static uint64_t cut_next(const struct world *w)
{
    uint64_t at = w->now_us < w->cut_us ? w->cut_us : w->now_us < w->cut_end_us ? w->cut_end_us : CLOCK_NEVER;
    at = earlier(earlier(at, w->a_sees_us), w->b_sees_us);
    return earlier(earlier(at, w->a_back_us), w->b_back_us);
}

static void carriers_init(struct world *w, unsigned trouble)
{
    uint64_t *random = &w->random;
    struct carrier *both[] = {&w->a.out, &w->b.out};
    for (unsigned i = 0; i < 2; i++) {
        both[i]->delay_us = random_below(random, random_below(random, 3) == 0 ? 100000 : 2000);
        both[i]->rate = random_below(random, 2) == 0 ? 0 : 300000 + random_below(random, 10000000);
        both[i]->capacity = random_below(random, 2) == 0 ? 0 : 5000 + random_below(random, 200000);
        both[i]->loss_ppm = trouble & 1 ? (unsigned)random_below(random, 30000) : 0;
        both[i]->repeat_ppm = trouble & 2 ? (unsigned)random_below(random, 100000) : 0;
        both[i]->jitter_us = trouble & 4 ? random_below(random, 20000) : 0;
    }
    w->cuts = trouble & 8 ? 1 + (unsigned)random_below(random, 4) : 0;
    w->resets = (trouble & 16) != 0;
    cut_plan(w);
}

/* -- stories ------------------------------------------------------------------------------------------------------------ */

static bool story_over(const struct world *w)
{
    for (unsigned i = 0; i < USERS; i++)
        if (!w->a.users[i].over || !w->b.users[i].over)
            return w->to_open == 0 && w->a.ended != NULL && w->b.ended != NULL;
    return w->to_open == 0;
}

static void story_run(struct world *w)
{
    uint64_t work_us = w->now_us;
    while (!story_over(w) && w->now_us < STORY_MAX_US) {
        cut_step(w);
        end_step(&w->a);
        end_step(&w->b);
        if (w->now_us >= work_us) {
            users_work(&w->a);
            users_work(&w->b);
            if (w->to_open > 0 && w->now_us >= w->open_us) {
                story_open(w);
                w->open_us = w->now_us + random_below(&w->random, 300000);
            }
            work_us = w->now_us + 1 + random_below(&w->random, 10000);
        }
        end_settle(&w->a);
        end_settle(&w->b);
        uint64_t next_us = earlier(session_deadline(w->a.session), session_deadline(w->b.session));
        next_us = earlier(next_us, earlier(carrier_next_us(&w->a.out), carrier_next_us(&w->b.out)));
        next_us = earlier(earlier(next_us, work_us), cut_next(w));
        w->now_us = next_us > w->now_us ? next_us : w->now_us + 1;
    }
}

/* True: this end got all that the other had to say, and its end. */
static bool user_complete(const struct user *u) { return u->fin && u->received == u->other->total; }

static void story_check(struct world *w, bool may_end)
{
    unsigned complete = 0, cut = 0;
    OK(w->now_us < STORY_MAX_US);
    for (unsigned i = 0; i < USERS; i++) {
        const struct user *pair[] = {&w->a.users[i], &w->b.users[i]};
        for (unsigned k = 0; k < 2; k++) {
            const struct user *u = pair[k];
            OK(!u->corrupt);
            OK(!u->fin || u->other == NULL || u->received == u->other->total);
            OK(u->reason != &error_none || user_complete(u));
            bool clean = u->over && u->reason == &error_none;
            complete += clean;
            cut += !clean;
        }
    }
    if (!may_end) {
        OK(w->a.ended == NULL && w->b.ended == NULL);
        OK(w->resets || cut == 0);
        OK(complete > 0);
    }
    OK(w->in_flight_max <= SESSION_WINDOW_MIN << 5);
    OK(w->held_max <= 4 * WINDOW);
}

static void story(uint64_t seed, unsigned trouble, uint64_t grace_us)
{
    struct world *w = calloc(1, sizeof(*w));
    bool failed_before = tap_case_failed;
    w->now_us = 1000;
    w->random = seed;
    w->to_open = USERS;
    end_start(w, &w->a, true, grace_us);
    end_start(w, &w->b, false, grace_us);
    carriers_init(w, trouble);
    story_run(w);
    story_check(w, grace_us < 20 * US_PER_S);
    if (tap_case_failed && !failed_before)
        printf("# seed %llu trouble %u: at %llu us, a %s, b %s\n", (unsigned long long)seed, trouble,
               (unsigned long long)w->now_us, w->a.ended == NULL ? "alive" : w->a.ended->name,
               w->b.ended == NULL ? "alive" : w->b.ended->name);
    if (w->a.mux != NULL)
        mux_free(&w->a.mux, &error_session_closed);
    if (w->b.mux != NULL)
        mux_free(&w->b.mux, &error_session_closed);
    session_free(&w->a.session);
    session_free(&w->b.session);
    carrier_done(&w->a.out);
    carrier_done(&w->b.out);
    free(w);
}

#define SEEDS 12

static void stories(unsigned trouble, uint64_t grace_us)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        story(seed * 1000 + trouble, trouble, grace_us);
}

static void test_quiet(void) { stories(0, 60 * US_PER_S); }
static void test_loss(void) { stories(1, 60 * US_PER_S); }
static void test_repeats(void) { stories(2, 60 * US_PER_S); }
static void test_reorder(void) { stories(4, 60 * US_PER_S); }
static void test_cuts(void) { stories(8, 60 * US_PER_S); }
static void test_resets(void) { stories(16, 60 * US_PER_S); }
static void test_everything(void) { stories(31, 60 * US_PER_S); }
static void test_short_grace(void) { stories(15, 5 * US_PER_S); }

int main(void)
{
    static const struct tap_case cases[] = {
        {"a good carrier", test_quiet},
        {"loss", test_loss},
        {"repeats", test_repeats},
        {"reordering", test_reorder},
        {"cuts that one, both or neither side sees", test_cuts},
        {"users that refuse and reset", test_resets},
        {"all of it", test_everything},
        {"cuts longer than the grace time", test_short_grace},
    };
    return TAP_RUN(cases);
}
