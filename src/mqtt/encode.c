/* SPDX-License-Identifier: Apache-2.0 */
/* Packets -> bytes. Each body is written twice by the same code: once to count, once into the buffer. */
#include "mqtt/packet.h"

/* Counts always; writes when there is a writer. */
struct sink {
    struct bytes_writer *w;
    size_t len;
    bool failed;
};

static void put_bytes(struct sink *s, const void *data, size_t len)
{
    s->len += len;
    if (s->w != NULL && len > 0)
        bytes_write(s->w, data, len);
}

static void put_u8(struct sink *s, uint8_t v) { put_bytes(s, &v, 1); }
static void put_u16(struct sink *s, uint16_t v) { put_bytes(s, (uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2); }

static void put_field(struct sink *s, struct mqtt_span field)
{
    if (field.len > MQTT_FIELD_MAX)
        s->failed = true;
    put_u16(s, (uint16_t)field.len);
    put_bytes(s, field.data, field.len);
}

static void put_properties(struct sink *s, enum mqtt_version version, struct mqtt_span properties)
{
    if (version < MQTT_V5)
        return;
    if (properties.len > MQTT_VARINT_MAX) {
        s->failed = true;
        return;
    }
    s->len += mqtt_varint_size((uint32_t)properties.len);
    if (s->w != NULL)
        mqtt_varint_write(s->w, (uint32_t)properties.len);
    put_bytes(s, properties.data, properties.len);
}

static void put_connect(struct sink *s, enum mqtt_version version, const struct mqtt_packet *p)
{
    const struct mqtt_connect *c = &p->connect;
    (void)version;
    put_field(s, mqtt_span_of(c->version == MQTT_V3_1 ? "MQIsdp" : "MQTT"));
    put_u8(s, (uint8_t)c->version);
    put_u8(s, (uint8_t)(c->clean_start << 1 | c->has_will << 2 | (c->has_will ? c->will_qos : 0) << 3 |
                        (c->has_will && c->will_retain) << 5 | (c->password.data != NULL) << 6 |
                        (c->username.data != NULL) << 7));
    put_u16(s, c->keep_alive);
    put_properties(s, c->version, c->properties);
    put_field(s, c->client_id);
    if (c->has_will) {
        put_properties(s, c->version, c->will_properties);
        put_field(s, c->will_topic);
        put_field(s, c->will_payload);
    }
    if (c->username.data != NULL)
        put_field(s, c->username);
    if (c->password.data != NULL)
        put_field(s, c->password);
}

static void put_connack(struct sink *s, enum mqtt_version version, const struct mqtt_packet *p)
{
    put_u8(s, p->connack.session_present);
    put_u8(s, p->connack.code);
    put_properties(s, version, p->connack.properties);
}

static void put_publish_head(struct sink *s, enum mqtt_version version, const struct mqtt_publish *p)
{
    put_field(s, p->topic);
    if (p->qos > 0)
        put_u16(s, p->packet_id);
    put_properties(s, version, p->properties);
}

static void put_publish(struct sink *s, enum mqtt_version version, const struct mqtt_packet *p)
{
    put_publish_head(s, version, &p->publish);
    put_bytes(s, p->publish.payload.data, p->publish.payload.len);
}

static void put_ack(struct sink *s, enum mqtt_version version, const struct mqtt_packet *p)
{
    put_u16(s, p->ack.packet_id);
    bool properties = p->ack.properties.len > 0;
    if (version < MQTT_V5 || (p->ack.reason == 0 && !properties))
        return;
    put_u8(s, p->ack.reason);
    if (properties)
        put_properties(s, version, p->ack.properties);
}

static void put_subscribe(struct sink *s, enum mqtt_version version, const struct mqtt_packet *p)
{
    put_u16(s, p->subscribe.packet_id);
    put_properties(s, version, p->subscribe.properties);
    put_bytes(s, p->subscribe.filters.data, p->subscribe.filters.len);
}

static void put_suback(struct sink *s, enum mqtt_version version, const struct mqtt_packet *p)
{
    put_u16(s, p->suback.packet_id);
    put_properties(s, version, p->suback.properties);
    if (version == MQTT_V5 || p->type == MQTT_SUBACK)
        put_bytes(s, p->suback.codes.data, p->suback.codes.len);
}

static void put_disconnect(struct sink *s, enum mqtt_version version, const struct mqtt_packet *p)
{
    bool properties = p->disconnect.properties.len > 0;
    if (version < MQTT_V5 || (p->disconnect.reason == 0 && !properties))
        return;
    put_u8(s, p->disconnect.reason);
    if (properties)
        put_properties(s, version, p->disconnect.properties);
}

static void put_nothing(struct sink *s, enum mqtt_version version, const struct mqtt_packet *p)
{
    (void)s;
    (void)version;
    (void)p;
}

struct encode_row {
    void (*put)(struct sink *s, enum mqtt_version version, const struct mqtt_packet *p);
    uint8_t flags;
};

static const struct encode_row encode_rows[MQTT_TYPES] = {
    [MQTT_WILL] = {put_nothing, 0},         [MQTT_CONNECT] = {put_connect, 0},
    [MQTT_CONNACK] = {put_connack, 0},      [MQTT_PUBLISH] = {put_publish, 0},
    [MQTT_PUBACK] = {put_ack, 0},           [MQTT_PUBREC] = {put_ack, 0},
    [MQTT_PUBREL] = {put_ack, 2},           [MQTT_PUBCOMP] = {put_ack, 0},
    [MQTT_SUBSCRIBE] = {put_subscribe, 2},  [MQTT_SUBACK] = {put_suback, 0},
    [MQTT_UNSUBSCRIBE] = {put_subscribe, 2}, [MQTT_UNSUBACK] = {put_suback, 0},
    [MQTT_PINGREQ] = {put_nothing, 0},      [MQTT_PINGRESP] = {put_nothing, 0},
    [MQTT_DISCONNECT] = {put_disconnect, 0}, [MQTT_AUTH] = {put_disconnect, 0},
};

static uint8_t publish_flags(const struct mqtt_publish *p)
{
    return (uint8_t)(p->dup << 3 | p->qos << 1 | p->retain);
}

/* The fixed header's size, or 0 when the body is longer than MQTT can say. */
static size_t header_size(const struct sink *counted, size_t body)
{
    return counted->failed || body > MQTT_VARINT_MAX ? 0 : 1 + mqtt_varint_size((uint32_t)body);
}

static void header_write(struct bytes_writer *w, enum mqtt_type type, uint8_t flags, size_t body)
{
    bytes_write_u8(w, (uint8_t)(type << 4 | flags));
    mqtt_varint_write(w, (uint32_t)body);
}

size_t mqtt_encoded_size(enum mqtt_version version, const struct mqtt_packet *p)
{
    struct sink count = {.w = NULL};
    encode_rows[p->type].put(&count, version, p);
    size_t head = header_size(&count, count.len);
    return head == 0 ? 0 : head + count.len;
}

void mqtt_encode(struct bytes_writer *w, enum mqtt_version version, const struct mqtt_packet *p)
{
    const struct encode_row *row = &encode_rows[p->type];
    struct sink count = {.w = NULL}, write = {.w = w};
    row->put(&count, version, p);
    if (header_size(&count, count.len) == 0) {
        w->failed = true;
        return;
    }
    header_write(w, p->type, p->type == MQTT_PUBLISH ? publish_flags(&p->publish) : row->flags, count.len);
    row->put(&write, version, p);
}

size_t mqtt_publish_head_size(enum mqtt_version version, const struct mqtt_publish *p)
{
    struct sink count = {.w = NULL};
    put_publish_head(&count, version, p);
    size_t head = header_size(&count, count.len + p->payload.len);
    return head == 0 ? 0 : head + count.len;
}

void mqtt_publish_head_write(struct bytes_writer *w, enum mqtt_version version, const struct mqtt_publish *p)
{
    struct sink count = {.w = NULL}, write = {.w = w};
    put_publish_head(&count, version, p);
    if (header_size(&count, count.len + p->payload.len) == 0) {
        w->failed = true;
        return;
    }
    header_write(w, MQTT_PUBLISH, publish_flags(p), count.len + p->payload.len);
    put_publish_head(&write, version, p);
}

void mqtt_filter_write(struct bytes_writer *w, enum mqtt_type type, const struct mqtt_filter *f)
{
    if (f->filter.len > MQTT_FIELD_MAX) {
        w->failed = true;
        return;
    }
    bytes_write_u16(w, (uint16_t)f->filter.len);
    bytes_write(w, f->filter.data, f->filter.len);
    if (type == MQTT_SUBSCRIBE)
        bytes_write_u8(w, (uint8_t)(f->qos | f->no_local << 2 | f->retain_as_published << 3 | f->retain_handling << 4));
}
