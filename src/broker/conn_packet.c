/* SPDX-License-Identifier: Apache-2.0 */
/* A packet from the client: which state allows it, and who handles it. */
#include "broker/conn.h"

void conn_send_ack(struct conn *c, enum mqtt_type type, uint16_t packet_id, enum mqtt_reason reason)
{
    conn_send(c, &(struct mqtt_packet){.type = type, .ack = {.packet_id = packet_id, .reason = (uint8_t)reason}});
}

/* The will is published only if the client asks for it (MQTT 5 3.14.2.1). */
static void on_disconnect(struct conn *c, const struct mqtt_disconnect *p)
{
    if (mqtt_property_number(p->properties, MQTT_PROPERTY_SESSION_EXPIRY, 0) > 0 && !c->expiry_wanted) {
        conn_fail(c, MQTT_PROTOCOL_ERROR, "DISCONNECT asks for a session that CONNECT did not ask for");
        return;
    }
    if (p->reason != MQTT_DISCONNECT_WITH_WILL) {
        message_unref(c->will);
        c->will = NULL;
    }
    conn_end(c, "the client disconnected");
}

static void open_packet(struct conn *c, const struct mqtt_packet *p, const struct slice *payload)
{
    switch (p->type) {
    case MQTT_PUBLISH:
        conn_on_publish(c, &p->publish, payload);
        break;
    case MQTT_PUBACK:
        conn_on_puback(c, &p->ack);
        break;
    case MQTT_PUBREL:
        conn_on_pubrel(c, &p->ack);
        break;
    case MQTT_SUBSCRIBE:
        conn_on_subscribe(c, &p->subscribe);
        break;
    case MQTT_UNSUBSCRIBE:
        conn_on_unsubscribe(c, &p->subscribe);
        break;
    case MQTT_PINGREQ:
        conn_send(c, &(struct mqtt_packet){.type = MQTT_PINGRESP});
        break;
    case MQTT_DISCONNECT:
        on_disconnect(c, &p->disconnect);
        break;
    default:
        conn_fail(c, MQTT_PROTOCOL_ERROR, "a client must not send this packet now");
        break;
    }
}

/* A CONNECT that cannot be read is answered only where its version has a code for it (3.1.1 3.2.2.3 has not). */
static void connect_malformed(struct conn *c, const struct mqtt_packet *p, const struct mqtt_fault *fault)
{
    c->version = (uint8_t)p->connect.version;
    if (c->version == MQTT_V5 || fault->reason == MQTT_UNSUPPORTED_VERSION)
        conn_refuse(c, fault->reason, fault->words);
    else
        conn_fail(c, fault->reason, fault->words);
}

void conn_packet(struct conn *c, struct chunk *chunk, size_t at, const struct mqtt_header *h)
{
    struct mqtt_packet p;
    struct mqtt_fault fault;
    bool ok = mqtt_decode(&p, (enum mqtt_version)c->version, h, chunk->data + at + h->size, &fault);
    c->last_packet_us = worker_now_us(c->shard->worker);
    if (c->state == CONN_OPENING) {
        if (ok)
            conn_on_connect(c, &p.connect);
        else
            connect_malformed(c, &p, &fault);
        conn_guard_over(c);
        return;
    }
    if (!ok) {
        conn_fail(c, fault.reason, fault.words);
        return;
    }
    struct slice payload = {.chunk = chunk}; /* borrowed: the chunk outlives the call */
    if (h->type == MQTT_PUBLISH) {
        payload.data = p.publish.payload.data;
        payload.len = p.publish.payload.len;
    }
    open_packet(c, &p, &payload);
    conn_guard_over(c);
}
