/* SPDX-License-Identifier: Apache-2.0 */
/* Hash table and its hash. */
#include "base/table.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 64

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, unsigned n) { return x << n | x >> (64 - n); }

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

uint64_t table_hash(const uint64_t key[2], const void *data, size_t len)
{
    struct sip s = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                    key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    const uint8_t *at = data;
    uint64_t word;
    for (size_t left = len; left >= 8; left -= 8, at += 8) {
        memcpy(&word, at, 8);
        sip_word(&s, word);
    }
    word = 0;
    if (len % 8 > 0)
        memcpy(&word, at, len % 8);
    sip_word(&s, word | (uint64_t)len << 56);
    s.v2 ^= 0xFF;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

bool table_init(struct table *t)
{
    *t = (struct table){.buckets = calloc(BUCKETS_FIRST, sizeof(struct table_node *)), .mask = BUCKETS_FIRST - 1};
    return t->buckets != NULL;
}

void table_done(struct table *t)
{
    free(t->buckets);
    t->buckets = NULL;
}

/* Without memory the chains get longer. */
static void table_grow(struct table *t)
{
    size_t old = t->mask + 1, count = old * 2;
    struct table_node **buckets = calloc(count, sizeof(*buckets)), *n;
    if (buckets == NULL)
        return;
    for (size_t i = 0; i < old; i++) {
        while ((n = t->buckets[i]) != NULL) {
            t->buckets[i] = n->next;
            n->next = buckets[n->hash & (count - 1)];
            buckets[n->hash & (count - 1)] = n;
        }
    }
    free(t->buckets);
    t->buckets = buckets;
    t->mask = count - 1;
}

void table_add(struct table *t, struct table_node *n, uint64_t hash)
{
    if (t->count > t->mask)
        table_grow(t);
    n->hash = hash;
    n->next = t->buckets[hash & t->mask];
    t->buckets[hash & t->mask] = n;
    t->count++;
}

void table_remove(struct table *t, struct table_node *n)
{
    struct table_node **at = &t->buckets[n->hash & t->mask];
    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    t->count--;
}

static struct table_node *same_hash(struct table_node *n, uint64_t hash)
{
    while (n != NULL && n->hash != hash)
        n = n->next;
    return n;
}

struct table_node *table_first(const struct table *t, uint64_t hash)
{
    return same_hash(t->buckets[hash & t->mask], hash);
}

struct table_node *table_next(const struct table_node *n) { return same_hash(n->next, n->hash); }
