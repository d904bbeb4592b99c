/* SPDX-License-Identifier: Apache-2.0 */
/* CONNECT and its answer (MQTT 5 3.1, 3.2). */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "broker/conn.h"
#include "mqtt/topic.h"

/* A refusal: MQTT_SUCCESS means none. */
struct verdict {
    enum mqtt_reason reason;
    const char *words;
};

#define ACCEPTED ((struct verdict){MQTT_SUCCESS, NULL})

/* -- CONNACK ------------------------------------------------------------------------------------------------------- */

#define CONNACK_PROPERTIES_MAX (128 + MQTT_CLIENT_ID_MAX)

static void connack_send(struct conn *c, uint8_t code, const struct bytes_writer *properties)
{
    struct mqtt_packet p = {.type = MQTT_CONNACK, .connack = {.code = code}};
    if (properties != NULL && !properties->failed)
        p.connack.properties = (struct mqtt_span){properties->start, bytes_written(properties)};
    conn_send(c, &p);
}

void conn_refuse(struct conn *c, enum mqtt_reason reason, const char *words)
{
    uint8_t space[CONNACK_PROPERTIES_MAX];
    struct bytes_writer w;
    bytes_writer_init(&w, space, sizeof(space));
    counter_add(counters_self(), COUNTER_broker_protocol_errors, 1);
    if (c->version == MQTT_V5) {
        mqtt_property_write_text(&w, MQTT_PROPERTY_REASON_STRING, mqtt_span_of(words));
        connack_send(c, (uint8_t)reason, &w);
    } else {
        connack_send(c, mqtt_reason_to_connack3(reason), NULL);
    }
    conn_linger(c, words);
}

/* What we can do, so that the client need not find out (MQTT 5 3.2.2.3). */
static void capabilities_write(const struct conn *c, struct bytes_writer *w)
{
    if (c->expiry_wanted)
        mqtt_property_write_number(w, MQTT_PROPERTY_SESSION_EXPIRY, 0);
    mqtt_property_write_number(w, MQTT_PROPERTY_RECEIVE_MAXIMUM, MQTT_INFLIGHT_MAX);
    mqtt_property_write_number(w, MQTT_PROPERTY_MAXIMUM_QOS, 1);
    mqtt_property_write_number(w, MQTT_PROPERTY_RETAIN_AVAILABLE, 1);
    mqtt_property_write_number(w, MQTT_PROPERTY_MAXIMUM_PACKET_SIZE, MQTT_PACKET_MAX);
    if (c->id_assigned)
        mqtt_property_write_text(w, MQTT_PROPERTY_ASSIGNED_CLIENT_ID, mqtt_span_of(conn_client_id(c)));
    mqtt_property_write_number(w, MQTT_PROPERTY_TOPIC_ALIAS_MAXIMUM, MQTT_TOPIC_ALIASES_MAX);
    mqtt_property_write_number(w, MQTT_PROPERTY_WILDCARD_AVAILABLE, 1);
    mqtt_property_write_number(w, MQTT_PROPERTY_SUBSCRIPTION_ID_AVAILABLE, 0);
    mqtt_property_write_number(w, MQTT_PROPERTY_SHARED_AVAILABLE, 0);
    if (c->keep_alive_s != 0)
        mqtt_property_write_number(w, MQTT_PROPERTY_SERVER_KEEP_ALIVE, c->keep_alive_s);
}

static void accept_send(struct conn *c)
{
    uint8_t space[CONNACK_PROPERTIES_MAX];
    struct bytes_writer w;
    bytes_writer_init(&w, space, sizeof(space));
    if (c->version == MQTT_V5)
        capabilities_write(c, &w);
    connack_send(c, MQTT_SUCCESS, &w);
}

