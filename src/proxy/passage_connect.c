/* SPDX-License-Identifier: Apache-2.0 */
/* CONNECT, with its will, and CONNACK. */
#include <stdio.h>
#include <string.h>

#include "proxy/passage.h"

static const char *reason_of(struct passage *g, const struct mdm_question *q, enum mqtt_reason *reason)
{
    const char *words;
    *reason = (enum mqtt_reason)question_reason(q, &words);
    if (!mqtt_reason_allowed(*reason, MQTT_CONNACK))
        *reason = MQTT_NOT_AUTHORIZED;
    snprintf(g->pair->words, sizeof(g->pair->words), "denied: %s", words != NULL ? words : mqtt_reason_text(*reason));
    return g->pair->words;
}

/* The limits of the proxy are the client's and the broker's, too, where they can be said. */
static struct mqtt_span cap(struct passage *g, struct mqtt_span properties, enum mqtt_property_id id, uint32_t absent, uint32_t max)
{
    return mqtt_property_number(properties, id, absent) > max ? passage_property(g, properties, id, max) : properties;
}

static struct mqtt_span limits_say(struct passage *g, struct mqtt_span properties, bool topics)
{
    properties = cap(g, properties, MQTT_PROPERTY_MAXIMUM_PACKET_SIZE, UINT32_MAX, g->pair->post->common->packet_max);
    return topics ? cap(g, properties, MQTT_PROPERTY_TOPIC_ALIAS_MAXIMUM, 0, PROXY_TOPIC_ALIASES_MAX) : properties;
}

enum passed connect_decoded(struct passage *g)
{
    struct pair *p = g->pair;
    struct mqtt_connect *c = &g->packet.connect;
    p->version = (uint8_t)c->version;
    p->keep_alive_us = c->keep_alive * US_PER_S * 3 / 2;
    hook_session_set_version(p->session, p->version);
    if (!hook_session_set_client_id(p->session, c->client_id) || !hook_session_set_username(p->session, c->username)) {
        pair_close(p, "out of memory");
        return GONE;
    }
    if (p->version == MQTT_V5)
        c->properties = limits_say(g, c->properties, topics_matter(p, false));
    return PASSED;
}

enum passed connect_ask(struct passage *g)
{
    return passage_ask(g, question_connect(g->pair->post->common->hooks, g->pair->session, &g->packet.connect));
}

enum passed connect_answered(struct passage *g, struct mdm_question *q, bool allowed)
{
    struct pair *p = g->pair;
    struct mqtt_connect *c = &g->packet.connect;
    enum mqtt_reason reason;
    passage_keep(g, q);
    if (!allowed) {
        counter_add(counters_self(), COUNTER_proxy_connects_denied, 1);
        const char *why = reason_of(g, q, &reason);
        pair_refuse(p, reason, why);
        return GONE;
    }
    if (question_changed(q, MDM_CLIENT_ID))
        c->client_id = question_field(q, MDM_CLIENT_ID);
    if (question_changed(q, MDM_USERNAME))
        c->username = question_field(q, MDM_USERNAME);
    if (question_changed(q, MDM_PASSWORD))
        c->password = question_field(q, MDM_PASSWORD);
    if (c->username.data == NULL && p->version < MQTT_V5)
        c->password = MQTT_SPAN_NONE; /* 3.1.1 3.1.2.9 */
    g->changed |= question_changed(q, MDM_CLIENT_ID) || question_changed(q, MDM_USERNAME) || question_changed(q, MDM_PASSWORD);
    if (!hook_session_set_client_id(p->session, c->client_id) || !hook_session_set_username(p->session, c->username)) {
        pair_close(p, "out of memory");
        return GONE;
    }
    return PASSED;
}

static enum passed will_shape(struct passage *g)
{
    return passage_rewrite(g, &g->packet.connect.will_topic, false) ? PASSED : GONE;
}

enum passed will_ask(struct passage *g)
{
    const struct proxy_common *common = g->pair->post->common;
    const struct mqtt_connect *c = &g->packet.connect;
    if (g->h.type != MQTT_CONNECT || !c->has_will)
        return PASSED;
    if (!common->wants->auth_publish)
        return will_shape(g);
    struct mqtt_publish will = {.qos = c->will_qos, .retain = c->will_retain, .topic = c->will_topic, .payload = c->will_payload};
    return passage_ask(g, question_publish(common->hooks, g->pair->session, c->will_topic, &will, true, NULL,
                                           g->bytes.chunk));
}

enum passed will_answered(struct passage *g, struct mdm_question *q, bool allowed)
{
    struct mqtt_connect *c = &g->packet.connect;
    enum mqtt_reason reason;
    passage_keep(g, q);
    if (!allowed) {
        counter_add(counters_self(), COUNTER_proxy_connects_denied, 1);
        const char *why = reason_of(g, q, &reason);
        pair_refuse(g->pair, reason, why);
        return GONE;
    }
    if (question_changed(q, MDM_TOPIC))
        c->will_topic = question_field(q, MDM_TOPIC);
    if (question_changed(q, MDM_PAYLOAD))
        c->will_payload = question_field(q, MDM_PAYLOAD);
    g->changed |= question_changed(q, MDM_TOPIC) || question_changed(q, MDM_PAYLOAD);
    return will_shape(g);
}

/* -- the broker's answer ---------------------------------------------------------------------------------------------- */

enum passed connack_decoded(struct passage *g)
{
    struct pair *p = g->pair;
    struct mqtt_connack *c = &g->packet.connack;
    struct mqtt_property assigned;
    if (p->version != MQTT_V5)
        return PASSED;
    if (mqtt_property_find(c->properties, MQTT_PROPERTY_ASSIGNED_CLIENT_ID, &assigned) &&
        !hook_session_set_client_id(p->session, assigned.text)) {
        pair_close(p, "out of memory");
        return GONE;
    }
    p->keep_alive_us = mqtt_property_number(c->properties, MQTT_PROPERTY_SERVER_KEEP_ALIVE, UINT32_MAX) != UINT32_MAX
                           ? mqtt_property_number(c->properties, MQTT_PROPERTY_SERVER_KEEP_ALIVE, 0) * US_PER_S * 3 / 2
                           : p->keep_alive_us;
    if (c->code == MQTT_SUCCESS)
        c->properties = limits_say(g, c->properties, topics_matter(p, true));
    return PASSED;
}

void connack_sent(struct passage *g)
{
    struct pair *p = g->pair;
    if (p->state != PAIR_WAITING)
        return;
    p->answered = true;
    p->code = g->packet.connack.code;
    if (g->packet.connack.code != 0) {
        snprintf(p->words, sizeof(p->words), "the broker refused it: code %u", g->packet.connack.code);
        pair_close(p, p->words);
        return;
    }
    p->state = PAIR_OPEN;
    p->last_us = worker_now_us(p->post->worker);
    pair_tell_connect(p);
    pair_watch(p);
    if (p->up == NULL)
        side_resume(&p->client);
}
