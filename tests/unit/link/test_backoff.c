/* SPDX-License-Identifier: Apache-2.0 */
/* When a link tries again. */
#include "link/backoff.h"
#include "tap.h"

static void doubles_up_to_the_last_step(void)
{
    struct backoff b = {0};
    uint64_t step = BACKOFF_FIRST_US;
    for (int i = 0; i < 12; i++) {
        OK_INT(backoff_next(&b, 0, UINT32_MAX), step);
        step = step * 2 < BACKOFF_LAST_US ? step * 2 : BACKOFF_LAST_US;
    }
    OK_INT(step, BACKOFF_LAST_US);
}

static void jitter_is_between_half_and_whole(void)
{
    const uint32_t randoms[] = {0, 1, UINT32_MAX / 2, UINT32_MAX};
    uint64_t last = 0;
    for (size_t i = 0; i < sizeof(randoms) / sizeof(randoms[0]); i++) {
        struct backoff b = {0};
        uint64_t us = backoff_next(&b, 0, randoms[i]);
        OK(us >= BACKOFF_FIRST_US / 2 && us <= BACKOFF_FIRST_US);
        OK(us >= last);
        last = us;
    }
    OK_INT(last, BACKOFF_FIRST_US);
}

static void only_a_long_life_resets(void)
{
    struct backoff b = {0};
    for (int i = 0; i < 4; i++)
        backoff_next(&b, 0, 0);
    OK_INT(backoff_next(&b, 0, UINT32_MAX), 16 * BACKOFF_FIRST_US);
    OK_INT(backoff_next(&b, BACKOFF_LIVED_US - 1, UINT32_MAX), BACKOFF_FIRST_US);
    OK_INT(backoff_next(&b, BACKOFF_LIVED_US - 1, UINT32_MAX), 2 * BACKOFF_FIRST_US);
    OK_INT(backoff_next(&b, 0, UINT32_MAX), BACKOFF_FIRST_US);
    OK_INT(backoff_next(&b, BACKOFF_LIVED_US, UINT32_MAX), BACKOFF_FIRST_US);
    OK_INT(backoff_next(&b, 0, UINT32_MAX), BACKOFF_FIRST_US);
    OK_INT(backoff_next(&b, 0, UINT32_MAX), 2 * BACKOFF_FIRST_US);
}

static void a_short_life_is_no_reason_to_wait_long(void)
{
    struct backoff b = {0};
    OK_INT(backoff_next(&b, 1, UINT32_MAX), BACKOFF_FIRST_US);
    OK_INT(backoff_next(&b, 1, UINT32_MAX), 2 * BACKOFF_FIRST_US);
    for (int i = 0; i < 50; i++)
        OK_INT(backoff_next(&b, 1, UINT32_MAX), BACKOFF_SHORT_US);
}

static void gives_up_after_max_failures(void)
{
    struct backoff b = {.max_failures = 3};
    OK(backoff_next(&b, 0, 0) != CLOCK_NEVER);
    OK(backoff_next(&b, 0, 0) != CLOCK_NEVER);
    OK(backoff_next(&b, BACKOFF_LIVED_US, 0) != CLOCK_NEVER);
    OK(backoff_next(&b, 0, 0) != CLOCK_NEVER);
    OK(backoff_next(&b, 0, 0) != CLOCK_NEVER);
    OK(backoff_next(&b, 0, 0) == CLOCK_NEVER);
    OK(backoff_next(&b, 0, 0) == CLOCK_NEVER);
}

static void never_gives_up_without_a_maximum(void)
{
    struct backoff b = {.failures = UINT32_MAX - 2};
    for (int i = 0; i < 5; i++)
        OK_INT(backoff_next(&b, 0, UINT32_MAX), BACKOFF_LAST_US);
}

static void a_pause_counts_from_the_attempt(void)
{
    OK_INT(backoff_left(BACKOFF_LAST_US, 0), BACKOFF_LAST_US);
    OK_INT(backoff_left(BACKOFF_LAST_US, 2 * US_PER_S), BACKOFF_LAST_US - 2 * US_PER_S);
    OK_INT(backoff_left(BACKOFF_LAST_US, BACKOFF_LAST_US), BACKOFF_FIRST_US / 2);
    OK_INT(backoff_left(BACKOFF_LAST_US, 3 * BACKOFF_LAST_US), BACKOFF_FIRST_US / 2);
    OK_INT(backoff_left(BACKOFF_FIRST_US / 2, US_PER_S), BACKOFF_FIRST_US / 2);
    OK_INT(backoff_left(0, US_PER_S), 0);
    OK(backoff_left(CLOCK_NEVER, US_PER_S) == CLOCK_NEVER);
}

int main(void)
{
    const struct tap_case cases[] = {
        {"doubles up to the last step", doubles_up_to_the_last_step},
        {"jitter is between half and whole", jitter_is_between_half_and_whole},
        {"only a long life resets", only_a_long_life_resets},
        {"a short life is no reason to wait long", a_short_life_is_no_reason_to_wait_long},
        {"gives up after max_failures", gives_up_after_max_failures},
        {"a pause counts from the attempt", a_pause_counts_from_the_attempt},
        {"never gives up without a maximum", never_gives_up_without_a_maximum},
    };
    return TAP_RUN(cases);
}
