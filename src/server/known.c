/* SPDX-License-Identifier: Apache-2.0 */
/* A small hash set of client ids. */
#include "server/known.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/frame.h"

struct known_id {
    struct list bucket_node, order_node;
    time_t seen; /* 0: not known */
    char id[KNOWN_TEXT_MAX + 1];
};

void known_init(struct known *k, size_t max)
{
    k->count = 0;
    k->max = max;
    list_init(&k->order);
    for (size_t i = 0; i < KNOWN_BUCKETS; i++)
        list_init(&k->bucket[i]);
}

static void known_forget_first(struct known *k)
{
    struct list *first = list_shift(&k->order);

    if (first == NULL)
        return;
    struct known_id *e = CONTAINER_OF(first, struct known_id, order_node);
    list_remove(&e->bucket_node);
    free(e);
    k->count--;
}

void known_done(struct known *k)
{
    while (k->count > 0)
        known_forget_first(k);
}

static size_t known_bucket(const char *id)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (; *id != '\0'; id++)
        hash = (hash ^ (uint8_t)*id) * 16777619u;
    return hash % KNOWN_BUCKETS;
}

static struct known_id *known_find(const struct known *k, const char *id)
{
    LIST_FOREACH(node, &k->bucket[known_bucket(id)]) {
        struct known_id *e = CONTAINER_OF(node, struct known_id, bucket_node);
        if (strcmp(e->id, id) == 0)
            return e;
    }
    return NULL;
}

bool known_has(const struct known *k, const char *id) { return known_find(k, id) != NULL; }

void known_see(struct known *k, const char *id, time_t when)
{
    struct known_id *e = known_find(k, id);

    if (e != NULL)
        e->seen = when;
}

void known_see_all(struct known *k, bool (*is)(void *ctx, const char *id), void *ctx, time_t when)
{
    LIST_FOREACH(node, &k->order) {
        struct known_id *e = CONTAINER_OF(node, struct known_id, order_node);
        if (is(ctx, e->id))
            e->seen = when;
    }
}

time_t known_seen(const struct known *k, const char *id)
{
    const struct known_id *e = known_find(k, id);

    return e == NULL ? 0 : e->seen;
}

bool known_add(struct known *k, const char *id)
{
    struct known_id *e;
    size_t len = strlen(id);

    if (len >= sizeof(e->id) || known_has(k, id) || (e = malloc(sizeof(*e))) == NULL)
        return false;
    memcpy(e->id, id, len + 1);
    e->seen = 0;
    list_append(&k->bucket[known_bucket(id)], &e->bucket_node);
    list_append(&k->order, &e->order_node);
    if (++k->count > k->max)
        known_forget_first(k);
    return true;
}

void known_remove(struct known *k, const char *id)
{
    LIST_FOREACH_SAFE(node, next, &k->bucket[known_bucket(id)]) {
        struct known_id *e = CONTAINER_OF(node, struct known_id, bucket_node);
        if (strcmp(e->id, id) != 0)
            continue;
        list_remove(&e->bucket_node);
        list_remove(&e->order_node);
        free(e);
        k->count--;
    }
}

void known_read(struct known *k, const char *text)
{
    char id[64];

    for (size_t len; *text != '\0'; text += len + (text[len] != '\0')) {
        len = strcspn(text, "\n");
        size_t name = strcspn(text, " \n");
        if (!name_normalise(text, name, id))
            continue;
        known_add(k, id);
        long long when = name < len ? strtoll(text + name, NULL, 10) : 0;
        if (when > 0)
            known_see(k, id, (time_t)when);
    }
}

char *known_write(const struct known *k)
{
    char *text = malloc(k->count * (KNOWN_TEXT_MAX + 24) + 1), *at = text;

    if (text == NULL)
        return NULL;
    LIST_FOREACH(node, &k->order) {
        const struct known_id *e = CONTAINER_OF(node, struct known_id, order_node);
        at = stpcpy(at, e->id);
        if (e->seen > 0)
            at += sprintf(at, " %lld", (long long)e->seen);
        *at++ = '\n';
    }
    *at = '\0';
    return text;
}
