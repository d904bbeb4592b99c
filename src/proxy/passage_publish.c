/* SPDX-License-Identifier: Apache-2.0 */
/* PUBLISH, both ways. */
#include <stdlib.h>

#include "proxy/aliases.h"
#include "proxy/passage.h"

enum passed publish_decoded(struct passage *g)
{
    struct pair *p = g->pair;
    struct mqtt_publish *m = &g->packet.publish;
    g->topic = m->topic;
    if (p->version != MQTT_V5 || !topics_matter(p, g->up))
        return PASSED;
    const char *why = aliases_resolve(g->up ? &p->up_aliases : &p->down_aliases, m, &g->topic);
    if (why != NULL) {
        pair_fail(p, MQTT_TOPIC_ALIAS_INVALID, why);
        return GONE;
    }
    if (mqtt_property_number(m->properties, MQTT_PROPERTY_TOPIC_ALIAS, 0) != 0) {
        m->properties = passage_property(g, m->properties, MQTT_PROPERTY_TOPIC_ALIAS, 0);
        m->topic = g->topic;
    }
    return p->state >= PAIR_CLOSING ? GONE : PASSED;
}

enum passed publish_ask(struct passage *g)
{
    return passage_ask(g, question_publish(g->pair->post->common->hooks, g->pair->session, g->topic, &g->packet.publish, false,
                                           &g->pair->post->questions, g->bytes.chunk));
}

static bool refused_remember(struct pair *p, uint16_t id)
{
    if (p->refused == NULL)
        p->refused = calloc(1, sizeof(*p->refused));
    if (p->refused == NULL)
        return false;
    p->refused->bits[id / 64] |= UINT64_C(1) << id % 64;
    return true;
}

/* A client that cannot be told is answered as if it had been taken, or disconnected. */
static void deny(struct pair *p, const struct mqtt_publish *m, const struct mdm_question *q)
{
    const char *words;
    unsigned reason = question_reason(q, &words);
    struct mqtt_packet answer = {.type = m->qos == 2 ? MQTT_PUBREC : MQTT_PUBACK, .ack = {.packet_id = m->packet_id}};
    counter_add(counters_self(), COUNTER_proxy_publishes_denied, 1);
    if (p->version == MQTT_V5 && m->qos > 0)
        answer.ack.reason = mqtt_reason_allowed(reason, answer.type) ? (uint8_t)reason : MQTT_NOT_AUTHORIZED;
    else if (!p->post->common->drop_denied) {
        pair_fail(p, MQTT_NOT_AUTHORIZED, "it published what it must not");
        return;
    }
    if (m->qos == 2 && p->version != MQTT_V5 && !refused_remember(p, m->packet_id))
        pair_close(p, "out of memory");
    else if (m->qos > 0)
        denials_answer(p, answer.type, &answer.ack);
}

enum passed publish_answered(struct passage *g, struct mdm_question *q, bool allowed)
{
    struct mqtt_publish *m = &g->packet.publish;
    passage_keep(g, q);
    if (!allowed) {
        deny(g->pair, m, q);
        return GONE;
    }
    if (question_changed(q, MDM_TOPIC))
        m->topic = g->topic = question_field(q, MDM_TOPIC);
    if (question_changed(q, MDM_PAYLOAD))
        m->payload = question_field(q, MDM_PAYLOAD);
    g->changed |= question_changed(q, MDM_TOPIC) || question_changed(q, MDM_PAYLOAD);
    return PASSED;
}

enum passed publish_shape(struct passage *g) { return passage_rewrite(g, &g->packet.publish.topic, false) ? PASSED : GONE; }

/* The broker knows nothing of a message that was denied. */
enum passed pubrel_decoded(struct passage *g)
{
    struct pair *p = g->pair;
    uint16_t id = g->packet.ack.packet_id;
    uint64_t bit = UINT64_C(1) << id % 64;
    if (!g->up || p->refused == NULL || (p->refused->bits[id / 64] & bit) == 0)
        return PASSED;
    p->refused->bits[id / 64] &= ~bit;
    side_send(&p->client, &(struct mqtt_packet){.type = MQTT_PUBCOMP, .ack = {.packet_id = id}});
    return GONE;
}
