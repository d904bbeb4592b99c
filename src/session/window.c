/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much may be in flight: about twice the delivered rate times the way's own round trip, so a slow uplink holds no
 * long queue and a long fat path is filled.
 *
 * Time goes in rounds (what was in flight is acknowledged, and the way's round trip has passed: acknowledgements that come in
 * one burst would show any rate). Only rounds that the window limited say anything about the way. At first the window doubles with each of them, for as long as more in flight
 * brings more through: a rate that was measured through a window says little about a way that holds much more. Later one
 * round in WINDOW_ROUNDS has a little more, for the same reason.
 *
 * The round trip is the lowest answer (one that was delayed on purpose is never lower); as our own queue would hide it for
 * ever, the window is closed for a moment whenever it was not seen for RTT_MIN_VALID_US.
 */
#include "session/internal.h"

#define ROUND_MIN_US (1 * US_PER_MS)
/* A turn of two busy loops takes this long: a lower round trip says nothing about what the way holds. */
#define RTT_FLOOR_US (2 * US_PER_MS)
/* Beyond this it is no LAN. */
#define RTT_LONG_US (5 * US_PER_MS)
#define RTT_MIN_VALID_US (10 * US_PER_S)
#define DRAIN_MAX_US (2 * US_PER_S)
#define DRAIN_BYTES_MIN (16 * KIB)
/* Growing stops when a doubled window brings less than a quarter more: at once when answers wait in a queue, else after
 * so many rounds, as acknowledgements may have been late for other reasons. */
#define START_FLAT_ROUNDS 3
/* Nothing was in flight for the answer to wait behind: such a sample is asked for this often. */
#define RTT_PROMPT_EVERY_US (1 * US_PER_S)
/* In the queue of the way at least: acknowledgements come for every 32 KiB, and it must not run dry between them. */
#define QUEUE_MIN (48 * KIB)
/* RFC 6298 with a lower bound that suits delayed acknowledgements. */
#define TIMEOUT_FIRST_US (1 * US_PER_S)
#define TIMEOUT_MIN_US (200 * US_PER_MS)
#define TIMEOUT_MAX_US (4 * US_PER_S)

static uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }

static uint64_t window_floor(const struct session *s) { return min_u64(SESSION_WINDOW_MIN, s->config.window_max); }

static uint64_t window_ceiling(const struct session *s)
{
    return s->window.rtt_min_us >= RTT_LONG_US ? s->config.window_max : min_u64(SESSION_WINDOW_LAN, s->config.window_max);
}

/*
 * How long the way takes. While more comes from the peer than goes to it, its answers wait in the queue of its own bulk: that is
 * about a round trip, or its smallest window. That time counts, too, lest the weaker direction starves; but not for the
 * stronger one, or each would make room for what the other has queued.
 */
static uint64_t window_way_us(const struct window *w)
{
    uint64_t way_us = max_u64(w->rtt_min_us, RTT_FLOOR_US);
    if (w->against <= w->rate || w->rtt_us <= way_us)
        return way_us;
    return way_us + min_u64(w->rtt_us - way_us, 4 * (w->rtt_min_us + SESSION_WINDOW_MIN * US_PER_S / w->against));
}

/* What the way itself holds. */
static uint64_t window_path(const struct session *s)
{
    return s->window.rate * window_way_us(&s->window) / US_PER_S;
}

static uint64_t window_drained(const struct session *s) { return max_u64(DRAIN_BYTES_MIN, window_path(s) / 2); }

void window_init(struct session *s)
{
    s->window = (struct window){.bytes = window_floor(s),
                                .starting = true,
                                .rtt_min_at_us = s->now_us,
                                .round_us = s->now_us,
                                .round_rtt_us = CLOCK_NEVER,
                                .round_end = s->send.next,
                                .delivered = s->window.delivered,
                                .round_delivered = s->window.delivered,
                                .round_received = s->receive.bytes};
}

uint64_t window_now(const struct session *s)
{
    return s->window.draining ? min_u64(s->window.bytes, window_drained(s)) : s->window.bytes;
}

static void drain_start(struct session *s)
{
    s->window.draining = true;
    s->window.draining_since_us = s->now_us;
    s->window.drained_seq = UINT64_MAX;
}

static void drain_end(struct session *s)
{
    s->window.draining = false;
    s->window.rtt_min_at_us = s->now_us;
}

static void window_rtt_min(struct session *s, uint64_t rtt_us, bool prompt, uint64_t seq)
{
    struct window *w = &s->window;
    bool measured = prompt && w->draining && seq >= w->drained_seq;
    if (w->rtt_min_us != 0 && rtt_us > w->rtt_min_us && !measured)
        return;
    w->rtt_min_us = max_u64(rtt_us, 1);
    drain_end(s);
}

