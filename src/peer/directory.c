/* SPDX-License-Identifier: Apache-2.0 */
/* Directory of client ids and their instances. An id is in one of two lists: present, or seen (oldest first). */
#include "peer/directory.h"

#include <string.h>

#include "base/list.h"
#include "base/object.h"
#include "base/table.h"
#include "peer/choice.h"

struct client {
    struct table_node by_id;
    struct list node;      /* in present or seen */
    struct list instances; /* struct choice.node */
    unsigned count;
    char id[NAME_MAX_BYTES + 1];
};

struct instance {
    struct table_node by_text;
    struct choice choice;   /* its node is in its client's */
    struct list doubt_node; /* in doubt, or alone */
    struct client *client;
    struct directory_instance shown;
};

struct directory {
    OBJECT_MAGIC;
    uint64_t key[2];
    struct table clients, instances;
    struct list present, seen, doubt;
    unsigned present_count, seen_count;
};
#define DIRECTORY_MAGIC 0x6d646972

struct directory *directory_create(const uint64_t key[static 2])
{
    struct directory *d;
    ALLOC_OBJECT(d, DIRECTORY_MAGIC);
    if (d == NULL)
        return NULL;
    list_init(&d->present);
    list_init(&d->seen);
    list_init(&d->doubt);
    memcpy(d->key, key, sizeof(d->key));
    if (!table_init(&d->clients) || !table_init(&d->instances))
        directory_free(&d);
    return d;
}

static struct instance *instance_of(struct list *choice_node)
{
    return CONTAINER_OF(choice_node, struct instance, choice.node);
}

static void instance_free(struct instance *i)
{
    choice_done(&i->choice);
    offering_unref(i->shown.offering);
    free(i);
}

static void client_free(struct client *c)
{
    while (!list_empty(&c->instances))
        instance_free(instance_of(c->instances.next));
    free(c);
}

void directory_free(struct directory **dp)
{
    struct directory *d;
    if (*dp == NULL)
        return;
    TAKE_OBJECT(d, dp, DIRECTORY_MAGIC);
    list_splice(&d->present, &d->seen);
    for (struct list *n; (n = list_shift(&d->present)) != NULL;)
        client_free(CONTAINER_OF(n, struct client, node));
    table_done(&d->clients);
    table_done(&d->instances);
    FREE_OBJECT(d);
}

static struct client *client_find(const struct directory *d, const char *id)
{
    uint64_t hash = table_hash(d->key, id, strlen(id));
    for (struct table_node *n = table_first(&d->clients, hash); n != NULL; n = table_next(n)) {
        struct client *c = CONTAINER_OF(n, struct client, by_id);
        if (strcmp(c->id, id) == 0)
            return c;
    }
    return NULL;
}

static struct instance *instance_find(const struct directory *d, const char *text)
{
    uint64_t hash = table_hash(d->key, text, strlen(text));
    for (struct table_node *n = table_first(&d->instances, hash); n != NULL; n = table_next(n)) {
        struct instance *i = CONTAINER_OF(n, struct instance, by_text);
        if (strcmp(i->shown.text, text) == 0)
            return i;
    }
    return NULL;
}

static void client_forget(struct directory *d, struct client *c)
{
    list_remove(&c->node);
    table_remove(&d->clients, &c->by_id);
    client_free(c);
}

static struct client *client_create(struct directory *d, const char *id)
{
    struct client *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    memcpy(c->id, id, strlen(id) + 1);
    list_init(&c->instances);
    list_append(&d->seen, &c->node);
    d->seen_count++;
    table_add(&d->clients, &c->by_id, table_hash(d->key, id, strlen(id)));
    return c;
}

static void client_came(struct directory *d, struct client *c)
{
    list_remove(&c->node);
    list_append(&d->present, &c->node);
    d->seen_count--;
    d->present_count++;
}

static void client_went(struct directory *d, struct client *c)
{
    list_remove(&c->node);
    list_append(&d->seen, &c->node);
    d->present_count--;
    if (d->seen_count++ < IDS_SEEN_MAX)
        return;
    client_forget(d, CONTAINER_OF(d->seen.next, struct client, node));
    d->seen_count--;
}

static enum directory_change instance_again(struct instance *i, const char *id, unsigned origin)
{
    if (strcmp(i->client->id, id) != 0)
        return DIRECTORY_REFUSED;
    i->shown.origin = origin;
    i->choice.silent_until_us = 0;
    list_remove(&i->doubt_node);
    return DIRECTORY_SAME;
}