bool conn_claimed(struct conn *c, struct claim *claim)
{
    if (c->state != CONN_CLAIMING)
        return false;
    if (!claim->granted) {
        conn_refuse(c, MQTT_SERVER_BUSY, "another connection took the client identifier meanwhile");
        return false;
    }
    struct broker *b = c->shard->broker;
    c->claim = claim;
    c->state = CONN_OPEN;
    conn_is_no_stranger(c);
    counter_add(counters_self(), COUNTER_broker_connections, 1);
    if (c->way.kind->trusted)
        atomic_fetch_add(&b->elders, 1);
    accept_send(c);
    event_del(&c->timer);
    if (c->keep_alive_us > 0)
        conn_timer_set(c, c->keep_alive_us);
    struct broker_client who = conn_client(c);
    if (b->events.connected != NULL)
        b->events.connected(b->ctx, &who);
    if (c->guarded != NULL && b->guard.connected != NULL)
        b->guard.connected(c->guarded, who.client_id);
    conn_resume(c);
    return true;
}

/* -- CONNECT ------------------------------------------------------------------------------------------------------- */

/* Writes the client id: the client's, or one of ours for an empty one. */
static struct verdict id_choose(struct conn *c, const struct mqtt_connect *p, char id[static MQTT_CLIENT_ID_MAX + 1])
{
    if (p->client_id.len > MQTT_CLIENT_ID_MAX)
        return (struct verdict){MQTT_CLIENT_ID_INVALID, "the client identifier is too long"};
    memcpy(id, p->client_id.data, p->client_id.len);
    id[p->client_id.len] = '\0';
    if (p->client_id.len > 0)
        return ACCEPTED;
    if (p->version != MQTT_V5 && !p->clean_start)
        return (struct verdict){MQTT_CLIENT_ID_INVALID, "an empty client identifier needs a clean session"};
    unsigned long long random[2];
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return (struct verdict){MQTT_SERVER_UNAVAILABLE, "no random numbers"};
    snprintf(id, MQTT_CLIENT_ID_MAX + 1, "auto-%016llx%016llx", random[0], random[1]);
    c->id_assigned = true;
    return ACCEPTED;
}

static struct verdict username_keep(struct conn *c, const struct mqtt_connect *p)
{
    if (p->username.len > MQTT_USERNAME_MAX)
        return (struct verdict){MQTT_BAD_CREDENTIALS, "the user name is too long"};
    if (p->username.data != NULL && (c->username = strndup((const char *)p->username.data, p->username.len)) == NULL)
        return (struct verdict){MQTT_SERVER_UNAVAILABLE, "out of memory"};
    return ACCEPTED;
}

static struct verdict certificate_keep(struct conn *c)
{
    char subject[MQTT_USERNAME_MAX];
    if (sock_client_subject(&c->way.sock, subject, sizeof(subject)) && (c->certificate = strdup(subject)) == NULL)
        return (struct verdict){MQTT_SERVER_UNAVAILABLE, "out of memory"};
    return ACCEPTED;
}

static struct verdict will_check(const struct mqtt_connect *p)
{
    if (p->will_topic.len > MQTT_TOPIC_MAX || mqtt_topic_levels(p->will_topic) > MQTT_TOPIC_LEVELS_MAX)
        return (struct verdict){MQTT_TOPIC_NAME_INVALID, "the will's topic is too long"};
    if (p->version == MQTT_V5 && p->will_qos > 1)
        return (struct verdict){MQTT_QOS_NOT_SUPPORTED, "the will's QoS is over the maximum"};
    if (p->will_retain && p->will_payload.len > MQTT_RETAINED_PAYLOAD_MAX)
        return (struct verdict){MQTT_QUOTA_EXCEEDED, "the will is too large to be retained"};
    return ACCEPTED;
}

static struct verdict will_keep(struct conn *c, const struct mqtt_connect *p)
{
    struct message m = {
        .qos = p->will_qos, .retain = p->will_retain, .topic = p->will_topic, .expires_us = CLOCK_NEVER};
    void *copy;
    if (!message_properties(p->will_properties, &m.properties, &copy))
        return (struct verdict){MQTT_SERVER_UNAVAILABLE, "out of memory"};
    m.payload = slice_static(p->will_payload.data, p->will_payload.len);
    c->will = message_keep(&m);
    free(copy);
    c->will_expiry_s = mqtt_property_number(p->will_properties, MQTT_PROPERTY_MESSAGE_EXPIRY, UINT32_MAX);
    return c->will != NULL ? ACCEPTED : (struct verdict){MQTT_SERVER_UNAVAILABLE, "out of memory"};
}

