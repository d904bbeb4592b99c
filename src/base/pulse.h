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
};

/* Outlives the workers' threads. */
void pulse_init(struct pulse *p, struct worker *const *workers, unsigned count);
/* Asks all workers, once more; false where one of them has not answered the last time. */
bool pulse_ask(struct pulse *p);

#endif