enum directory_change directory_add(struct directory *d, const char *id, const char *instance, unsigned origin)
{
    struct instance *i = instance_find(d, instance);
    if (i != NULL)
        return instance_again(i, id, origin);
    if (strlen(id) > NAME_MAX_BYTES || strlen(instance) != INSTANCE_TEXT_BYTES || d->instances.count >= INSTANCES_MAX)
        return DIRECTORY_REFUSED;
    struct client *c = client_find(d, id);
    if (c != NULL && c->count >= INSTANCES_PER_ID_MAX)
        return DIRECTORY_REFUSED;
    i = calloc(1, sizeof(*i));
    if (i == NULL || (c == NULL && (c = client_create(d, id)) == NULL)) {
        free(i);
        return DIRECTORY_REFUSED;
    }
    i->client = c;
    i->shown = (struct directory_instance){.id = c->id, .origin = origin};
    memcpy(i->shown.text, instance, INSTANCE_TEXT_BYTES + 1);
    list_init(&i->doubt_node);
    choice_init(&i->choice);
    list_append(&c->instances, &i->choice.node);
    table_add(&d->instances, &i->by_text, table_hash(d->key, instance, INSTANCE_TEXT_BYTES));
    if (c->count++ > 0)
        return DIRECTORY_CAME;
    client_came(d, c);
    return DIRECTORY_CAME_FIRST;
}

enum directory_change directory_remove(struct directory *d, const char *id, const char *instance)
{
    struct instance *i = instance_find(d, instance);
    if (i == NULL || strcmp(i->client->id, id) != 0)
        return DIRECTORY_SAME;
    struct client *c = i->client;
    list_remove(&i->doubt_node);
    table_remove(&d->instances, &i->by_text);
    instance_free(i);
    if (--c->count > 0)
        return DIRECTORY_WENT;
    client_went(d, c);
    return DIRECTORY_WENT_LAST;
}

const struct directory_instance *directory_find(const struct directory *d, const char *instance)
{
    const struct instance *i = instance_find(d, instance);
    return i == NULL ? NULL : &i->shown;
}

enum directory_presence directory_presence(const struct directory *d, const char *id)
{
    const struct client *c = client_find(d, id);
    if (c == NULL)
        return DIRECTORY_UNKNOWN;
    return c->count > 0 ? DIRECTORY_PRESENT : DIRECTORY_OFFLINE;
}

unsigned directory_id_count(const struct directory *d) { return d->present_count; }

const struct directory_instance *directory_pick(struct directory *d, const char *id, const char *service,
                                                uint64_t now_us, enum directory_fitness *fitness)
{
    struct client *c = client_find(d, id);
    struct choice *picked = c == NULL ? NULL : choice_pick(&c->instances, service, now_us, fitness);
    return picked == NULL ? NULL : &CONTAINER_OF(picked, struct instance, choice)->shown;
}

void directory_avoid(struct directory *d, const char *instance, uint64_t until_us)
{
    struct instance *i = instance_find(d, instance);
    if (i != NULL)
        i->choice.silent_until_us = until_us;
}

void directory_leave(struct directory *d, const char *instance)
{
    struct instance *i = instance_find(d, instance);
    if (i != NULL)
        i->choice.leaving = true;
}

void directory_refuse(struct directory *d, const char *instance, const char *service, uint64_t until_us)
{
    struct instance *i = instance_find(d, instance);
    if (i != NULL)
        choice_refuse(&i->choice, service, until_us);
}

void directory_weigh(struct directory *d, const char *instance, unsigned weight)
{
    struct instance *i = instance_find(d, instance);
    if (i != NULL)
        i->choice.weight = weight < WEIGHT_MAX ? weight : WEIGHT_MAX;
}

void directory_offering(struct directory *d, const char *instance, struct offering *o)
{
    struct instance *i = instance_find(d, instance);
    if (i == NULL || i->shown.offering == o)
        return;
    offering_unref(i->shown.offering);
    i->shown.offering = offering_ref(o);
    i->shown.edition++;
    choice_forget_refusals(&i->choice);
}

bool directory_offers(const struct directory *d, const char *id, bool (*is)(void *ctx, const struct offering *o), void *ctx)
{
    const struct client *c = client_find(d, id);
    if (c == NULL)
        return false;
    LIST_FOREACH(n, &c->instances) {
        const struct offering *o = instance_of(n)->shown.offering;
        if (o != NULL && is(ctx, o))
            return true;
    }
    return false;
}

void directory_doubt(struct directory *d)
{
    LIST_FOREACH(n, &d->present) {
        LIST_FOREACH(m, &CONTAINER_OF(n, struct client, node)->instances) {
            struct instance *i = instance_of(m);
            list_remove(&i->doubt_node);
            list_append(&d->doubt, &i->doubt_node);
        }
    }
}

const struct directory_instance *directory_doubtful(const struct directory *d)
{
    if (list_empty(&d->doubt))
        return NULL;
    return &CONTAINER_OF(d->doubt.next, struct instance, doubt_node)->shown;
}
