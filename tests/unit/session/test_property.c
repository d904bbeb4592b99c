/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thousands of sessions, each over a carrier of its own: one that loses, repeats and reorders envelopes, is slow, takes
 * little, and is cut, which both, one or no end may be told; whose users say and take pieces of any size; and in some runs
 * an end starts again without its memory. From seeds, in virtual time.
 *
 * What comes out is what went in, in order and once, all of it; or the session says that it has ended, and says nothing more.
 * What it holds stays bounded, and it comes to rest.
 */
#include "session/session.h"

#include "carrier.h"
#include "mdm-tunnel/limits.h"
#include "tap.h"
#include "wire/envelope.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RUNS 150
#else
#define RUNS 1500
#endif
#define SESSION_ID 7u
#define RUN_MAX_US (1800 * US_PER_S)
#define WAKES_MAX 1000

enum trouble {
    LOSS = 1 << 0,
    REPEATS = 1 << 1,
    REORDER = 1 << 2,
    LITTLE_ROOM = 1 << 3,
    CUTS = 1 << 4,
    RESTART = 1 << 5,
};

struct end {
    struct world *world;
    struct session_config config;
    struct session *session; /* NULL: it has started again, and knows of none */
    struct carrier out;
    uint64_t total, said, taken;
    size_t piece;            /* the longest that the user says at once */
    bool woken, corrupt, carrier;
    const struct error *ended;
    uint64_t back_us;        /* it is told then that the carrier is back */
};

struct world {
    uint64_t now_us, random;
    struct end a, b; /* a says HELLO */
    unsigned cuts;
    uint64_t cut_us, cut_end_us, restart_us;
};

static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }
static struct end *other(struct end *e) { return e == &e->world->a ? &e->world->b : &e->world->a; }
static uint8_t pattern(const struct end *from, uint64_t i)
{
    return (uint8_t)(i * 167 + (i >> 8) * 13 + (i >> 16) + (from == &from->world->a ? 0 : 91));
}

/* -- the two users and the carrier --------------------------------------------------------------------------------------- */

static size_t on_room(void *ctx)
{
    struct end *e = ctx;
    OK(e->ended == NULL);
    return carrier_room(&e->out);
}

static void on_send(void *ctx, struct slice envelope)
{
    struct end *e = ctx;
    OK(envelope.len <= e->config.max_envelope);
    carrier_send(&e->out, envelope, e->world->now_us);
}

static size_t on_pull(void *ctx, uint8_t *dst, size_t max)
{
    struct end *e = ctx;
    OK(e->ended == NULL);
    uint64_t len = earlier(earlier(e->total - e->said, max), 1 + random_below(&e->world->random, e->piece));
    for (size_t i = 0; i < len; i++)
        dst[i] = pattern(e, e->said + i);
    e->said += len;
    return (size_t)len;
}

static const struct error *on_push(void *ctx, const struct slice *bytes)
{
    struct end *e = ctx;
    OK(e->ended == NULL);
    for (size_t i = 0; i < bytes->len; i++)
        e->corrupt |= bytes->data[i] != pattern(other(e), e->taken + i);
    e->taken += bytes->len;
    return NULL;
}

static void on_up(void *ctx) { OK(((struct end *)ctx)->ended == NULL); }

static void on_ended(void *ctx, const struct error *reason)
{
    struct end *e = ctx;
    OK(e->ended == NULL && reason != NULL);
    e->ended = reason;
}

static void on_wake(void *ctx) { ((struct end *)ctx)->woken = true; }

static const struct session_events events = {
    .room = on_room, .send = on_send, .pull = on_pull, .push = on_push, .up = on_up, .ended = on_ended, .wake = on_wake};

