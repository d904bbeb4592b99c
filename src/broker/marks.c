/* SPDX-License-Identifier: Apache-2.0 */
/* Telling the other shards which filters this one has subscriptions for. */
#include <stdlib.h>
#include <string.h>

#include "broker/round.h"
#include "broker/shard.h"

bool filter_list_add(struct filter_list *l, const struct mqtt_filter *f)
{
    size_t need = l->len + 2 + f->filter.len + 1;
    if (need > l->size) {
        size_t size = need > 2 * l->size ? need : 2 * l->size;
        uint8_t *data = realloc(l->data, size);
        if (data == NULL)
            return false;
        l->data = data;
        l->size = size;
    }
    struct bytes_writer w;
    bytes_writer_init(&w, l->data + l->len, l->size - l->len);
    mqtt_filter_write(&w, MQTT_SUBSCRIBE, f);
    l->len += bytes_written(&w);
    return true;
}

void filter_list_free(struct filter_list *l)
{
    free(l->data);
    *l = (struct filter_list){NULL, 0, 0};
}

void marks_apply(struct broker_shard *at, struct mqtt_span filters, enum index_kind kind, unsigned shard, bool on)
{
    struct mqtt_filter f;
    while (mqtt_filter_next(&filters, MQTT_SUBSCRIBE, &f))
        if (!index_mark(&at->index_of_filters, f.filter, kind, shard, on))
            counter_add(counters_self(), COUNTER_limits_hit, 1);
}

struct marks {
    struct round round;
    struct filter_list filters;
    enum index_kind kind;
    bool on;
};

static void marks_arrived(struct broker_shard *at, struct round *r)
{
    struct marks *m = CONTAINER_OF(r, struct marks, round);
    marks_apply(at, (struct mqtt_span){m->filters.data, m->filters.len}, m->kind, r->home->index, m->on);
}

static void marks_done(struct round *r) { (void)r; }

static void marks_release(struct round *r)
{
    struct marks *m = CONTAINER_OF(r, struct marks, round);
    filter_list_free(&m->filters);
    round_done(r);
    free(m);
}

static const struct round_kind marks_kind = {marks_arrived, marks_done, marks_release};

/* Without memory the others keep a mark too many, which costs them a mail, or miss one of a direct line. */
void marks_send(struct broker_shard *s, struct filter_list *filters, enum index_kind kind, bool on)
{
    struct marks *m = filters->len == 0 ? NULL : calloc(1, sizeof(*m));
    if (m == NULL || !round_init(&m->round, &marks_kind, s, filters->len)) {
        filter_list_free(filters);
        free(m);
        return;
    }
    m->filters = *filters;
    *filters = (struct filter_list){NULL, 0, 0};
    m->kind = kind;
    m->on = on;
    round_start(&m->round);
}

void marks_remove(struct broker_shard *s, struct subscription *sub, struct filter_list *gone)
{
    char text[MQTT_TOPIC_MAX];
    size_t len;
    if (index_remove(&s->index_of_filters, sub, text, sizeof(text), &len))
        filter_list_add(gone, &(struct mqtt_filter){.filter = {(const uint8_t *)text, len}});
}
