/* SPDX-License-Identifier: Apache-2.0 */
/* Direct lines: the program's own participants on a shard. */
#include <stdlib.h>
#include <string.h>

#include "broker/shard.h"
#include "mqtt/topic.h"

#define LINE_MAGIC 0x2e98d1c7u

struct broker_line {
    OBJECT_MAGIC;
    struct broker_shard *shard;
    struct list at_shard;
    struct list subscriptions;
    broker_message_fn *message; /* NULL: detached, freed at the backlog's turn */
    void *ctx;
};

/* A message that a line is told about later in the turn. */
struct late {
    struct list node;
    struct broker_line *line; /* NULL: all that it is for */
    struct message *message;
    bool any;
};

void line_deliver(struct broker_line *l, const struct message *m, bool retained)
{
    CHECK_OBJECT(l, LINE_MAGIC);
    if (l->message != NULL)
        l->message(l->ctx, (const char *)m->topic.data, &m->payload, retained, m->origin);
}

static void late_free(struct late *late)
{
    message_unref(late->message);
    free(late);
}

static void lines_sweep(struct broker_shard *s)
{
    LIST_FOREACH_SAFE (node, next, &s->lines) {
        struct broker_line *l = CONTAINER_OF(node, struct broker_line, at_shard);
        if (l->message != NULL)
            continue;
        list_remove(&l->at_shard);
        s->line_count--;
        FREE_OBJECT(l);
    }
}

static void backlog_run(struct turn *t)
{
    struct broker_shard *s = CONTAINER_OF(t, struct broker_shard, backlog_turn);
    struct list due;
    list_init(&due);
    list_splice(&due, &s->backlog);
    for (struct list *node; (node = list_shift(&due)) != NULL;) {
        struct late *late = CONTAINER_OF(node, struct late, node);
        if (late->line != NULL)
            line_deliver(late->line, late->message, true);
        else
            route_to_lines(s, late->message, late->any);
        late_free(late);
    }
    if (list_empty(&s->backlog))
        lines_sweep(s);
}

void lines_init(struct broker_shard *s) { turn_init(&s->backlog_turn, backlog_run); }

void lines_defer(struct broker_shard *s, struct broker_line *line, const struct message *m, bool any)
{
    struct late *late = calloc(1, sizeof(*late));
    if (late == NULL || (late->message = message_keep(m)) == NULL) {
        free(late);
        counter_add(counters_self(), COUNTER_broker_dropped, 1);
        return;
    }
    late->line = line;
    late->any = any;
    list_append(&s->backlog, &late->node);
    worker_at_turn(s->worker, TURN_WORK, &s->backlog_turn);
}

struct broker_line *broker_attach(struct broker_shard *s, broker_message_fn *message, void *ctx)
{
    CHECK_OBJECT(s, SHARD_MAGIC);
    if (s->line_count >= MQTT_LINES_PER_WORKER_MAX)
        return NULL;
    struct broker_line *l;
    ALLOC_OBJECT(l, LINE_MAGIC);
    if (l == NULL)
        return NULL;
    l->shard = s;
    l->message = message;
    l->ctx = ctx;
    list_init(&l->subscriptions);
    list_append(&s->lines, &l->at_shard);
    s->line_count++;
    return l;
}

static void defer_retained(void *ctx, const struct message *m)
{
    struct broker_line *l = ctx;
    lines_defer(l->shard, l, m, false);
}

bool broker_line_subscribe(struct broker_line *l, const char *filter, enum broker_reach reach)
{
    CHECK_OBJECT(l, LINE_MAGIC);
    struct broker_shard *s = l->shard;
    struct mqtt_filter f = {.filter = mqtt_span_of(filter)};
    if (f.filter.len > MQTT_TOPIC_MAX || mqtt_topic_levels(f.filter) > MQTT_TOPIC_LEVELS_MAX ||
        !mqtt_topic_filter_valid(f.filter))
        return false;
    struct subscription *sub = calloc(1, sizeof(*sub));
    struct filter_list list = {NULL, 0, 0};
    if (sub == NULL || !filter_list_add(&list, &f)) {
        free(sub);
        return false;
    }
    sub->line = l;
    sub->kind = reach == BROKER_REACH_EVERYWHERE ? INDEX_ALL : INDEX_ANY;
    if (!index_add(&s->index_of_filters, f.filter, sub)) {
        filter_list_free(&list);
        free(sub);
        return false;
    }
    list_append(&l->subscriptions, &sub->of_owner);
    marks_send(s, &list, sub->kind, true);
    retained_match(&s->retained, f.filter, clock_now_us(), defer_retained, l);
    return true;
}

void broker_line_publish(struct broker_line *l, const char *topic, struct slice payload, bool retain)
{
    CHECK_OBJECT(l, LINE_MAGIC);
    struct message m = {.retain = retain, .expires_us = CLOCK_NEVER, .topic = mqtt_span_of(topic), .payload = payload};
    if (route_publish(l->shard, &m, NULL, &(struct receipt){.handle = 0}) != MQTT_SUCCESS)
        counter_add(counters_self(), COUNTER_broker_dropped, 1);
    slice_done(&payload);
}

static void line_unsubscribe(struct broker_line *l)
{
    struct filter_list gone[INDEX_KINDS] = {{NULL, 0, 0}, {NULL, 0, 0}};
    for (struct list *node; (node = list_shift(&l->subscriptions)) != NULL;) {
        struct subscription *sub = CONTAINER_OF(node, struct subscription, of_owner);
        marks_remove(l->shard, sub, &gone[sub->kind]);
        free(sub);
    }
    for (unsigned kind = 0; kind < INDEX_KINDS; kind++)
        marks_send(l->shard, &gone[kind], kind, false);
}

static void backlog_forget(struct broker_shard *s, const struct broker_line *l)
{
    LIST_FOREACH_SAFE (node, next, &s->backlog) {
        struct late *late = CONTAINER_OF(node, struct late, node);
        if (l != NULL && late->line != l)
            continue;
        list_remove(&late->node);
        late_free(late);
    }
}

void broker_detach(struct broker_line **lp)
{
    struct broker_line *l;
    TAKE_OBJECT(l, lp, LINE_MAGIC);
    line_unsubscribe(l);
    backlog_forget(l->shard, l);
    l->message = NULL;
    worker_at_turn(l->shard->worker, TURN_WORK, &l->shard->backlog_turn);
}

void lines_done(struct broker_shard *s)
{
    backlog_forget(s, NULL);
    LIST_FOREACH_SAFE (node, next, &s->lines) {
        struct broker_line *l = CONTAINER_OF(node, struct broker_line, at_shard);
        for (struct list *sub; (sub = list_shift(&l->subscriptions)) != NULL;)
            free(CONTAINER_OF(sub, struct subscription, of_owner));
        FREE_OBJECT(l);
    }
}
