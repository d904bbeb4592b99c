/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters: each worker adds to its own set (no contention), a reader sums over the sets. The rows come from
 * include/mdm-tunnel/tbl/counters.h; so do names and help texts.
 */
#ifndef BASE_COUNTERS_H
#define BASE_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

enum counter {
#define COUNTER(id, kind, owner, text) COUNTER_##id,
#include "mdm-tunnel/tbl/counters.h"
#undef COUNTER
    COUNTER_MAX
};

/* Which programs have a counter. */
enum counter_owner { COUNTER_OF_server = 1, COUNTER_OF_proxy = 2, COUNTER_OF_both = 3 };

struct counters {
    struct list node; /* among the sets that are summed */
    _Atomic uint64_t value[COUNTER_MAX];
};

/* Only the owner of the set adds or subtracts (gauges); relaxed, no lock. */
static inline void counter_add(struct counters *c, enum counter id, uint64_t n)
{
    atomic_store_explicit(&c->value[id], atomic_load_explicit(&c->value[id], memory_order_relaxed) + n,
                          memory_order_relaxed);
}
static inline void counter_sub(struct counters *c, enum counter id, uint64_t n) { counter_add(c, id, 0 - n); }
/* Any thread. */
static inline uint64_t counter_get(const struct counters *c, enum counter id)
{
    return atomic_load_explicit(&c->value[id], memory_order_relaxed);
}

/* The calling worker's set (a thread that is no worker has a set of its own that nobody reads). */
struct counters *counters_self(void);
/* The sum over all workers' sets. Any thread. */
uint64_t counters_sum(enum counter id);
/* The worker's own: `c` (zeroed) is the calling thread's set, until it leaves and its values go into a common rest. */
void counters_join(struct counters *c);
void counters_leave(struct counters *c);

const char *counter_name(enum counter id);
const char *counter_text(enum counter id);
enum counter_owner counter_owner(enum counter id);
/* Or a gauge. */
bool counter_is_total(enum counter id);

#endif
