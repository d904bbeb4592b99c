/* SPDX-License-Identifier: Apache-2.0 */
/* Tree of topic levels. */
#include "broker/trie.h"

#include <stdlib.h>
#include <string.h>

#include "mqtt/topic.h"

/* A child's hash is keyed with its parent's address. */
static uint64_t child_hash(const struct trie *t, const struct trie_node *parent, struct mqtt_span level)
{
    uint64_t key[2] = {t->key[0] ^ (uint64_t)(uintptr_t)parent, t->key[1]};
    return table_hash(key, level.data, level.len);
}

static bool level_is(struct mqtt_span level, char c) { return level.len == 1 && level.data[0] == (uint8_t)c; }

static struct trie_node *node_create(const struct trie *t, struct mqtt_span level)
{
    uint8_t *memory = calloc(1, t->node_size + level.len);
    if (memory == NULL)
        return NULL;
    struct trie_node *n = (struct trie_node *)(void *)memory;
    if (level.len > 0)
        memcpy(memory + t->node_size, level.data, level.len);
    n->level = (struct mqtt_span){memory + t->node_size, level.len};
    list_init(&n->children);
    list_init(&n->sibling);
    t->node_init(n);
    return n;
}

bool trie_init(struct trie *t, size_t node_size, void (*node_init)(struct trie_node *),
               bool (*node_empty)(const struct trie_node *), const uint64_t key[2])
{
    *t = (struct trie){
        .node_size = node_size, .node_init = node_init, .node_empty = node_empty, .key = {key[0], key[1]}};
    t->root = node_create(t, MQTT_SPAN_NONE);
    if (t->root == NULL || !table_init(&t->table)) {
        free(t->root);
        t->root = NULL;
        return false;
    }
    return true;
}

static struct trie_node *deepest(struct trie_node *n)
{
    while (!list_empty(&n->children))
        n = trie_sibling_node(n->children.next);
    return n;
}

void trie_done(struct trie *t)
{
    while (t->root != NULL) {
        struct trie_node *n = deepest(t->root);
        list_remove(&n->sibling);
        if (n == t->root)
            t->root = NULL;
        free(n);
    }
    table_done(&t->table);
}

struct trie_node *trie_child(const struct trie *t, const struct trie_node *parent, struct mqtt_span level)
{
    if (list_empty(&parent->children))
        return NULL;
    struct table_node *n = table_first(&t->table, child_hash(t, parent, level));
    for (; n != NULL; n = table_next(n)) {
        struct trie_node *child = CONTAINER_OF(n, struct trie_node, table);
        if (child->parent == parent && mqtt_span_equal(child->level, level))
            return child;
    }
    return NULL;
}

static struct trie_node *child_add(struct trie *t, struct trie_node *parent, struct mqtt_span level)
{
    struct trie_node *n = node_create(t, level);
    if (n == NULL)
        return NULL;
    n->parent = parent;
    list_append(&parent->children, &n->sibling);
    table_add(&t->table, &n->table, child_hash(t, parent, level));
    if (level_is(level, '+'))
        parent->plus = n;
    else if (level_is(level, '#'))
        parent->rest = n;
    return n;
}

struct trie_node *trie_find(const struct trie *t, struct mqtt_span topic)
{
    struct trie_node *n = t->root;
    struct mqtt_span level;
    while (n != NULL && mqtt_topic_next_level(&topic, &level))
        n = trie_child(t, n, level);
    return n;
}

struct trie_node *trie_get(struct trie *t, struct mqtt_span topic)
{
    struct trie_node *n = t->root;
    struct mqtt_span level;
    while (mqtt_topic_next_level(&topic, &level)) {
        struct trie_node *child = trie_child(t, n, level);
        if (child == NULL)
            child = child_add(t, n, level);
        if (child == NULL) {
            trie_prune(t, n);
            return NULL;
        }
        n = child;
    }
    return n;
}

void trie_prune(struct trie *t, struct trie_node *n)
{
    while (n->parent != NULL && list_empty(&n->children) && t->node_empty(n)) {
        struct trie_node *parent = n->parent;
        if (parent->plus == n)
            parent->plus = NULL;
        if (parent->rest == n)
            parent->rest = NULL;
        list_remove(&n->sibling);
        table_remove(&t->table, &n->table);
        free(n);
        n = parent;
    }
}

size_t trie_topic(const struct trie_node *n, char *topic, size_t size)
{
    size_t len = n->level.len;
    for (const struct trie_node *up = n->parent; up->parent != NULL; up = up->parent)
        len += up->level.len + 1;
    if (len > size)
        return len;
    char *at = topic + len;
    for (bool last = true; n->parent != NULL; n = n->parent, last = false) {
        if (!last)
            *--at = '/';
        at -= n->level.len;
        if (n->level.len > 0)
            memcpy(at, n->level.data, n->level.len);
    }
    return len;
}
