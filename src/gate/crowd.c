/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/crowd.h"

#include <stdatomic.h>
#include <sys/random.h>

#include "base/object.h"
#include "base/tcp.h"

#define CROWD_MAGIC 0x63726f77u
#define PLACES 16384 /* a power of two */
#define NOWHERE (PLACES + 1) /* the place of who counts for no address */

struct crowd {
    OBJECT_MAGIC;
    unsigned max, max_per_address;
    uint64_t key[2];
    atomic_uint total;
    atomic_uint at[PLACES];
};

struct crowd *crowd_create(unsigned max, unsigned max_per_address)
{
    struct crowd *c;
    ALLOC_OBJECT(c, CROWD_MAGIC);
    if (c == NULL)
        return NULL;
    c->max = max;
    c->max_per_address = max_per_address;
    if (getrandom(c->key, sizeof(c->key), 0) != sizeof(c->key))
        crowd_free(&c);
    return c;
}

void crowd_free(struct crowd **cp)
{
    struct crowd *c;
    if (*cp == NULL)
        return;
    TAKE_OBJECT(c, cp, CROWD_MAGIC);
    FREE_OBJECT(c);
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint32_t place_of(const struct crowd *c, const struct sockaddr *peer)
{
    if (peer == NULL || c->max_per_address == 0)
        return NOWHERE;
    return (uint32_t)(mix(mix(tcp_address_network(peer) ^ c->key[0]) ^ c->key[1]) & (PLACES - 1)) + 1;
}

uint32_t crowd_enter(struct crowd *c, const struct sockaddr *peer)
{
    CHECK_OBJECT(c, CROWD_MAGIC);
    uint32_t place = place_of(c, peer);
    if (atomic_fetch_add(&c->total, 1) < c->max) {
        if (place == NOWHERE || atomic_fetch_add(&c->at[place - 1], 1) < c->max_per_address)
            return place;
        atomic_fetch_sub(&c->at[place - 1], 1);
    }
    atomic_fetch_sub(&c->total, 1);
    return 0;
}

void crowd_leave(struct crowd *c, uint32_t *place)
{
    uint32_t had = *place;
    CHECK_OBJECT(c, CROWD_MAGIC);
    assert(had <= NOWHERE);
    *place = 0;
    if (had == 0)
        return;
    if (had != NOWHERE)
        atomic_fetch_sub(&c->at[had - 1], 1);
    atomic_fetch_sub(&c->total, 1);
}
