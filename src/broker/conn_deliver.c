/* SPDX-License-Identifier: Apache-2.0 */
/* PUBLISH to the client: QoS 0 at once or never, QoS 1 in a window (MQTT 5 4.9). */
#include <stdlib.h>

#include "broker/conn.h"

_Static_assert(MQTT_INFLIGHT_MAX <= 64, "conn.inflight has a bit for each");

/* A QoS 1 message that waits for the window. */
struct pending {
    struct list node;
    struct message *message;
    bool retain;
};

static void message_dropped(void) { counter_add(counters_self(), COUNTER_broker_dropped, 1); }

static bool fits(const struct conn *c, size_t bytes)
{
    return bytes <= MQTT_OUTPUT_MAX && c->out.bytes + c->pending_bytes <= MQTT_OUTPUT_MAX - bytes;
}

/* The message's properties and the seconds that it has left; false without memory. `space` is freed by the caller. */
static bool properties_write(const struct message *m, uint32_t seconds, struct mqtt_publish *p, void **space)
{
    *space = NULL;
    p->properties = m->properties;
    if (seconds == UINT32_MAX)
        return true;
    size_t size = m->properties.len + 5;
    if ((*space = malloc(size)) == NULL)
        return false;
    struct bytes_writer w;
    bytes_writer_init(&w, *space, size);
    mqtt_property_write_number(&w, MQTT_PROPERTY_MESSAGE_EXPIRY, seconds);
    bytes_write(&w, m->properties.data, m->properties.len);
    p->properties = (struct mqtt_span){*space, size};
    return true;
}

/* False: it was not queued. A message that the client must not be sent (too large for it, expired) counts as sent. */
static bool message_send(struct conn *c, const struct message *m, uint16_t packet_id, bool retain, bool *sent)
{
    struct mqtt_publish p = {.retain = retain,
                             .qos = packet_id != 0,
                             .packet_id = packet_id,
                             .topic = m->topic,
                             .payload = {m->payload.data, m->payload.len}};
    uint32_t seconds = message_seconds_left(m, worker_now_us(c->shard->worker));
    void *space = NULL;
    *sent = false;
    if (c->version == MQTT_V5 && !properties_write(m, seconds, &p, &space))
        return false;
    bool ok = true;
    if (seconds == 0 || mqtt_publish_head_size(c->version, &p) + p.payload.len > c->packet_max)
        message_dropped();
    else
        ok = *sent = conn_send_publish(c, &p, &m->payload);
    free(space);
    return ok;
}

static void deliver_at_most_once(struct conn *c, const struct message *m, bool retain)
{
    bool sent;
    if (!fits(c, message_weight(m)) || !message_send(c, m, 0, retain, &sent))
        message_dropped();
}

/* -- QoS 1 --------------------------------------------------------------------------------------------------------- */

static uint16_t window_take(struct conn *c)
{
    uint64_t room = ~c->inflight;
    if (c->receive_max < 64)
        room &= (UINT64_C(1) << c->receive_max) - 1;
    if (room == 0)
        return 0;
    unsigned i = (unsigned)__builtin_ctzll(room);
    c->inflight |= UINT64_C(1) << i;
    return (uint16_t)(i + 1);
}

static void window_give(struct conn *c, uint16_t packet_id) { c->inflight &= ~(UINT64_C(1) << (packet_id - 1)); }

/* False: the window is full, or it could not be queued (then the connection is doomed). */
static bool deliver_in_window(struct conn *c, const struct message *m, bool retain)
{
    uint16_t id = window_take(c);
    bool sent;
    if (id == 0)
        return false;
    bool ok = message_send(c, m, id, retain, &sent);
    if (!sent)
        window_give(c, id);
    if (!ok)
        conn_doom(c, "the output is full");
    return true;
}

static void pending_add(struct conn *c, const struct message *m, bool retain)
{
    struct pending *p = malloc(sizeof(*p));
    if (p == NULL || (p->message = message_keep(m)) == NULL) {
        free(p);
        conn_doom(c, "out of memory");
        return;
    }
    p->retain = retain;
    list_append(&c->pending, &p->node);
    c->pending_bytes += message_weight(m);
}

static void pending_free(struct conn *c, struct pending *p)
{
    c->pending_bytes -= message_weight(p->message);
    message_unref(p->message);
    free(p);
}

static void deliver_at_least_once(struct conn *c, const struct message *m, bool retain)
{
    if (!fits(c, message_weight(m)))
        conn_doom(c, "more QoS 1 messages wait than may");
    else if (!list_empty(&c->pending) || !deliver_in_window(c, m, retain))
        pending_add(c, m, retain);
}

void conn_on_puback(struct conn *c, const struct mqtt_ack *p)
{
    if (p->packet_id > MQTT_INFLIGHT_MAX)
        return; /* of no message of ours: nothing to be done about it */
    window_give(c, p->packet_id);
    while (!list_empty(&c->pending)) {
        struct pending *next = CONTAINER_OF(c->pending.next, struct pending, node);
        if (!deliver_in_window(c, next->message, next->retain))
            break;
        list_remove(&next->node);
        pending_free(c, next);
    }
}

void conn_forget_pending(struct conn *c)
{
    for (struct list *node; (node = list_shift(&c->pending)) != NULL;)
        pending_free(c, CONTAINER_OF(node, struct pending, node));
}

void conn_deliver(struct conn *c, const struct message *m, unsigned qos, bool retain)
{
    if (c->state != CONN_OPEN || c->doom != NULL)
        return;
    if (qos == 0)
        deliver_at_most_once(c, m, retain);
    else
        deliver_at_least_once(c, m, retain);
}
