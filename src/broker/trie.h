/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree of topic levels, for subscriptions (filters) and for retained messages (names). A child is found by one look
 * into a hash table for the whole tree, so a level with 100,000 children costs no more than one with two. Pure.
 */
#ifndef BROKER_TRIE_H
#define BROKER_TRIE_H

#include "base/list.h"
#include "base/table.h"
#include "mqtt/text.h"

/* First member of the user's node. */
struct trie_node {
    struct table_node table;
    struct trie_node *parent;
    struct trie_node *plus, *rest; /* the children "+" and "#" */
    struct list children, sibling;
    struct mqtt_span level; /* stored behind the user's node */
};

struct trie {
    struct table table;
    struct trie_node *root; /* a user's node, too */
    size_t node_size;
    void (*node_init)(struct trie_node *n);
    bool (*node_empty)(const struct trie_node *n); /* nothing of the user's in it */
    uint64_t key[2];
};

/* `node_size` is the size of the user's node. False without memory. */
bool trie_init(struct trie *t, size_t node_size, void (*node_init)(struct trie_node *),
               bool (*node_empty)(const struct trie_node *), const uint64_t key[2]);
/* Frees all nodes. What the user had in them must be gone. */
void trie_done(struct trie *t);

struct trie_node *trie_child(const struct trie *t, const struct trie_node *parent, struct mqtt_span level);
/* The node of a topic; NULL when there is none. */
struct trie_node *trie_find(const struct trie *t, struct mqtt_span topic);
/* Makes it and the nodes above when there is none; NULL without memory. */
struct trie_node *trie_get(struct trie *t, struct mqtt_span topic);
/* Frees the node and those above it as far as they are empty and without children. */
void trie_prune(struct trie *t, struct trie_node *n);
/* The topic of a node, without NUL; returns its length, and writes only if `size` is enough. */
size_t trie_topic(const struct trie_node *n, char *topic, size_t size);

static inline struct trie_node *trie_sibling_node(struct list *l) { return CONTAINER_OF(l, struct trie_node, sibling); }

#endif
