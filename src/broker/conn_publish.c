/* SPDX-License-Identifier: Apache-2.0 */
/* PUBLISH from the client (MQTT 5 3.3): topic aliases, QoS, policy, then on its way. */
#include <stdlib.h>
#include <string.h>

#include "broker/conn.h"
#include "mqtt/topic.h"

/* -- topic --------------------------------------------------------------------------------------------------------- */

static struct mqtt_span alias_get(const struct conn *c, uint32_t alias)
{
    return c->aliases == NULL ? MQTT_SPAN_NONE : mqtt_span_of(c->aliases->name[alias - 1]);
}

static bool alias_set(struct conn *c, uint32_t alias, struct mqtt_span topic)
{
    if (c->aliases == NULL && (c->aliases = calloc(1, sizeof(*c->aliases))) == NULL)
        return false;
    char *name = strndup((const char *)topic.data, topic.len);
    if (name == NULL)
        return false;
    free(c->aliases->name[alias - 1]);
    c->aliases->name[alias - 1] = name;
    return true;
}

static bool topic_check(struct conn *c, struct mqtt_span topic)
{
    if (topic.len <= MQTT_TOPIC_MAX && mqtt_topic_levels(topic) <= MQTT_TOPIC_LEVELS_MAX)
        return true;
    conn_fail(c, MQTT_TOPIC_NAME_INVALID, "the topic is too long or has too many levels");
    return false;
}

/* The topic that is meant. False: the connection has failed. */
static bool topic_resolve(struct conn *c, const struct mqtt_publish *p, struct mqtt_span *topic)
{
    uint32_t alias = mqtt_property_number(p->properties, MQTT_PROPERTY_TOPIC_ALIAS, 0);
    if (alias > MQTT_TOPIC_ALIASES_MAX) {
        conn_fail(c, MQTT_TOPIC_ALIAS_INVALID, "the topic alias is over the maximum");
        return false;
    }
    *topic = p->topic.len > 0 ? p->topic : alias_get(c, alias);
    if (topic->len == 0) {
        conn_fail(c, MQTT_PROTOCOL_ERROR, "the topic alias was never set");
        return false;
    }
    if (!topic_check(c, *topic))
        return false;
    if (alias != 0 && p->topic.len > 0 && !alias_set(c, alias, *topic)) {
        conn_fail(c, MQTT_UNSPECIFIED, "out of memory");
        return false;
    }
    return true;
}

/* -- QoS ----------------------------------------------------------------------------------------------------------- */

/* Whether a QoS 2 message is new: its identifier is marked until it is released. */
static bool received_mark(struct conn *c, uint16_t id, bool *is_new)
{
    if (c->received == NULL && (c->received = calloc(1, sizeof(*c->received))) == NULL)
        return false;
    uint64_t bit = UINT64_C(1) << (id % 64);
    *is_new = (c->received->bits[id / 64] & bit) == 0;
    c->received->bits[id / 64] |= bit;
    return true;
}

static bool received_release(struct conn *c, uint16_t id)
{
    uint64_t bit = UINT64_C(1) << (id % 64);
    if (c->received == NULL || (c->received->bits[id / 64] & bit) == 0)
        return false;
    c->received->bits[id / 64] &= ~bit;
    return true;
}

void conn_on_pubrel(struct conn *c, const struct mqtt_ack *p)
{
    bool known = received_release(c, p->packet_id);
    conn_send_ack(c, MQTT_PUBCOMP, p->packet_id, known ? MQTT_SUCCESS : MQTT_PACKET_ID_NOT_FOUND);
}

static enum mqtt_type answer_of(unsigned qos)
{
    return qos == 1 ? MQTT_PUBACK : MQTT_PUBREC;
}

/*
 * A message that is not published: MQTT 5 can say so for QoS 1 and 2; otherwise closing is the only way not to
 * drop it silently.
 */
static void publish_refuse(struct conn *c, const struct mqtt_publish *p, enum mqtt_reason reason, const char *words)
{
    if (c->version < MQTT_V5 || p->qos == 0) {
        conn_fail(c, reason, words);
        return;
    }
    if (p->qos == 2)
        received_release(c, p->packet_id);
    conn_send_ack(c, answer_of(p->qos), p->packet_id, reason);
}

