/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much may be in flight: about twice the delivered rate times the way's own round trip, so a slow uplink holds no
 * long queue and a long fat path is filled.
 *
 * Time goes in rounds (what was in flight is acknowledged, and ROUND_MIN_US have passed). Only rounds that the window
 * limited say anything about the way. The round trip is the lowest of prompt answers; as our own queue would hide it
 * for ever, the window is closed for a moment whenever it was not seen for RTT_MIN_VALID_US.
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

/* What the way itself holds. */
static uint64_t window_path(const struct session *s)
{
    return s->window.rate * max_u64(s->window.rtt_min_us, RTT_FLOOR_US) / US_PER_S;
}

static uint64_t window_drained(const struct session *s) { return max_u64(DRAIN_BYTES_MIN, window_path(s) / 2); }

void window_init(struct session *s)
{
    s->window = (struct window){.bytes = window_floor(s),
                                .rtt_min_at_us = s->now_us,
                                .round_us = s->now_us,
                                .round_end = s->send.next,
                                .delivered = s->window.delivered,
                                .round_delivered = s->window.delivered};
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

static void window_rtt_min(struct session *s, uint64_t rtt_us, uint64_t seq)
{
    struct window *w = &s->window;
    bool measured = w->draining && seq >= w->drained_seq;
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
    if (prompt)
        window_rtt_min(s, rtt_us, seq);
}

static void window_resize(struct session *s)
{
    struct window *w = &s->window;
    uint64_t wanted = 2 * window_path(s);
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
    w->round_limited = false;
}

static void round_finish(struct session *s, uint64_t elapsed_us)
{
    struct window *w = &s->window;
    w->rates[w->rounds++ % WINDOW_ROUNDS] = (w->delivered - w->round_delivered) * US_PER_S / elapsed_us;
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
    if (s->send.first < w->round_end || elapsed_us < ROUND_MIN_US)
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
