/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of MQTT 5, driven by their rows. */
#include "mqtt/property.h"

#include "mdm-tunnel/limits.h"
#include "mqtt/topic.h"

#define P(type) (1u << MQTT_##type)
#define P_ACKS (P(PUBACK) | P(PUBREC) | P(PUBREL) | P(PUBCOMP))

enum property_type { NONE, FLAG, U16, U16_POSITIVE, U32, U32_POSITIVE, VARINT_POSITIVE, TEXT, BINARY, PAIR };

struct property_row {
    uint8_t type;
    uint32_t packets;
};

#define PROPERTY_CODES 0x2B

static const struct property_row property_rows[PROPERTY_CODES] = {
#define MQTT_PROPERTY(id, code, type, packets) [code] = {type, packets},
#include "mdm-tunnel/tbl/mqtt_properties.h"
#undef MQTT_PROPERTY
};

size_t mqtt_varint_size(uint32_t v)
{
    return v < 128 ? 1 : v < 16384 ? 2 : v < 2097152 ? 3 : 4;
}

void mqtt_varint_write(struct bytes_writer *w, uint32_t v)
{
    if (v > MQTT_VARINT_MAX) {
        w->failed = true;
        return;
    }
    for (; v >= 128; v >>= 7)
        bytes_write_u8(w, (uint8_t)(v | 0x80));
    bytes_write_u8(w, (uint8_t)v);
}

uint32_t mqtt_varint_read(struct bytes_reader *r)
{
    uint32_t v = 0;
    for (unsigned shift = 0; shift < 28; shift += 7) {
        uint8_t byte = bytes_read_u8(r);
        v |= (uint32_t)(byte & 0x7F) << shift;
        if ((byte & 0x80) != 0)
            continue;
        if (byte == 0 && shift > 0)
            r->failed = true;
        return v;
    }
    r->failed = true;
    return 0;
}

static struct mqtt_span field_read(struct bytes_reader *r)
{
    uint16_t len = bytes_read_u16(r);
    const uint8_t *data = bytes_read(r, len);
    return (struct mqtt_span){data, data == NULL ? 0 : len};
}

static void value_read(struct bytes_reader *r, enum property_type type, struct mqtt_property *p)
{
    switch (type) {
    case FLAG:
        p->number = bytes_read_u8(r);
        break;
    case U16:
    case U16_POSITIVE:
        p->number = bytes_read_u16(r);
        break;
    case U32:
    case U32_POSITIVE:
        p->number = bytes_read_u32(r);
        break;
    case VARINT_POSITIVE:
        p->number = mqtt_varint_read(r);
        break;
    case PAIR:
        p->text = field_read(r);
        p->value = field_read(r);
        break;
    case TEXT:
    case BINARY:
        p->text = field_read(r);
        break;
    case NONE:
        r->failed = true;
        break;
    }
}

/* False at the end and when the bytes are no property. */
bool mqtt_property_next(struct mqtt_span *rest, struct mqtt_property *p)
{
    if (rest->len == 0)
        return false;
    struct bytes_reader r;
    bytes_reader_init(&r, rest->data, rest->len);
    uint32_t code = mqtt_varint_read(&r);
    struct mqtt_property found = {.id = (enum mqtt_property_id)code};
    value_read(&r, code < PROPERTY_CODES ? property_rows[code].type : NONE, &found);
    if (r.failed)
        return false;
    found.raw = (struct mqtt_span){rest->data, rest->len - bytes_left(&r)};
    *rest = (struct mqtt_span){rest->data + found.raw.len, rest->len - found.raw.len};
    *p = found;
    return true;
}

bool mqtt_property_find(struct mqtt_span properties, enum mqtt_property_id id, struct mqtt_property *p)
{
    struct mqtt_property found;
    while (mqtt_property_next(&properties, &found)) {
        if (found.id == id) {
            *p = found;
            return true;
        }
    }
    return false;
}

uint32_t mqtt_property_number(struct mqtt_span properties, enum mqtt_property_id id, uint32_t otherwise)
{
    struct mqtt_property found;
    return mqtt_property_find(properties, id, &found) ? found.number : otherwise;
}

static bool refuse(struct mqtt_fault *fault, enum mqtt_reason reason, const char *words)
{
    *fault = (struct mqtt_fault){reason, words};
    return false;
}