static struct verdict policy_ask(const struct conn *c, const struct mqtt_connect *p, const char *id)
{
    const struct broker *b = c->shard->broker;
    struct broker_client who = conn_client(c);
    who.client_id = id;
    who.password = p->password.data;
    who.password_len = p->password.len;
    if (c->way.kind->trusted)
        return ACCEPTED;
    if (b->policy.connect != NULL && !b->policy.connect(b->policy.ctx, &who))
        return (struct verdict){MQTT_NOT_AUTHORIZED, "the client may not connect"};
    if (c->will != NULL && b->policy.publish != NULL &&
        !b->policy.publish(b->policy.ctx, &who, (const char *)c->will->topic.data, c->will->retain))
        return (struct verdict){MQTT_NOT_AUTHORIZED, "the client may not publish its will"};
    return ACCEPTED;
}

static void keep_alive_take(struct conn *c, const struct mqtt_connect *p)
{
    uint16_t seconds = p->keep_alive;
    if (p->version == MQTT_V5 && (seconds == 0 || seconds > MQTT_KEEP_ALIVE_MAX))
        seconds = c->keep_alive_s = MQTT_KEEP_ALIVE_MAX;
    c->keep_alive_us = seconds * US_PER_S * 3 / 2;
}

static void limits_take(struct conn *c, const struct mqtt_connect *p)
{
    uint32_t receive = mqtt_property_number(p->properties, MQTT_PROPERTY_RECEIVE_MAXIMUM, UINT16_MAX);
    c->receive_max = (uint16_t)(receive < MQTT_INFLIGHT_MAX ? receive : MQTT_INFLIGHT_MAX);
    c->packet_max = mqtt_property_number(p->properties, MQTT_PROPERTY_MAXIMUM_PACKET_SIZE, UINT32_MAX);
    c->expiry_wanted = mqtt_property_number(p->properties, MQTT_PROPERTY_SESSION_EXPIRY, 0) > 0;
}

static struct verdict connect_take(struct conn *c, const struct mqtt_connect *p, char id[static MQTT_CLIENT_ID_MAX + 1])
{
    struct mqtt_property method;
    if (p->version == MQTT_V3_1)
        return (struct verdict){MQTT_UNSUPPORTED_VERSION, "MQTT 3.1 is not supported"};
    if (mqtt_property_find(p->properties, MQTT_PROPERTY_AUTHENTICATION_METHOD, &method))
        return (struct verdict){MQTT_BAD_AUTHENTICATION_METHOD, "enhanced authentication is not supported"};
    keep_alive_take(c, p);
    limits_take(c, p);
    struct verdict v = id_choose(c, p, id);
    if (v.reason == MQTT_SUCCESS)
        v = username_keep(c, p);
    if (v.reason == MQTT_SUCCESS)
        v = certificate_keep(c);
    if (v.reason == MQTT_SUCCESS && p->has_will)
        v = will_check(p);
    if (v.reason == MQTT_SUCCESS && p->has_will)
        v = will_keep(c, p);
    return v.reason == MQTT_SUCCESS ? policy_ask(c, p, id) : v;
}

void conn_on_connect(struct conn *c, const struct mqtt_connect *p)
{
    char id[MQTT_CLIENT_ID_MAX + 1];
    struct mqtt_connect guarded = *p;
    c->version = (uint8_t)(p->version == MQTT_V3_1 ? MQTT_V3_1_1 : p->version);
    if (p->version != MQTT_V3_1 && !conn_guard_connect(c, &guarded))
        return;
    struct verdict v = connect_take(c, &guarded, id);
    if (v.reason == MQTT_SUCCESS && !registry_claim(c->shard, c->handle, id))
        v = (struct verdict){MQTT_SERVER_UNAVAILABLE, "out of memory"};
    if (v.reason != MQTT_SUCCESS) {
        conn_refuse(c, v.reason, v.words);
        return;
    }
    c->state = CONN_CLAIMING;
    transport_reading(&c->way, false);
}
