/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time, processor time. */
#include "base/clock.h"

#include <time.h>

static uint64_t clock_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * US_PER_S + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_now_us(void) { return clock_us(CLOCK_MONOTONIC); }
uint64_t clock_thread_us(void) { return clock_us(CLOCK_THREAD_CPUTIME_ID); }
