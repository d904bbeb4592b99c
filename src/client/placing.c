/* SPDX-License-Identifier: Apache-2.0 */
/* Where streams go. */
#include "client/placing.h"

#include "base/clock.h"

/* So long is looked at a time. */
#define SPAN_US (100 * US_PER_MS)
/* Of a processor: beyond it the worker has its hands full. */
#define BUSY_PERCENT 60

unsigned placing_choose(struct placing *p, unsigned home, unsigned workers, uint64_t now_us, uint64_t cpu_us)
{
    uint64_t span_us = now_us - p->at_us;
    if (span_us >= SPAN_US) {
        p->busy = p->at_us != 0 && (cpu_us - p->cpu_us) * 100 >= span_us * BUSY_PERCENT;
        p->at_us = now_us;
        p->cpu_us = cpu_us;
    }
    return p->busy ? p->next++ % workers : home;
}
