/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subscription index of one shard: its own subscriptions in full, and for each filter which other shards have some.
 * Two kinds: a message goes to ALL subscriptions of the first kind, and to ANY shard with one of the second (direct
 * lines that take what arrived near them first). Pure.
 */
#ifndef BROKER_INDEX_H
#define BROKER_INDEX_H

#include "broker/trie.h"

struct conn;
struct broker_line;

enum index_kind { INDEX_ALL, INDEX_ANY, INDEX_KINDS };

/* One filter of a connection or of a line; exactly one of the two is set. */
struct subscription {
    struct list at_node, of_owner;
    struct index_node *node;
    struct conn *conn;
    struct broker_line *line;
    enum index_kind kind;
    uint8_t qos;
    bool no_local, retain_as_published;
};

struct index_node {
    struct trie_node trie;
    struct list here[INDEX_KINDS];
    uint64_t elsewhere[INDEX_KINDS]; /* a bit for each other shard */
};

struct index {
    struct trie trie;
};

bool index_init(struct index *x, const uint64_t key[2]);
/* The subscriptions themselves are their owners'. */
void index_done(struct index *x);

/* Puts `s` (kind set) at its filter; false without memory. */
bool index_add(struct index *x, struct mqtt_span filter, struct subscription *s);
/* Takes it out. True when it was this shard's last one of its kind for the filter, which is written to `filter`. */
bool index_remove(struct index *x, struct subscription *s, char *filter, size_t size, size_t *len);
/* The node of a filter if there is one. */
struct index_node *index_find(const struct index *x, struct mqtt_span filter);
/* Notes that another shard has subscriptions for the filter, or none any more. False without memory. */
bool index_mark(struct index *x, struct mqtt_span filter, enum index_kind kind, unsigned shard, bool on);

typedef void index_found_fn(void *ctx, struct index_node *n);
/* Calls `found` for each filter that matches the topic name. The callback must not change the index. */
void index_match(const struct index *x, struct mqtt_span topic, index_found_fn *found, void *ctx);

#endif