static void end_start(struct world *w, struct end *e, unsigned trouble)
{
    uint64_t *random = &w->random;
    e->world = w;
    e->carrier = true;
    e->back_us = CLOCK_NEVER;
    e->piece = 1 + (size_t)random_below(random, random_below(random, 2) == 0 ? 200 : 40000);
    e->total = random_below(random, 4) == 0 ? 0 : earlier(random_below(random, 300000), 300 * e->piece);
    e->config = (struct session_config){
        .id = e == &w->a ? SESSION_ID : 0,
        .max_envelope = SESSION_ENVELOPE_MIN + (size_t)random_below(random, 20000),
        .window_max = SESSION_WINDOW_MIN + (size_t)random_below(random, 500000),
        .envelopes_max = random_below(random, 2) == 0 ? 0 : 2 + (unsigned)random_below(random, 60),
        .grace_us = 60 * US_PER_S,
        .idle_us = US_PER_S + random_below(random, 9 * US_PER_S),
    };
    e->out = (struct carrier){
        .random = random,
        .delay_us = random_below(random, random_below(random, 3) == 0 ? 100000 : 2000),
        .rate = random_below(random, 2) == 0 ? 0 : 100000 + random_below(random, 10000000),
        .capacity = (trouble & LITTLE_ROOM) != 0 ? 4500 + (size_t)random_below(random, 60000) : 0,
        .loss_ppm = (trouble & LOSS) != 0 ? (unsigned)random_below(random, 60000) : 0,
        .repeat_ppm = (trouble & REPEATS) != 0 ? (unsigned)random_below(random, 200000) : 0,
        .jitter_us = (trouble & REORDER) != 0 ? random_below(random, 30000) : 0,
    };
    e->session = session_create(&e->config, &events, e, w->now_us);
    if (e == &w->a)
        session_wake(e->session);
}

/* -- trouble ------------------------------------------------------------------------------------------------------------- */

static void cut_plan(struct world *w)
{
    w->cut_us = w->cut_end_us = CLOCK_NEVER;
    if (w->cuts == 0)
        return;
    w->cuts--;
    w->cut_us = w->now_us + random_below(&w->random, 2 * US_PER_S);
    w->cut_end_us = w->cut_us + random_below(&w->random, 8 * US_PER_S);
}

/* What is on the way is lost, or arrives, or half of it. An end is told of both ends of a cut, of the second one, or of none. */
static void cut_begin(struct world *w)
{
    struct end *both[] = {&w->a, &w->b};
    for (unsigned i = 0; i < 2; i++) {
        struct end *e = both[i];
        e->out.cut = true;
        if (random_below(&w->random, 3) > 0)
            carrier_drop_all(&e->out);
        uint64_t told = random_below(&w->random, 3);
        if (told == 0 || e->session == NULL)
            continue;
        e->back_us = w->cut_end_us + random_below(&w->random, 300000);
        if (told == 1) {
            session_carrier_lost(e->session, w->now_us);
            e->carrier = false;
        }
    }
    w->cut_us = CLOCK_NEVER;
}

static void restart(struct world *w)
{
    struct end *e = random_below(&w->random, 2) == 0 ? &w->a : &w->b;
    session_free(&e->session);
    e->back_us = CLOCK_NEVER;
    w->restart_us = CLOCK_NEVER;
}

static void trouble_step(struct world *w)
{
    if (w->now_us >= w->cut_us)
        cut_begin(w);
    if (w->now_us >= w->cut_end_us) {
        w->a.out.cut = w->b.out.cut = false;
        cut_plan(w);
    }
    if (w->now_us >= w->restart_us)
        restart(w);
}

/* -- steps --------------------------------------------------------------------------------------------------------------- */

/* A program that knows of no session says so to a HELLO, and to nothing else. */
static void stranger_receive(struct end *e, const struct slice *envelope)
{
    struct envelope head;
    if (envelope_decode(&head, envelope->data, envelope->len) == NULL && head.type == ENVELOPE_HELLO)
        carrier_send(&e->out, session_refusal(head.session, &error_session_unknown), e->world->now_us);
}

static void end_receive(struct end *e)
{
    struct world *w = e->world;
    while (carrier_next_us(&other(e)->out) <= w->now_us) {
        struct slice envelope = carrier_take(&other(e)->out);
        if (e->session == NULL)
            stranger_receive(e, &envelope);
        else if (e->carrier)
            session_receive(e->session, &envelope, w->now_us);
        slice_done(&envelope);
    }
}

static void end_step(struct end *e)
{
    struct world *w = e->world;
    end_receive(e);
    if (e->session == NULL)
        return;
    if (w->now_us >= e->back_us) {
        e->carrier = true;
        e->back_us = CLOCK_NEVER;
        session_carrier_back(e->session, w->now_us);
    }
    if (session_deadline(e->session) <= w->now_us)
        session_tick(e->session, w->now_us);
    if (e->out.was_full && carrier_room(&e->out) > 0) {
        e->out.was_full = false;
        session_writable(e->session);
    }
    unsigned wakes = 0;
    for (; e->woken && wakes < WAKES_MAX; wakes++) {
        e->woken = false;
        session_flush(e->session, w->now_us);
    }
    OK(wakes < WAKES_MAX);
    struct session_stats stats;
    session_stats(e->session, &stats);
    OK(stats.in_flight <= e->config.window_max);
}