static bool value_valid(const struct mqtt_property *p, struct mqtt_fault *fault)
{
    switch (property_rows[p->id].type) {
    case FLAG:
        return p->number <= 1 || refuse(fault, MQTT_PROTOCOL_ERROR, "a property that is a flag is neither 0 nor 1");
    case U16_POSITIVE:
        if (p->number == 0 && p->id == MQTT_PROPERTY_TOPIC_ALIAS)
            return refuse(fault, MQTT_TOPIC_ALIAS_INVALID, "the topic alias is 0");
        return p->number != 0 || refuse(fault, MQTT_PROTOCOL_ERROR, "a property that must not be 0 is 0");
    case U32_POSITIVE:
    case VARINT_POSITIVE:
        return p->number != 0 || refuse(fault, MQTT_PROTOCOL_ERROR, "a property that must not be 0 is 0");
    case TEXT:
        if (!mqtt_text_valid(p->text))
            return refuse(fault, MQTT_MALFORMED_PACKET, "a property is not valid UTF-8");
        if (p->id == MQTT_PROPERTY_RESPONSE_TOPIC && !mqtt_topic_name_valid(p->text))
            return refuse(fault, MQTT_PROTOCOL_ERROR, "the response topic is not a topic name");
        return true;
    case PAIR:
        return (mqtt_text_valid(p->text) && mqtt_text_valid(p->value)) ||
               refuse(fault, MQTT_MALFORMED_PACKET, "a user property is not valid UTF-8");
    default:
        return true;
    }
}

static bool may_repeat(enum mqtt_property_id id, enum mqtt_type type)
{
    return id == MQTT_PROPERTY_USER_PROPERTY || (id == MQTT_PROPERTY_SUBSCRIPTION_ID && type == MQTT_PUBLISH);
}

bool mqtt_properties_valid(struct mqtt_span properties, enum mqtt_type type, struct mqtt_fault *fault)
{
    uint64_t seen = 0;
    unsigned repeats = 0;
    struct mqtt_property p;
    while (mqtt_property_next(&properties, &p)) {
        uint64_t bit = UINT64_C(1) << p.id;
        if ((property_rows[p.id].packets & (1u << type)) == 0)
            return refuse(fault, MQTT_PROTOCOL_ERROR, "a property does not belong to this packet");
        if (may_repeat(p.id, type)) {
            if (++repeats > MQTT_USER_PROPERTIES_MAX)
                return refuse(fault, MQTT_QUOTA_EXCEEDED, "too many user properties");
        } else if ((seen & bit) != 0) {
            return refuse(fault, MQTT_PROTOCOL_ERROR, "a property is given twice");
        }
        seen |= bit;
        if (!value_valid(&p, fault))
            return false;
    }
    if (properties.len != 0)
        return refuse(fault, MQTT_MALFORMED_PACKET, "a property is unknown or cut short");
    if ((seen & (UINT64_C(1) << MQTT_PROPERTY_AUTHENTICATION_DATA)) != 0 &&
        (seen & (UINT64_C(1) << MQTT_PROPERTY_AUTHENTICATION_METHOD)) == 0)
        return refuse(fault, MQTT_PROTOCOL_ERROR, "authentication data without a method");
    return true;
}

void mqtt_property_write_number(struct bytes_writer *w, enum mqtt_property_id id, uint32_t number)
{
    mqtt_varint_write(w, id);
    switch (property_rows[id].type) {
    case FLAG:
        bytes_write_u8(w, (uint8_t)number);
        break;
    case U16:
    case U16_POSITIVE:
        bytes_write_u16(w, (uint16_t)number);
        break;
    case U32:
    case U32_POSITIVE:
        bytes_write_u32(w, number);
        break;
    case VARINT_POSITIVE:
        mqtt_varint_write(w, number);
        break;
    default:
        w->failed = true;
        break;
    }
}

static void field_write(struct bytes_writer *w, struct mqtt_span field)
{
    if (field.len > MQTT_FIELD_MAX) {
        w->failed = true;
        return;
    }
    bytes_write_u16(w, (uint16_t)field.len);
    bytes_write(w, field.data, field.len);
}

void mqtt_property_write_text(struct bytes_writer *w, enum mqtt_property_id id, struct mqtt_span text)
{
    mqtt_varint_write(w, id);
    field_write(w, text);
}

void mqtt_property_write_pair(struct bytes_writer *w, struct mqtt_span name, struct mqtt_span value)
{
    mqtt_varint_write(w, MQTT_PROPERTY_USER_PROPERTY);
    field_write(w, name);
    field_write(w, value);
}
