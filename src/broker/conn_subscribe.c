/* SPDX-License-Identifier: Apache-2.0 */
/* SUBSCRIBE and UNSUBSCRIBE (MQTT 5 3.8 to 3.11). SUBACK is sent when every shard knows the filters. */
#include <stdlib.h>
#include <string.h>

#include "broker/conn.h"
#include "broker/round.h"
#include "mqtt/topic.h"

/* A SUBSCRIBE on its round. */
struct subscribing {
    struct round round;
    uint64_t handle;
    uint16_t packet_id;
    struct filter_list granted; /* retain handling 2: no retained messages */
    size_t code_count;
    uint8_t codes[];
};

/* -- one filter ---------------------------------------------------------------------------------------------------- */

static struct subscription *subscription_find(const struct conn *c, struct mqtt_span filter)
{
    struct index_node *n = index_find(&c->shard->index_of_filters, filter);
    LIST_FOREACH (node, &c->subscriptions) {
        struct subscription *s = CONTAINER_OF(node, struct subscription, of_owner);
        if (n != NULL && s->node == n)
            return s;
    }
    return NULL;
}

static enum mqtt_reason filter_check(const struct conn *c, const struct mqtt_filter *f)
{
    const struct broker *b = c->shard->broker;
    struct broker_client who = conn_client(c);
    char text[MQTT_TOPIC_MAX + 1];
    if (mqtt_topic_is_shared(f->filter))
        return MQTT_SHARED_NOT_SUPPORTED;
    if (f->filter.len > MQTT_TOPIC_MAX || mqtt_topic_levels(f->filter) > MQTT_TOPIC_LEVELS_MAX)
        return MQTT_TOPIC_FILTER_INVALID;
    memcpy(text, f->filter.data, f->filter.len);
    text[f->filter.len] = '\0';
    if (!c->way.kind->trusted && b->policy.subscribe != NULL && !b->policy.subscribe(b->policy.ctx, &who, text))
        return MQTT_NOT_AUTHORIZED;
    return MQTT_SUCCESS;
}

static struct subscription *subscription_add(struct conn *c, struct mqtt_span filter)
{
    struct subscription *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->conn = c;
    s->kind = INDEX_ALL;
    if (!index_add(&c->shard->index_of_filters, filter, s)) {
        free(s);
        return NULL;
    }
    list_append(&c->subscriptions, &s->of_owner);
    c->subscription_count++;
    return s;
}

/* The result for one filter; *f becomes what is granted. */
static uint8_t filter_take(struct conn *c, struct mqtt_filter *f)
{
    enum mqtt_reason refusal = filter_check(c, f);
    if (refusal != MQTT_SUCCESS)
        return (uint8_t)refusal;
    struct subscription *s = subscription_find(c, f->filter);
    bool is_new = s == NULL;
    if (is_new && c->subscription_count >= MQTT_SUBSCRIPTIONS_PER_CONNECTION_MAX) {
        counter_add(counters_self(), COUNTER_limits_hit, 1);
        return MQTT_QUOTA_EXCEEDED;
    }
    if (is_new && (s = subscription_add(c, f->filter)) == NULL)
        return MQTT_UNSPECIFIED;
    f->qos = f->qos > 1 ? 1 : f->qos;
    if (f->retain_handling == 1)
        f->retain_handling = is_new ? 0 : 2;
    s->qos = f->qos;
    s->no_local = f->no_local;
    s->retain_as_published = f->retain_as_published;
    return f->qos;
}

/* -- the round ----------------------------------------------------------------------------------------------------- */

static void subscribing_arrived(struct broker_shard *at, struct round *r)
{
    struct subscribing *s = CONTAINER_OF(r, struct subscribing, round);
    marks_apply(at, (struct mqtt_span){s->granted.data, s->granted.len}, INDEX_ALL, r->home->index, true);
}

struct retained_for {
    struct conn *conn;
    uint8_t qos;
};

static void send_retained(void *ctx, const struct message *m)
{
    const struct retained_for *to = ctx;
    conn_deliver(to->conn, m, m->qos < to->qos ? m->qos : to->qos, true);
}

static void subscribing_done(struct round *r)
{
    struct subscribing *s = CONTAINER_OF(r, struct subscribing, round);
    struct conn *c = shard_conn(r->home, s->handle);
    if (c == NULL || c->state != CONN_OPEN)
        return;
    conn_send(c, &(struct mqtt_packet){.type = MQTT_SUBACK,
                                       .suback = {.packet_id = s->packet_id, .codes = {s->codes, s->code_count}}});
    struct mqtt_span rest = {s->granted.data, s->granted.len};
    struct mqtt_filter f;
    while (mqtt_filter_next(&rest, MQTT_SUBSCRIBE, &f)) {
        struct retained_for to = {c, f.qos};
        if (f.retain_handling == 0)
            retained_match(&r->home->retained, f.filter, clock_now_us(), send_retained, &to);
    }
}

static void subscribing_release(struct round *r)
{
    struct subscribing *s = CONTAINER_OF(r, struct subscribing, round);
    filter_list_free(&s->granted);
    round_done(r);
    free(s);
}

static const struct round_kind subscribing_kind = {subscribing_arrived, subscribing_done, subscribing_release};

/* -- the packets --------------------------------------------------------------------------------------------------- */

