/* SPDX-License-Identifier: Apache-2.0 */
/* Where streams go: to the session's worker, and to all while that is busy. */
#include "base/clock.h"
#include "client/placing.h"
#include "tap.h"

#define STEP_US (100 * US_PER_MS)

static uint64_t now_us, cpu_us;
static unsigned counts[4];

/* `percent` of a processor for a while, with ten streams opened in each step. */
static void run(struct placing *p, int steps, unsigned percent)
{
    memset(counts, 0, sizeof(counts));
    for (int i = 0; i < steps; i++) {
        now_us += STEP_US;
        cpu_us += STEP_US * percent / 100;
        for (int k = 0; k < 10; k++)
            counts[placing_choose(p, 1, 4, now_us, cpu_us)]++;
    }
}

static void stays_at_home(void)
{
    struct placing p = {0};
    now_us = 1000 * US_PER_S;
    cpu_us = 30 * US_PER_S; /* from before the first stream */
    run(&p, 10, 50);
    OK_INT(counts[1], 100);
}

static void goes_round_while_busy(void)
{
    struct placing p = {0};
    now_us = US_PER_S;
    cpu_us = 0;
    run(&p, 1, 90); /* nothing is known at first */
    OK_INT(counts[1], 10);
    run(&p, 10, 90);
    for (int i = 0; i < 4; i++)
        OK_INT(counts[i], 25);
    run(&p, 10, 20);
    OK_INT(counts[1], 100);
}

static void forgets_a_long_pause(void)
{
    struct placing p = {0};
    now_us = US_PER_S;
    cpu_us = 0;
    run(&p, 2, 90);
    now_us += 3600 * US_PER_S;
    OK_INT(placing_choose(&p, 1, 4, now_us, cpu_us), 1);
}

int main(void)
{
    const struct tap_case cases[] = {
        {"streams stay with their session", stays_at_home},
        {"all workers take turns while that one is busy", goes_round_while_busy},
        {"a long pause is no load", forgets_a_long_pause},
    };
    return TAP_RUN(cases);
}
