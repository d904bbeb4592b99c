/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Meters: what is being used of something that all workers share, by name ("tim", "tim/hello"): requests under way, and
 * when the bytes of the last ones will have passed. A meter outlives a change of the rules that refer to it. The numbers
 * are atomic; the lock is taken where meters are made and given back, which is when a client says what it offers.
 */
#ifndef SERVER_METER_H
#define SERVER_METER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/table.h"
#include "mdm-tunnel/limits.h"

#define METER_NAME_MAX (2 * NAME_MAX_BYTES + 1)

enum meter_way { METER_UP /* to the service */, METER_DOWN, METER_WAYS };

struct meters {
    pthread_mutex_t lock;
    struct table by_name;
    uint64_t key[2];
};

struct meter {
    struct table_node by_name;
    struct meters *among;
    unsigned refs; /* under the lock */
    atomic_uint streams;
    _Atomic uint64_t free_ns[METER_WAYS]; /* when the way is free again */
    char name[METER_NAME_MAX + 1];
};

/* False without memory. */
bool meters_init(struct meters *m, const uint64_t key[static 2]);
void meters_done(struct meters *m);
/* The meter of that name, made if there is none; a reference. NULL without memory. Any thread, as all below. */
struct meter *meter_get(struct meters *m, const char *name);
void meter_unref(struct meter *m); /* NULL is allowed */

/* One more stream, unless there are `max` (0: any number). */
bool meter_take(struct meter *m, unsigned max);
void meter_give(struct meter *m);
/* `bytes` have passed at `now_us`: how long the next ones have to wait, in microseconds. `rate` in bytes a second, not 0. */
uint64_t meter_charge(struct meter *m, enum meter_way way, uint64_t rate, size_t bytes, uint64_t now_us);

#endif