static bool end_is_over(struct end *e)
{
    return e->session == NULL || e->ended != NULL ||
           (other(e)->session != NULL && e->taken == other(e)->total && e->said == e->total);
}

static uint64_t end_next(const struct end *e)
{
    uint64_t at = earlier(carrier_next_us(&e->out), e->back_us);
    return e->session == NULL ? at : earlier(at, session_deadline(e->session));
}

static void world_run(struct world *w)
{
    unsigned standing = 0;
    while ((!end_is_over(&w->a) || !end_is_over(&w->b)) && w->now_us < RUN_MAX_US && standing < WAKES_MAX) {
        uint64_t before_us = w->now_us;
        trouble_step(w);
        end_step(&w->a);
        end_step(&w->b);
        uint64_t next_us = earlier(end_next(&w->a), end_next(&w->b));
        next_us = earlier(earlier(next_us, w->restart_us), earlier(w->cut_us, w->cut_end_us));
        w->now_us = next_us > w->now_us ? earlier(next_us, RUN_MAX_US) : w->now_us;
        standing = w->now_us == before_us ? standing + 1 : 0;
    }
    OK(standing < WAKES_MAX); /* time goes on */
    OK(end_is_over(&w->a) && end_is_over(&w->b));
}

static void property_holds(uint64_t seed, unsigned trouble)
{
    struct world *w = calloc(1, sizeof(*w));
    bool failed_before = tap_case_failed;
    *w = (struct world){.now_us = 1000000, .random = seed, .restart_us = CLOCK_NEVER};
    end_start(w, &w->a, trouble);
    end_start(w, &w->b, trouble);
    w->cuts = (trouble & CUTS) != 0 ? 1 + (unsigned)random_below(&w->random, 5) : 0;
    cut_plan(w);
    if ((trouble & RESTART) != 0)
        w->restart_us = w->now_us + random_below(&w->random, 3 * US_PER_S);
    world_run(w);
    OK(!w->a.corrupt && !w->b.corrupt);
    OK(w->a.taken <= w->b.said && w->b.taken <= w->a.said);
    if ((trouble & RESTART) == 0) { /* no cut was longer than the grace time */
        OK(w->a.ended == NULL && w->b.ended == NULL);
        OK(w->a.taken == w->b.total && w->b.taken == w->a.total);
    }
    if (tap_case_failed && !failed_before)
        printf("# seed %llu, trouble %u: at %llu us; a %s, took %llu of %llu; b %s, took %llu of %llu\n",
               (unsigned long long)seed, trouble, (unsigned long long)w->now_us,
               w->a.ended == NULL ? "alive" : w->a.ended->name, (unsigned long long)w->a.taken,
               (unsigned long long)w->b.total, w->b.ended == NULL ? "alive" : w->b.ended->name,
               (unsigned long long)w->b.taken, (unsigned long long)w->a.total);
    for (struct end *e = &w->a; e != NULL; e = e == &w->a ? &w->b : NULL) {
        if (e->session != NULL)
            session_free(&e->session);
        carrier_done(&e->out);
    }
    free(w);
}

static void runs(unsigned trouble)
{
    for (uint64_t seed = 1; seed <= RUNS && !tap_case_failed; seed++)
        property_holds(seed * 64 + trouble, trouble);
    printf("# seeds 1 to %u\n", RUNS);
}

static void test_loss(void) { runs(LOSS); }
static void test_repeats_and_order(void) { runs(REPEATS | REORDER); }
static void test_little_room(void) { runs(LITTLE_ROOM | LOSS); }
static void test_cuts(void) { runs(CUTS); }
static void test_everything(void) { runs(LOSS | REPEATS | REORDER | LITTLE_ROOM | CUTS); }
static void test_restart(void) { runs(RESTART | CUTS | REORDER); }
static void test_restart_and_everything(void) { runs(RESTART | LOSS | REPEATS | REORDER | LITTLE_ROOM | CUTS); }

int main(void)
{
    static const struct tap_case cases[] = {
        {"loss", test_loss},
        {"repeats, and in any order", test_repeats_and_order},
        {"little room, and loss", test_little_room},
        {"cuts that one, both or neither end is told of", test_cuts},
        {"all of it", test_everything},
        {"an end starts again without its memory", test_restart},
        {"an end starts again, and all of it", test_restart_and_everything},
    };
    return TAP_RUN(cases);
}
