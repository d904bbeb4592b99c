/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive hash table with keyed hashes (strangers choose the keys). Grows by doubling; the owner worker's own. */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_node {
    struct table_node *next;
    uint64_t hash;
};

struct table {
    struct table_node **buckets;
    size_t mask; /* buckets - 1 */
    size_t count;
};

/* SipHash-1-3 of `len` bytes; the key is the process's secret. */
uint64_t table_hash(const uint64_t key[2], const void *data, size_t len);

/* False without memory. */
bool table_init(struct table *t);
/* Frees the buckets; the nodes are the caller's. */
void table_done(struct table *t);
void table_add(struct table *t, struct table_node *n, uint64_t hash);
void table_remove(struct table *t, struct table_node *n);
/* The first node with this hash, and the next one behind `n` with the same; NULL at the end. */
struct table_node *table_first(const struct table *t, uint64_t hash);
struct table_node *table_next(const struct table_node *n);

#endif
