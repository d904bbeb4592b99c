/* SPDX-License-Identifier: Apache-2.0 */
/* SUBSCRIBE and UNSUBSCRIBE, a filter after the other; SUBACK of what was denied in part. */
#include <stdlib.h>
#include <string.h>

#include "proxy/passage.h"

static bool text_add(struct filter_text *t, enum mqtt_type type, const struct mqtt_filter *f)
{
    size_t need = t->len + f->filter.len + 3;
    if (need > t->size) {
        uint8_t *longer = realloc(t->data, need * 2);
        if (longer == NULL)
            return false;
        t->data = longer;
        t->size = need * 2;
    }
    struct bytes_writer w;
    bytes_writer_init(&w, t->data + t->len, t->size - t->len);
    mqtt_filter_write(&w, type, f);
    t->len += bytes_written(&w);
    return true;
}

enum passed subscribe_decoded(struct passage *g)
{
    struct mqtt_filter f;
    struct mqtt_span rest = g->packet.subscribe.filters;
    size_t count = 0;
    while (mqtt_filter_next(&rest, g->h.type, &f))
        count++;
    g->rest = g->packet.subscribe.filters;
    g->codes = calloc(count, 1);
    if (g->codes != NULL)
        return PASSED;
    pair_close(g->pair, "out of memory");
    return GONE;
}

/* The filter goes on: as hooks rewrite it to the broker, and as it is to those that hear of it. */
static enum passed filter_granted(struct passage *g)
{
    struct mqtt_filter f = g->filter;
    unsigned own = g->own_count;
    bool ok = text_add(&g->said, g->h.type, &f);
    if (!passage_rewrite(g, &f.filter, true))
        return GONE;
    ok = ok && text_add(&g->wire, g->h.type, &f);
    while (g->own_count > own)
        chunk_unref(g->own[--g->own_count]);
    g->count++;
    if (ok)
        return REPEATED;
    pair_close(g->pair, "out of memory");
    return GONE;
}

enum passed subscribe_ask(struct passage *g)
{
    const struct proxy_common *c = g->pair->post->common;
    if (!mqtt_filter_next(&g->rest, g->h.type, &g->filter))
        return PASSED;
    if (g->h.type == MQTT_UNSUBSCRIBE || !c->wants->auth_subscribe)
        return filter_granted(g);
    return passage_ask(g, question_subscribe(c->hooks, g->pair->session, &g->filter));
}

enum passed subscribe_answered(struct passage *g, struct mdm_question *q, bool allowed)
{
    enum passed passed = REPEATED;
    const char *words;
    unsigned reason = question_reason(q, &words);
    if (!allowed) {
        counter_add(counters_self(), COUNTER_proxy_subscribes_denied, 1);
        g->codes[g->count++] = g->pair->version != MQTT_V5               ? MQTT_UNSPECIFIED
                               : mqtt_reason_allowed(reason, MQTT_SUBACK) ? (uint8_t)reason
                                                                          : MQTT_NOT_AUTHORIZED;
        g->denied++;
        g->changed = true;
    } else {
        if (question_changed(q, MDM_TOPIC))
            g->filter.filter = question_field(q, MDM_TOPIC);
        if (question_changed(q, MDM_QOS))
            g->filter.qos = question_field(q, MDM_QOS).data[0];
        g->changed |= question_changed(q, MDM_TOPIC) || question_changed(q, MDM_QOS);
        passed = filter_granted(g);
    }
    question_free(&q);
    return passed;
}

static enum passed answer_all(struct passage *g)
{
    struct mqtt_packet answer = {.type = MQTT_SUBACK, .suback = {.packet_id = g->packet.subscribe.packet_id}};
    answer.suback.codes = (struct mqtt_span){g->codes, g->count};
    side_send(&g->pair->client, &answer);
    return GONE;
}

/* What was denied in part is remembered until its SUBACK comes. */
static bool partial_remember(struct passage *g)
{
    struct pair *p = g->pair;
    struct partial *partial = malloc(sizeof(*partial) + g->count);
    if (partial == NULL || p->partial_count == PROXY_SUBSCRIBES_MAX) {
        free(partial);
        pair_fail(p, MQTT_QUOTA_EXCEEDED, "too many subscriptions wait for the broker");
        return false;
    }
    partial->packet_id = g->packet.subscribe.packet_id;
    partial->count = g->count;
    memcpy(partial->codes, g->codes, g->count);
    list_append(&p->partials, &partial->node);
    p->partial_count++;
    return true;
}

enum passed subscribe_shape(struct passage *g)
{
    if (g->denied == g->count)
        return answer_all(g);
    g->packet.subscribe.filters = (struct mqtt_span){g->wire.data, g->wire.len};
    return g->denied == 0 || partial_remember(g) ? PASSED : GONE;
}

void subscribe_sent(struct passage *g)
{
    const struct proxy_common *c = g->pair->post->common;
    struct mqtt_span rest = {g->said.data, g->said.len};
    struct mqtt_filter f;
    bool on = g->h.type == MQTT_SUBSCRIBE;
    if (!(on ? c->wants->subscribe : c->wants->unsubscribe))
        return;
    while (mqtt_filter_next(&rest, g->h.type, &f)) {
        if (on)
            hook_chain_subscribe(c->hooks, g->pair->session, &f);
        else
            hook_chain_unsubscribe(c->hooks, g->pair->session, f.filter);
    }
}

static struct partial *partial_take(struct pair *p, uint16_t packet_id)
{
    for (struct list *node = p->partials.next; node != &p->partials; node = node->next) {
        struct partial *partial = CONTAINER_OF(node, struct partial, node);
        if (partial->packet_id != packet_id)
            continue;
        list_remove(node);
        p->partial_count--;
        return partial;
    }
    return NULL;
}

enum passed suback_decoded(struct passage *g)
{
    struct pair *p = g->pair;
    struct mqtt_suback *s = &g->packet.suback;
    struct partial *partial = p->partial_count == 0 ? NULL : partial_take(p, s->packet_id);
    if (partial == NULL)
        return PASSED;
    uint8_t *codes = passage_room(g, partial->count);
    size_t from = 0;
    for (size_t i = 0; codes != NULL && i < partial->count; i++) {
        bool ours = partial->codes[i] != 0;
        codes[i] = ours ? partial->codes[i] : from < s->codes.len ? s->codes.data[from] : MQTT_UNSPECIFIED;
        from += !ours;
    }
    if (codes != NULL)
        s->codes = (struct mqtt_span){codes, partial->count};
    g->changed = true;
    free(partial);
    return codes != NULL ? PASSED : GONE;
}
