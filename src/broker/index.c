/* SPDX-License-Identifier: Apache-2.0 */
/* Subscriptions by filter. */
#include "broker/index.h"

#include "mqtt/topic.h"

static struct index_node *index_node(struct trie_node *n)
{
    return n == NULL ? NULL : CONTAINER_OF(n, struct index_node, trie);
}

static void node_init(struct trie_node *n)
{
    for (unsigned kind = 0; kind < INDEX_KINDS; kind++)
        list_init(&index_node(n)->here[kind]);
}

static bool node_empty(const struct trie_node *n)
{
    const struct index_node *x = CONTAINER_OF(n, struct index_node, trie);
    return list_empty(&x->here[INDEX_ALL]) && list_empty(&x->here[INDEX_ANY]) && x->elsewhere[INDEX_ALL] == 0 &&
           x->elsewhere[INDEX_ANY] == 0;
}

bool index_init(struct index *x, const uint64_t key[2])
{
    return trie_init(&x->trie, sizeof(struct index_node), node_init, node_empty, key);
}

void index_done(struct index *x) { trie_done(&x->trie); }

bool index_add(struct index *x, struct mqtt_span filter, struct subscription *s)
{
    struct index_node *n = index_node(trie_get(&x->trie, filter));
    if (n == NULL)
        return false;
    s->node = n;
    list_append(&n->here[s->kind], &s->at_node);
    return true;
}

bool index_remove(struct index *x, struct subscription *s, char *filter, size_t size, size_t *len)
{
    struct index_node *n = s->node;
    s->node = NULL;
    list_remove(&s->at_node);
    bool last = list_empty(&n->here[s->kind]);
    if (last)
        *len = trie_topic(&n->trie, filter, size);
    trie_prune(&x->trie, &n->trie);
    return last;
}

struct index_node *index_find(const struct index *x, struct mqtt_span filter)
{
    return index_node(trie_find(&x->trie, filter));
}

bool index_mark(struct index *x, struct mqtt_span filter, enum index_kind kind, unsigned shard, bool on)
{
    struct trie_node *t = on ? trie_get(&x->trie, filter) : trie_find(&x->trie, filter);
    if (t == NULL)
        return !on;
    uint64_t bit = UINT64_C(1) << shard;
    struct index_node *n = index_node(t);
    n->elsewhere[kind] = on ? n->elsewhere[kind] | bit : n->elsewhere[kind] & ~bit;
    trie_prune(&x->trie, t);
    return true;
}

struct matching {
    const struct trie *trie;
    index_found_fn *found;
    void *ctx;
};

/*
 * `n` has matched all levels so far; `rest` are those left. As deep as the deepest filter, which has at most
 * MQTT_TOPIC_LEVELS_MAX levels. `wild`: wildcards count at this level.
 */
static void match_below(const struct matching *m, struct trie_node *n, struct mqtt_span rest, bool wild)
{
    if (n->rest != NULL && wild)
        m->found(m->ctx, index_node(n->rest));
    struct mqtt_span level;
    if (!mqtt_topic_next_level(&rest, &level)) {
        m->found(m->ctx, index_node(n));
        return;
    }
    struct trie_node *child = trie_child(m->trie, n, level);
    if (child != NULL)
        match_below(m, child, rest, true);
    if (n->plus != NULL && wild)
        match_below(m, n->plus, rest, true);
}

void index_match(const struct index *x, struct mqtt_span topic, index_found_fn *found, void *ctx)
{
    struct matching m = {&x->trie, found, ctx};
    match_below(&m, x->trie.root, topic, topic.data[0] != '$');
}
