/* SPDX-License-Identifier: Apache-2.0 */
/* When to try again: exponential with jitter, so that a thousand clients do not come back in the same moment. Pure. */
#ifndef LINK_BACKOFF_H
#define LINK_BACKOFF_H

#include <stdint.h>

#include "base/clock.h"

#define BACKOFF_FIRST_US (100 * US_PER_MS)
#define BACKOFF_LAST_US (30 * US_PER_S)
/* A connection that lived so long was a good one: counting starts anew. */
#define BACKOFF_LIVED_US (5 * US_PER_S)

struct backoff {
    unsigned max_failures; /* consecutive; 0: no end */
    unsigned failures;
};

/*
 * An attempt failed (lived_us 0), or a connection that had lived `lived_us` was lost. Microseconds to wait, between a
 * half and the whole of the step; `random` chooses. CLOCK_NEVER when there were max_failures in a row.
 */
uint64_t backoff_next(struct backoff *b, uint64_t lived_us, uint32_t random);

#endif
