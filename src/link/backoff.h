/* SPDX-License-Identifier: Apache-2.0 */
/* When to try again: exponential with jitter, so that a thousand clients do not come back in the same moment. Pure. */
#ifndef LINK_BACKOFF_H
#define LINK_BACKOFF_H

#include <stdint.h>

#include "base/clock.h"

#define BACKOFF_FIRST_US (100 * US_PER_MS)
/* Streams wait for the grace time, a minute by default: a broker that takes half of it to start is found in time. */
#define BACKOFF_LAST_US (10 * US_PER_S)
/* A connection that lived so long was a good one: the next loss is the first again. */
#define BACKOFF_LIVED_US (5 * US_PER_S)
/* The last step after connections that were up for a shorter time: streams are waiting. */
#define BACKOFF_SHORT_US (400 * US_PER_MS)

struct backoff {
    unsigned max_failures; /* 0: no end */
    unsigned failures;     /* attempts in a row that did not come up */
    unsigned short_lives;  /* connections in a row that were up, but not for long */
};

/*
 * An attempt failed (lived_us 0), or a connection that had lived `lived_us` was lost. Microseconds to wait, between a
 * half and the whole of the step; `random` chooses. CLOCK_NEVER when there were max_failures in a row.
 */
uint64_t backoff_next(struct backoff *b, uint64_t lived_us, uint32_t random);

/*
 * What is left of a pause after an attempt that took `took_us` in vain: pauses count from when an attempt began, so that a broker
 * that is back, but was silent at first, is not waited for longer than one that refused. At least the first step's half.
 */
uint64_t backoff_left(uint64_t pause_us, uint64_t took_us);

#endif