static size_t filters_count(struct mqtt_span filters, enum mqtt_type type)
{
    struct mqtt_filter f;
    size_t n = 0;
    while (mqtt_filter_next(&filters, type, &f))
        n++;
    return n;
}

static struct subscribing *subscribing_create(struct conn *c, const struct mqtt_subscribe *p)
{
    size_t size = sizeof(struct subscribing) + filters_count(p->filters, MQTT_SUBSCRIBE);
    size_t weight = size + p->filters.len;
    struct subscribing *s = round_fits(c->shard, weight) ? calloc(1, size) : NULL;
    if (s == NULL || !round_init(&s->round, &subscribing_kind, c->shard, weight)) {
        free(s);
        return NULL;
    }
    s->handle = c->handle;
    s->packet_id = p->packet_id;
    return s;
}

/* `n` counts the filters that the guard is asked about. */
static uint8_t filter_guarded(struct conn *c, struct mqtt_filter *f, size_t *n)
{
    struct broker_denial denial;
    enum mqtt_reason refusal = filter_check(c, f);
    if (refusal != MQTT_SUCCESS)
        return (uint8_t)refusal;
    return conn_guard_subscribe(c, (*n)++, f, &denial) == BROKER_ALLOW ? filter_take(c, f) : (uint8_t)denial.reason;
}

static uint8_t filter_result(struct conn *c, struct subscribing *s, struct mqtt_filter *f, size_t *n, bool with_id)
{
    const struct broker_guard *guard = &c->shard->broker->guard;
    uint8_t code = with_id ? MQTT_SUBSCRIPTION_ID_NOT_SUPPORTED : filter_guarded(c, f, n);
    if (code <= 1 && !filter_list_add(&s->granted, f))
        code = MQTT_UNSPECIFIED;
    if (code <= 1 && c->guarded != NULL && guard->subscribed != NULL)
        guard->subscribed(c->guarded, f);
    return c->version < MQTT_V5 && code > 1 ? 0x80 : code;
}

/* False: the guard answers later. */
static bool guard_has_answered(struct conn *c, const struct mqtt_subscribe *p)
{
    struct mqtt_span rest = p->filters;
    struct mqtt_filter f;
    struct broker_denial denial;
    size_t n = 0;
    if (c->guarded == NULL || c->shard->broker->guard.subscribe == NULL)
        return true;
    while (mqtt_filter_next(&rest, MQTT_SUBSCRIBE, &f))
        if (filter_check(c, &f) == MQTT_SUCCESS && conn_guard_subscribe(c, n++, &f, &denial) == BROKER_LATER)
            return false;
    return true;
}

void conn_on_subscribe(struct conn *c, const struct mqtt_subscribe *p)
{
    size_t n = 0;
    bool with_id = mqtt_property_number(p->properties, MQTT_PROPERTY_SUBSCRIPTION_ID, 0) != 0;
    if (!with_id && !guard_has_answered(c, p))
        return;
    struct subscribing *s = subscribing_create(c, p);
    if (s == NULL) {
        conn_fail(c, MQTT_QUOTA_EXCEEDED, "too much is under way to other workers");
        return;
    }
    struct mqtt_span rest = p->filters;
    struct mqtt_filter f;
    while (mqtt_filter_next(&rest, MQTT_SUBSCRIBE, &f))
        s->codes[s->code_count++] = filter_result(c, s, &f, &n, with_id);
    round_start(&s->round);
}

static void subscription_remove(struct conn *c, struct subscription *s, struct filter_list *gone)
{
    list_remove(&s->of_owner);
    c->subscription_count--;
    marks_remove(c->shard, s, gone);
    free(s);
}

void conn_on_unsubscribe(struct conn *c, const struct mqtt_subscribe *p)
{
    size_t count = filters_count(p->filters, MQTT_UNSUBSCRIBE), n = 0;
    uint8_t *codes = malloc(count);
    if (codes == NULL) {
        conn_fail(c, MQTT_UNSPECIFIED, "out of memory");
        return;
    }
    struct filter_list gone = {NULL, 0, 0};
    struct mqtt_span rest = p->filters;
    struct mqtt_filter f;
    while (mqtt_filter_next(&rest, MQTT_UNSUBSCRIBE, &f)) {
        struct subscription *s = subscription_find(c, f.filter);
        codes[n++] = s == NULL ? MQTT_NO_SUBSCRIPTION_EXISTED : MQTT_SUCCESS;
        if (s != NULL)
            subscription_remove(c, s, &gone);
        if (c->guarded != NULL && c->shard->broker->guard.unsubscribed != NULL)
            c->shard->broker->guard.unsubscribed(c->guarded, f.filter);
    }
    marks_send(c->shard, &gone, INDEX_ALL, false);
    conn_send(c,
              &(struct mqtt_packet){.type = MQTT_UNSUBACK, .suback = {.packet_id = p->packet_id, .codes = {codes, n}}});
    free(codes);
}

void conn_unsubscribe_all(struct conn *c)
{
    struct filter_list gone = {NULL, 0, 0};
    while (!list_empty(&c->subscriptions))
        subscription_remove(c, CONTAINER_OF(c->subscriptions.next, struct subscription, of_owner), &gone);
    marks_send(c->shard, &gone, INDEX_ALL, false);
}
