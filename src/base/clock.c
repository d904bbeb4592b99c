/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time. */
#include "base/clock.h"

#include <time.h>

uint64_t clock_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * US_PER_S + (uint64_t)now.tv_nsec / 1000;
}
