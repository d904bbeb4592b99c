/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time, and processor time, in microseconds. Deadlines never use the wall clock. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define US_PER_MS UINT64_C(1000)
#define US_PER_S UINT64_C(1000000)
#define CLOCK_NEVER UINT64_MAX

/* Now; any thread. */
uint64_t clock_now_us(void);
/* Processor time that the calling thread has used. */
uint64_t clock_thread_us(void);

#endif