/* `prompt`: the answer was not delayed on purpose. `seq`: the envelope that was answered. */
void window_rtt(struct session *s, uint64_t rtt_us, bool prompt, uint64_t seq)
{
    struct window *w = &s->window;
    if (w->rtt_us == 0) {
        w->rtt_us = max_u64(rtt_us, 1);
        w->rtt_var_us = rtt_us / 2;
    } else {
        uint64_t off = rtt_us > w->rtt_us ? rtt_us - w->rtt_us : w->rtt_us - rtt_us;
        w->rtt_var_us = (3 * w->rtt_var_us + off) / 4;
        w->rtt_us = max_u64((7 * w->rtt_us + rtt_us) / 8, 1);
    }
    w->round_rtt_us = min_u64(w->round_rtt_us, rtt_us);
    window_rtt_min(s, rtt_us, prompt, seq);
}

bool window_wants_answer(struct session *s)
{
    struct window *w = &s->window;
    if (s->send.in_flight > 0 || s->now_us < w->prompt_us)
        return false;
    w->prompt_us = s->now_us + RTT_PROMPT_EVERY_US;
    return true;
}

/* A round at the start brought `rate`. */
static void start_judge(struct window *w, uint64_t rate)
{
    bool queued = w->round_rtt_us > 3 * w->rtt_min_us + RTT_FLOOR_US;
    if (rate > w->start_rate + w->start_rate / 4) {
        w->start_rate = rate;
        w->start_flat = 0;
    } else {
        w->start_flat++;
    }
    w->starting = w->start_flat < (queued ? 1 : START_FLAT_ROUNDS);
}

static void window_resize(struct session *s)
{
    struct window *w = &s->window;
    bool probes = w->rounds % WINDOW_ROUNDS == 0;
    uint64_t path = window_path(s);
    uint64_t wanted = w->starting ? 2 * w->bytes : (probes ? 5 : 4) * path / 2;
    wanted = max_u64(wanted, path + QUEUE_MIN);
    wanted = max_u64(wanted, w->bytes / 2);
    wanted = min_u64(wanted, w->bytes + (w->lossy ? w->bytes / 4 : w->bytes));
    w->bytes = min_u64(max_u64(wanted, window_floor(s)), window_ceiling(s));
}

static void round_start(struct session *s)
{
    struct window *w = &s->window;
    w->round_end = s->send.next;
    w->round_us = s->now_us;
    w->round_delivered = w->delivered;
    w->round_received = s->receive.bytes;
    w->round_limited = false;
    w->round_rtt_us = CLOCK_NEVER;
}

static void round_finish(struct session *s, uint64_t elapsed_us)
{
    struct window *w = &s->window;
    uint64_t rate = (w->delivered - w->round_delivered) * US_PER_S / elapsed_us;
    w->rates[w->rounds++ % WINDOW_ROUNDS] = rate;
    w->against = (s->receive.bytes - w->round_received) * US_PER_S / elapsed_us;
    if (w->starting) {
        start_judge(w, rate);
    } else if (rate > w->rate + w->rate / 8 && w->against < rate / 4) {
        /* A little more in flight brought more: answers are late, but not in a queue; nor behind the peer's bulk. */
        w->starting = true;
        w->start_rate = rate;
        w->start_flat = START_FLAT_ROUNDS - 1;
    }
    w->rate = 0;
    for (unsigned i = 0; i < WINDOW_ROUNDS; i++)
        w->rate = max_u64(w->rate, w->rates[i]);
    window_resize(s);
    if (!w->draining && s->now_us - w->rtt_min_at_us > RTT_MIN_VALID_US)
        drain_start(s);
}

void window_delivered(struct session *s, uint64_t bytes)
{
    struct window *w = &s->window;
    w->delivered += bytes;
    if (w->draining && w->drained_seq == UINT64_MAX && s->send.in_flight <= window_drained(s))
        w->drained_seq = s->send.next;
    if (w->draining && s->now_us - w->draining_since_us > DRAIN_MAX_US)
        drain_end(s);
    uint64_t elapsed_us = s->now_us - w->round_us;
    if (s->send.first < w->round_end || elapsed_us < max_u64(w->rtt_min_us, ROUND_MIN_US))
        return;
    if (w->round_limited && !w->draining)
        round_finish(s, elapsed_us);
    round_start(s);
}

void window_lost(struct session *s)
{
    struct window *w = &s->window;
    if (w->lossy && s->now_us - w->loss_us < w->rtt_us)
        return;
    w->lossy = true;
    w->starting = false;
    w->loss_us = s->now_us;
    w->bytes = max_u64(w->bytes / 2, window_floor(s));
}

uint64_t window_timeout(const struct session *s)
{
    const struct window *w = &s->window;
    uint64_t base = w->rtt_us == 0 ? TIMEOUT_FIRST_US : max_u64(w->rtt_us + 4 * w->rtt_var_us, TIMEOUT_MIN_US);
    unsigned doublings = s->send.probes < 6 ? s->send.probes : 6;
    return min_u64(base << doublings, TIMEOUT_MAX_US);
}
