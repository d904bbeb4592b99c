/* SPDX-License-Identifier: Apache-2.0 */
/* Retained messages by topic. */
#include "broker/retained.h"

#include "base/clock.h"
#include "mdm-tunnel/limits.h"
#include "mqtt/topic.h"

struct retained_node {
    struct trie_node trie;
    struct message *message; /* NULL: no message, or a grave */
    struct list grave;       /* linked: the stamp is of the message that cleared the topic */
    struct list expiring;
    uint64_t stamp;
    unsigned origin;
};

static struct retained_node *retained_node(struct trie_node *n)
{
    return n == NULL ? NULL : CONTAINER_OF(n, struct retained_node, trie);
}

static void node_init(struct trie_node *n)
{
    list_init(&retained_node(n)->grave);
    list_init(&retained_node(n)->expiring);
}

static bool node_empty(const struct trie_node *t)
{
    const struct retained_node *n = CONTAINER_OF(t, struct retained_node, trie);
    return n->message == NULL && list_empty(&n->grave);
}

bool retained_init(struct retained *r, const uint64_t key[2])
{
    r->count = r->grave_count = 0;
    r->swept_us = 0;
    list_init(&r->graves);
    list_init(&r->expiring);
    return trie_init(&r->trie, sizeof(struct retained_node), node_init, node_empty, key);
}

static void messages_free(struct trie_node *n)
{
    message_unref(retained_node(n)->message);
    LIST_FOREACH (node, &n->children)
        messages_free(trie_sibling_node(node)); /* not deeper than MQTT_TOPIC_LEVELS_MAX */
}

void retained_done(struct retained *r)
{
    if (r->trie.root != NULL)
        messages_free(r->trie.root);
    trie_done(&r->trie);
}

bool retained_has_room(const struct retained *r, struct mqtt_span topic)
{
    struct trie_node *t;
    return r->count < MQTT_RETAINED_MAX ||
           ((t = trie_find(&r->trie, topic)) != NULL && retained_node(t)->message != NULL);
}

static void grave_remove(struct retained *r, struct retained_node *n)
{
    if (list_empty(&n->grave))
        return;
    list_remove(&n->grave);
    r->grave_count--;
}

static void grave_add(struct retained *r, struct retained_node *n)
{
    list_append(&r->graves, &n->grave);
    if (++r->grave_count <= MQTT_RETAINED_GRAVES_MAX)
        return;
    struct retained_node *oldest = CONTAINER_OF(r->graves.next, struct retained_node, grave);
    grave_remove(r, oldest);
    trie_prune(&r->trie, &oldest->trie);
}

static void message_clear(struct retained *r, struct retained_node *n)
{
    if (n->message == NULL)
        return;
    list_remove(&n->expiring);
    message_unref(n->message);
    n->message = NULL;
    r->count--;
}

static bool is_older(const struct message *m, const struct retained_node *n)
{
    return m->stamp != n->stamp ? m->stamp < n->stamp : m->origin < n->origin;
}

bool retained_put(struct retained *r, struct message *m)
{
    if (m->payload.len > 0 && !retained_has_room(r, m->topic))
        return false;
    struct trie_node *t = trie_get(&r->trie, m->topic);
    if (t == NULL)
        return false;
    struct retained_node *n = retained_node(t);
    if (is_older(m, n))
        return true;
    message_clear(r, n);
    grave_remove(r, n);
    n->stamp = m->stamp;
    n->origin = m->origin;
    if (m->payload.len > 0) {
        n->message = message_keep(m);
        r->count++;
        if (m->expires_us != CLOCK_NEVER)
            list_append(&r->expiring, &n->expiring);
    } else {
        grave_add(r, n);
    }
    return true;
}

void retained_sweep(struct retained *r, uint64_t now_us)
{
    if (r->swept_us != 0 && now_us < r->swept_us + US_PER_S)
        return;
    r->swept_us = now_us;
    LIST_FOREACH_SAFE (node, next, &r->expiring) {
        struct retained_node *n = CONTAINER_OF(node, struct retained_node, expiring);
        if (message_seconds_left(n->message, now_us) > 0)
            continue;
        message_clear(r, n);
        trie_prune(&r->trie, &n->trie);
    }
}

struct scan {
    struct retained *retained;
    uint64_t now_us;
    retained_found_fn *found;
    void *ctx;
};

static void scan_node(const struct scan *s, struct trie_node *t)
{
    const struct message *m = retained_node(t)->message;
    if (m != NULL && message_seconds_left(m, s->now_us) > 0)
        s->found(s->ctx, m);
}

static bool is_hidden(const struct trie_node *parent, const struct trie_node *child)
{
    return parent->parent == NULL && child->level.len > 0 && child->level.data[0] == '$';
}

static void scan_all(const struct scan *s, struct trie_node *n)
{
    scan_node(s, n);
    LIST_FOREACH (node, &n->children) {
        struct trie_node *child = trie_sibling_node(node);
        if (!is_hidden(n, child))
            scan_all(s, child);
    }
}

static void scan_below(const struct scan *s, struct trie_node *n, struct mqtt_span filter)
{
    struct mqtt_span level;
    if (!mqtt_topic_next_level(&filter, &level)) {
        scan_node(s, n);
    } else if (level.len == 1 && level.data[0] == '#') {
        scan_all(s, n);
    } else if (level.len == 1 && level.data[0] == '+') {
        LIST_FOREACH (node, &n->children) {
            struct trie_node *child = trie_sibling_node(node);
            if (!is_hidden(n, child))
                scan_below(s, child, filter);
        }
    } else {
        n = trie_child(&s->retained->trie, n, level);
        if (n != NULL)
            scan_below(s, n, filter);
    }
}

void retained_match(struct retained *r, struct mqtt_span filter, uint64_t now_us, retained_found_fn *found, void *ctx)
{
    struct scan s = {r, now_us, found, ctx};
    scan_below(&s, r->trie.root, filter);
}
