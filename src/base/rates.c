/* SPDX-License-Identifier: Apache-2.0 */
/* Rates in sets of eight places. */
#include "base/rates.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/object.h"
#include "base/table.h"
#include "mdm-tunnel/limits.h"

#define US_PER_1000_S UINT64_C(1000000000)
#define PLACES 8
#define SETS (RATE_KEYS_MAX / PLACES)
#define RATES_MAGIC 0x72617465

struct place {
    _Atomic uint64_t key;    /* 0: nobody's */
    _Atomic uint64_t due_us; /* when all that was taken is paid for */
};

struct rates {
    OBJECT_MAGIC;
    uint64_t key[2];
    struct place set[SETS][PLACES];
};

struct rates *rates_create(const uint64_t key[static 2])
{
    struct rates *r;

    ALLOC_OBJECT(r, RATES_MAGIC);
    if (r != NULL)
        memcpy(r->key, key, sizeof(r->key));
    return r;
}

void rates_free(struct rates **rp)
{
    struct rates *r;

    TAKE_OBJECT(r, rp, RATES_MAGIC);
    FREE_OBJECT(r);
}

static uint64_t place_take(struct place *p, uint64_t every_us, uint32_t burst, uint64_t now_us)
{
    uint64_t due = atomic_load_explicit(&p->due_us, memory_order_relaxed), next;

    do {
        next = (due > now_us ? due : now_us) + every_us;
        if (next - now_us > every_us * burst)
            return next - now_us - every_us * burst;
    } while (!atomic_compare_exchange_weak_explicit(&p->due_us, &due, next, memory_order_relaxed, memory_order_relaxed));
    return 0;
}

/* The place of `key`, or one that it gets. */
static struct place *place_find(struct place set[static PLACES], uint64_t key)
{
    struct place *least = &set[0];
    uint64_t least_due = UINT64_MAX;

    for (unsigned i = 0; i < PLACES; i++) {
        uint64_t due = atomic_load_explicit(&set[i].due_us, memory_order_relaxed);
        if (atomic_load_explicit(&set[i].key, memory_order_relaxed) == key)
            return &set[i];
        if (due < least_due) {
            least = &set[i];
            least_due = due;
        }
    }
    atomic_store_explicit(&least->key, key, memory_order_relaxed);
    atomic_store_explicit(&least->due_us, 0, memory_order_relaxed);
    return least;
}

uint64_t rates_take(struct rates *r, const void *what, size_t len, uint32_t per_1000_s, uint32_t burst, uint64_t now_us)
{
    CHECK_OBJECT(r, RATES_MAGIC);
    uint64_t hash = table_hash(r->key, what, len), every_us = US_PER_1000_S / per_1000_s;

    return place_take(place_find(r->set[hash % SETS], hash | 1), every_us > 0 ? every_us : 1, burst, now_us);
}
