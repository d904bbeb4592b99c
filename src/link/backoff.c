/* SPDX-License-Identifier: Apache-2.0 */
/* When to try again. */
#include "link/backoff.h"

static uint64_t backoff_step(unsigned failures, uint64_t last_us)
{
    uint64_t step = BACKOFF_FIRST_US;
    for (unsigned i = 1; i < failures && step < last_us; i++)
        step *= 2;
    return step < last_us ? step : last_us;
}

static unsigned one_more(unsigned count) { return count < UINT32_MAX ? count + 1 : count; }

uint64_t backoff_next(struct backoff *b, uint64_t lived_us, uint32_t random)
{
    b->failures = lived_us > 0 ? 0 : one_more(b->failures);
    b->short_lives = lived_us >= BACKOFF_LIVED_US ? 0 : lived_us > 0 ? one_more(b->short_lives) : b->short_lives;
    if (b->max_failures != 0 && b->failures >= b->max_failures)
        return CLOCK_NEVER;
    uint64_t step = lived_us > 0 ? backoff_step(b->short_lives, BACKOFF_SHORT_US)
                                 : backoff_step(b->failures, BACKOFF_LAST_US);
    return step / 2 + step / 2 * random / UINT32_MAX;
}
