/* SPDX-License-Identifier: Apache-2.0 */
/* Rows by name. */
#include "server/tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/object.h"

const uint64_t tally_bounds_us[TALLY_BUCKETS] = {5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000};

struct tally_entry {
    struct table_node node;
    struct tally_row row;
};

bool tally_init(struct tally *t, const uint64_t key[static 2])
{
    memset(t, 0, sizeof(*t));
    memcpy(t->key, key, sizeof(t->key));
    return table_init(&t->rows);
}

void tally_done(struct tally *t)
{
    for (size_t i = 0; t->rows.buckets != NULL && i <= t->rows.mask; i++)
        for (struct table_node *n = t->rows.buckets[i], *next; n != NULL; n = next) {
            next = n->next;
            free(CONTAINER_OF(n, struct tally_entry, node));
        }
    if (t->rows.buckets != NULL)
        table_done(&t->rows);
}

static struct tally_row *tally_find(struct tally *t, const char *client, const char *service)
{
    char name[2 * NAME_MAX_BYTES + 2];
    int len = snprintf(name, sizeof(name), "%s/%s", client, service);
    uint64_t hash = table_hash(t->key, name, (size_t)len);

    if (client[0] == '\0' || service[0] == '\0')
        return &t->others;
    for (struct table_node *n = table_first(&t->rows, hash); n != NULL; n = table_next(n)) {
        struct tally_row *row = &CONTAINER_OF(n, struct tally_entry, node)->row;
        if (strcmp(row->client, client) == 0 && strcmp(row->service, service) == 0)
            return row;
    }
    struct tally_entry *e = t->rows.count < TALLY_ROWS_MAX ? calloc(1, sizeof(*e)) : NULL;
    if (e == NULL)
        return &t->others;
    snprintf(e->row.client, sizeof(e->row.client), "%s", client);
    snprintf(e->row.service, sizeof(e->row.service), "%s", service);
    table_add(&t->rows, &e->node, hash);
    return &e->row;
}

void tally_add(struct tally *t, const char *client, const char *service, unsigned status, uint64_t took_us, uint64_t up, uint64_t down)
{
    struct tally_row *row = tally_find(t, client, service);
    unsigned bucket = 0, class = status / 100;

    while (bucket < TALLY_BUCKETS && took_us > tally_bounds_us[bucket])
        bucket++;
    row->answers[class < TALLY_CLASSES ? class : 0]++;
    row->within[bucket]++;
    row->sum_us += took_us;
    row->bytes_up += up;
    row->bytes_down += down;
}

void tally_row_merge(struct tally_row *to, const struct tally_row *from)
{
    for (unsigned i = 0; i < TALLY_CLASSES; i++)
        to->answers[i] += from->answers[i];
    for (unsigned i = 0; i <= TALLY_BUCKETS; i++)
        to->within[i] += from->within[i];
    to->sum_us += from->sum_us;
    to->bytes_up += from->bytes_up;
    to->bytes_down += from->bytes_down;
}

struct tally_row *tally_copy(const struct tally *t, size_t *count)
{
    struct tally_row *copy = calloc(t->rows.count + 1, sizeof(*copy));

    if (copy == NULL)
        return NULL;
    *count = 0;
    for (size_t i = 0; i <= t->rows.mask; i++)
        for (struct table_node *n = t->rows.buckets[i]; n != NULL; n = n->next)
            copy[(*count)++] = CONTAINER_OF(n, const struct tally_entry, node)->row;
    copy[(*count)++] = t->others;
    return copy;
}
