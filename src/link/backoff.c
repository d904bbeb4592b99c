/* SPDX-License-Identifier: Apache-2.0 */
/* When to try again. */
#include "link/backoff.h"

static uint64_t backoff_step(unsigned failures)
{
    uint64_t step = BACKOFF_FIRST_US;
    for (unsigned i = 1; i < failures && step < BACKOFF_LAST_US; i++)
        step *= 2;
    return step < BACKOFF_LAST_US ? step : BACKOFF_LAST_US;
}

uint64_t backoff_next(struct backoff *b, uint64_t lived_us, uint32_t random)
{
    if (lived_us >= BACKOFF_LIVED_US)
        b->failures = 0;
    else if (b->failures < UINT32_MAX)
        b->failures++;
    if (b->max_failures != 0 && b->failures >= b->max_failures)
        return CLOCK_NEVER;
    uint64_t half = backoff_step(b->failures) / 2;
    return half + half * random / UINT32_MAX;
}
