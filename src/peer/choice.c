/* SPDX-License-Identifier: Apache-2.0 */
/* Weighted turns among the instances that fit best. */
#include "peer/choice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct refusal {
    struct list node;
    uint64_t until_us;
    char service[NAME_MAX_BYTES + 1];
};

void choice_init(struct choice *c)
{
    *c = (struct choice){.weight = 1};
    list_init(&c->refusals);
    list_init(&c->node);
}

static void refusal_drop(struct choice *c, struct refusal *r)
{
    list_remove(&r->node);
    c->refusal_count--;
    free(r);
}

void choice_forget_refusals(struct choice *c)
{
    while (!list_empty(&c->refusals))
        refusal_drop(c, CONTAINER_OF(c->refusals.next, struct refusal, node));
}

void choice_done(struct choice *c)
{
    list_remove(&c->node);
    choice_forget_refusals(c);
}

static struct refusal *refusal_find(const struct choice *c, const char *service)
{
    LIST_FOREACH(n, &c->refusals) {
        struct refusal *r = CONTAINER_OF(n, struct refusal, node);
        if (strcmp(r->service, service) == 0)
            return r;
    }
    return NULL;
}

void choice_refuse(struct choice *c, const char *service, uint64_t until_us)
{
    struct refusal *r = refusal_find(c, service);
    if (r == NULL) {
        if (c->refusal_count >= REFUSALS_PER_INSTANCE_MAX)
            refusal_drop(c, CONTAINER_OF(c->refusals.next, struct refusal, node));
        r = calloc(1, sizeof(*r));
        if (r == NULL)
            return;
        snprintf(r->service, sizeof(r->service), "%s", service);
        c->refusal_count++;
    } else
        list_remove(&r->node);
    r->until_us = until_us;
    list_append(&c->refusals, &r->node);
}

static bool refuses(struct choice *c, const char *service, uint64_t now_us)
{
    struct refusal *r = service == NULL ? NULL : refusal_find(c, service);
    if (r == NULL)
        return false;
    bool still = r->until_us > now_us;
    if (!still)
        refusal_drop(c, r);
    return still;
}

enum directory_fitness choice_fitness(struct choice *c, const char *service, uint64_t now_us)
{
    if (c->leaving)
        return DIRECTORY_LEAVING;
    if (c->silent_until_us > now_us)
        return DIRECTORY_SILENT;
    if (refuses(c, service, now_us))
        return DIRECTORY_REFUSES;
    return c->weight == 0 ? DIRECTORY_SPARE : DIRECTORY_FIT;
}

struct choice *choice_pick(struct list *candidates, const char *service, uint64_t now_us,
                           enum directory_fitness *fitness)
{
    struct choice *picked = NULL;
    int64_t sum = 0;
    *fitness = DIRECTORY_LEAVING;
    LIST_FOREACH(n, candidates) {
        enum directory_fitness f = choice_fitness(CONTAINER_OF(n, struct choice, node), service, now_us);
        *fitness = f < *fitness ? f : *fitness;
    }
    LIST_FOREACH(n, candidates) {
        struct choice *c = CONTAINER_OF(n, struct choice, node);
        int64_t share = c->weight > 0 ? c->weight : 1; /* of those that are spare, or worse, all are alike */
        if (choice_fitness(c, service, now_us) != *fitness)
            continue;
        c->credit += share;
        sum += share;
        if (picked == NULL || c->credit > picked->credit)
            picked = c;
    }
    if (picked != NULL)
        picked->credit -= sum;
    return picked;
}