/* False: the packet is dealt with. */
static bool qos_take(struct conn *c, const struct mqtt_publish *p)
{
    struct mqtt_property unwanted;
    if (mqtt_property_find(p->properties, MQTT_PROPERTY_SUBSCRIPTION_ID, &unwanted)) {
        conn_fail(c, MQTT_PROTOCOL_ERROR, "a client must not send a subscription identifier");
        return false;
    }
    if (p->qos < 2) {
        if (p->qos == 0 || c->version < MQTT_V5 || c->receiving < MQTT_INFLIGHT_MAX)
            return true;
        conn_fail(c, MQTT_RECEIVE_MAXIMUM_EXCEEDED, "more messages under way than the receive maximum");
        return false;
    }
    if (c->version == MQTT_V5) {
        conn_fail(c, MQTT_QOS_NOT_SUPPORTED, "the QoS is over the maximum");
        return false;
    }
    bool is_new;
    if (!received_mark(c, p->packet_id, &is_new)) {
        conn_fail(c, MQTT_UNSPECIFIED, "out of memory");
        return false;
    }
    if (!is_new)
        conn_send_ack(c, MQTT_PUBREC, p->packet_id, MQTT_SUCCESS);
    return is_new;
}

/* -- on its way ---------------------------------------------------------------------------------------------------- */

void conn_published(struct conn *c, enum mqtt_type answer, uint16_t packet_id)
{
    if (answer == MQTT_PUBACK)
        c->receiving--;
    if (c->state == CONN_OPEN)
        conn_send_ack(c, answer, packet_id, MQTT_SUCCESS);
}

/* False: it was refused. */
static bool message_route(struct conn *c, const struct mqtt_publish *p, struct message *m)
{
    struct receipt receipt = {.handle = 0};
    if (p->qos > 0)
        receipt = (struct receipt){.handle = c->handle, .answer = answer_of(p->qos), .packet_id = p->packet_id};
    c->receiving += p->qos == 1;
    enum mqtt_reason reason = route_publish(c->shard, m, c, &receipt);
    if (reason == MQTT_SUCCESS)
        return true;
    c->receiving -= p->qos == 1;
    publish_refuse(c, p, reason, "the message could not be taken");
    return false;
}

static bool policy_allows(struct conn *c, const struct mqtt_publish *p, char topic[static MQTT_TOPIC_MAX + 1])
{
    const struct broker *b = c->shard->broker;
    struct broker_client who = conn_client(c);
    memcpy(topic, p->topic.data, p->topic.len);
    topic[p->topic.len] = '\0';
    if (c->way.kind->trusted || b->policy.publish == NULL || b->policy.publish(b->policy.ctx, &who, topic, p->retain))
        return true;
    publish_refuse(c, p, MQTT_NOT_AUTHORIZED, "the client may not publish this topic");
    return false;
}

/* Policy, then guard, then policy again about what that has changed. False: the packet is dealt with, or waits. */
static bool publish_allowed(struct conn *c, struct mqtt_publish *p, struct slice *payload, char topic[static MQTT_TOPIC_MAX + 1])
{
    struct broker_denial denial;
    const uint8_t *said = p->topic.data;
    if (!policy_allows(c, p, topic))
        return false;
    enum broker_verdict verdict = conn_guard_publish(c, p, payload, &denial);
    if (verdict == BROKER_DENY)
        publish_refuse(c, p, denial.reason, denial.words);
    if (verdict != BROKER_ALLOW)
        return false;
    return p->topic.data == said || (topic_check(c, p->topic) && policy_allows(c, p, topic));
}

/* What is asked may come again: nothing is remembered of the message before it is allowed. */
void conn_on_publish(struct conn *c, const struct mqtt_publish *said, const struct slice *its_payload)
{
    const struct broker_guard *guard = &c->shard->broker->guard;
    struct mqtt_publish p = *said;
    struct slice payload = *its_payload;
    struct mqtt_span properties;
    char topic[MQTT_TOPIC_MAX + 1];
    void *copy;
    if (!topic_resolve(c, said, &p.topic) || !publish_allowed(c, &p, &payload, topic) || !qos_take(c, &p))
        return;
    if (!message_properties(p.properties, &properties, &copy)) {
        publish_refuse(c, &p, MQTT_UNSPECIFIED, "out of memory");
        return;
    }
    struct message m = {
        .qos = p.qos,
        .retain = p.retain,
        .expires_us = message_expiry_us(p.properties, c->last_packet_us),
        .topic = {(const uint8_t *)topic, p.topic.len},
        .properties = properties,
        .payload = payload,
    };
    if (message_route(c, &p, &m) && c->guarded != NULL && guard->published != NULL)
        guard->published(c->guarded, &p);
    free(copy);
}
