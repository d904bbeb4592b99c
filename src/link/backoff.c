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

uint64_t backoff_left(uint64_t pause_us, uint64_t took_us)
{
    const uint64_t least = BACKOFF_FIRST_US / 2;
    if (pause_us == CLOCK_NEVER || pause_us < least)
        return pause_us;
    return pause_us > took_us && pause_us - took_us > least ? pause_us - took_us : least;
}

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
