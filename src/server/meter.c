/* SPDX-License-Identifier: Apache-2.0 */
/* Meters by name. */
#include "server/meter.h"

#include <stdlib.h>
#include <string.h>

#include "base/object.h"

#define NS_PER_US UINT64_C(1000)
#define NS_PER_S UINT64_C(1000000000)
/* What was not used of so long a time may be made up for: timers are late. */
#define CREDIT_NS (100 * NS_PER_US * 1000)

bool meters_init(struct meters *m, const uint64_t key[static 2])
{
    memcpy(m->key, key, sizeof(m->key));
    pthread_mutex_init(&m->lock, NULL);
    return table_init(&m->by_name);
}

void meters_done(struct meters *m)
{
    table_done(&m->by_name);
    pthread_mutex_destroy(&m->lock);
}

static struct meter *meter_find(const struct meters *m, const char *name, uint64_t hash)
{
    for (struct table_node *n = table_first(&m->by_name, hash); n != NULL; n = table_next(n)) {
        struct meter *found = CONTAINER_OF(n, struct meter, by_name);
        if (strcmp(found->name, name) == 0)
            return found;
    }
    return NULL;
}

struct meter *meter_get(struct meters *m, const char *name)
{
    uint64_t hash = table_hash(m->key, name, strlen(name));

    pthread_mutex_lock(&m->lock);
    struct meter *found = meter_find(m, name, hash);
    if (found == NULL && (found = calloc(1, sizeof(*found))) != NULL) {
        found->among = m;
        strncpy(found->name, name, METER_NAME_MAX);
        table_add(&m->by_name, &found->by_name, hash);
    }
    if (found != NULL)
        found->refs++;
    pthread_mutex_unlock(&m->lock);
    return found;
}

void meter_unref(struct meter *m)
{
    if (m == NULL)
        return;
    struct meters *among = m->among;
    pthread_mutex_lock(&among->lock);
    if (--m->refs == 0) {
        table_remove(&among->by_name, &m->by_name);
        free(m);
    }
    pthread_mutex_unlock(&among->lock);
}

bool meter_take(struct meter *m, unsigned max)
{
    unsigned before = atomic_fetch_add_explicit(&m->streams, 1, memory_order_relaxed);

    if (max == 0 || before < max)
        return true;
    meter_give(m);
    return false;
}

void meter_give(struct meter *m) { atomic_fetch_sub_explicit(&m->streams, 1, memory_order_relaxed); }

uint64_t meter_charge(struct meter *m, enum meter_way way, uint64_t rate, size_t bytes, uint64_t now_us)
{
    uint64_t now = now_us * NS_PER_US, lasts = bytes * NS_PER_S / rate;
    uint64_t before = atomic_load_explicit(&m->free_ns[way], memory_order_relaxed), after;

    do {
        uint64_t earliest = now > CREDIT_NS ? now - CREDIT_NS : 0;
        after = (before > earliest ? before : earliest) + lasts;
    } while (!atomic_compare_exchange_weak_explicit(&m->free_ns[way], &before, after, memory_order_relaxed,
                                                    memory_order_relaxed));
    return after > now ? (after - now + NS_PER_US - 1) / NS_PER_US : 0;
}
