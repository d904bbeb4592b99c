/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/strangers.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#include "base/object.h"

#define STRANGERS_MAGIC 0x57a26e45u
#define PLACES 16384 /* a power of two */

struct strangers {
    OBJECT_MAGIC;
    unsigned max, max_per_address;
    uint64_t key[2];
    atomic_uint total;
    atomic_uint at[PLACES];
};

struct strangers *strangers_create(unsigned max, unsigned max_per_address)
{
    struct strangers *s;
    ALLOC_OBJECT(s, STRANGERS_MAGIC);
    if (s == NULL)
        return NULL;
    s->max = max;
    s->max_per_address = max_per_address;
    if (getrandom(s->key, sizeof(s->key), 0) != sizeof(s->key))
        strangers_free(&s);
    return s;
}

void strangers_free(struct strangers **sp)
{
    struct strangers *s;
    if (*sp == NULL)
        return;
    TAKE_OBJECT(s, sp, STRANGERS_MAGIC);
    FREE_OBJECT(s);
}

/* What counts of an address: an IPv4 one (also inside an IPv6 one), or the network of an IPv6 one. */
static uint64_t address_number(const struct sockaddr *peer)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)peer;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)peer;
    uint64_t network = 0;
    uint32_t address = 0;
    if (peer->sa_family == AF_INET)
        return v4->sin_addr.s_addr;
    if (peer->sa_family != AF_INET6)
        return 0;
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        memcpy(&address, &v6->sin6_addr.s6_addr[12], sizeof(address));
        return address;
    }
    memcpy(&network, &v6->sin6_addr, sizeof(network));
    return network;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint32_t strangers_enter(struct strangers *s, const struct sockaddr *peer)
{
    CHECK_OBJECT(s, STRANGERS_MAGIC);
    uint32_t place = (uint32_t)(mix(mix(address_number(peer) ^ s->key[0]) ^ s->key[1]) & (PLACES - 1));
    if (atomic_fetch_add(&s->total, 1) < s->max) {
        if (atomic_fetch_add(&s->at[place], 1) < s->max_per_address)
            return place + 1;
        atomic_fetch_sub(&s->at[place], 1);
    }
    atomic_fetch_sub(&s->total, 1);
    return 0;
}

void strangers_leave(struct strangers *s, uint32_t place)
{
    CHECK_OBJECT(s, STRANGERS_MAGIC);
    assert(place > 0 && place <= PLACES);
    atomic_fetch_sub(&s->at[place - 1], 1);
    atomic_fetch_sub(&s->total, 1);
}
