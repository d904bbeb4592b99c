/* SPDX-License-Identifier: Apache-2.0 */
/* Pulse: whether all workers still do what they are asked, for the manager's watchdog. Main thread; never blocks. */
#ifndef BASE_PULSE_H
#define BASE_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/worker.h"
#include "mdm-tunnel/limits.h"

struct beat {
    struct mail mail;
    atomic_bool waits; /* has not come back */
};

struct pulse {
    unsigned count;
    struct worker *const *workers;
    struct beat beat[WORKERS_MAX];
    uint64_t due_us; /* when it is felt next */
};

/* Outlives the workers' threads. */
void pulse_init(struct pulse *p, struct worker *const *workers, unsigned count);
/* Where it is time (notify_alive_us()) asks all workers, and the manager hears of us where all have answered the last time. The time
 * until the next; CLOCK_NEVER: nobody wants to hear. */
uint64_t pulse_feel(struct pulse *p, uint64_t now_us);

#endif
