/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which worker has a stream's connection to its service. Best is the one that has the session: nothing has to be posted
 * to another thread and wake it, and all that a turn had to say leaves in one envelope. Only while that one has its
 * hands full all workers take turns. Pure; belongs to the session's worker.
 */
#ifndef CLIENT_PLACING_H
#define CLIENT_PLACING_H

#include <stdbool.h>
#include <stdint.h>

struct placing {
    uint64_t at_us, cpu_us; /* when it was last looked at the worker's processor time, and that */
    bool busy;              /* what came of it */
    unsigned next;          /* while busy */
};

/* `home`: the session's worker; `cpu_us`: the processor time that its thread has used in its life (clock_thread_us()). */
unsigned placing_choose(struct placing *p, unsigned home, unsigned workers, uint64_t now_us, uint64_t cpu_us);

#endif
