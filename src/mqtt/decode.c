/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes -> packets. */
#include "mqtt/packet.h"

#include "mqtt/topic.h"

enum mqtt_progress mqtt_header_parse(const uint8_t *data, size_t len, struct mqtt_header *h)
{
    uint32_t length = 0;
    for (unsigned i = 1; i < MQTT_HEADER_MAX; i++) {
        if (i >= len)
            return MQTT_MORE;
        length |= (uint32_t)(data[i] & 0x7F) << (7 * (i - 1));
        if ((data[i] & 0x80) != 0)
            continue;
        *h = (struct mqtt_header){
            .type = (enum mqtt_type)(data[0] >> 4),
            .flags = data[0] & 0x0F,
            .size = (uint8_t)(i + 1),
            .padded = i > 1 && data[i] == 0,
            .length = length,
        };
        return h->type == 0 ? MQTT_BAD : MQTT_DONE;
    }
    return MQTT_BAD;
}

/* A reader that keeps the first fault. */
struct decoder {
    struct bytes_reader r;
    enum mqtt_version version;
    bool failed;
    struct mqtt_fault *fault;
};

static void fail(struct decoder *d, enum mqtt_reason reason, const char *words)
{
    if (!d->failed && !d->r.failed)
        *d->fault = (struct mqtt_fault){reason, words};
    d->failed = true;
}

static struct mqtt_span read_rest(struct decoder *d)
{
    struct mqtt_span s = {d->r.at, bytes_left(&d->r)};
    bytes_read(&d->r, s.len);
    return s;
}

static struct mqtt_span read_binary(struct decoder *d)
{
    uint16_t len = bytes_read_u16(&d->r);
    const uint8_t *data = bytes_read(&d->r, len);
    return (struct mqtt_span){data, data == NULL ? 0 : len};
}

static struct mqtt_span read_text(struct decoder *d)
{
    struct mqtt_span s = read_binary(d);
    if (!mqtt_text_valid(s))
        fail(d, MQTT_MALFORMED_PACKET, "a text is not valid UTF-8");
    return s;
}

static uint16_t read_packet_id(struct decoder *d)
{
    uint16_t id = bytes_read_u16(&d->r);
    if (id == 0)
        fail(d, MQTT_PROTOCOL_ERROR, "the packet identifier is 0");
    return id;
}

static struct mqtt_span read_properties(struct decoder *d, enum mqtt_type type)
{
    if (d->version < MQTT_V5)
        return MQTT_SPAN_NONE;
    uint32_t len = mqtt_varint_read(&d->r);
    const uint8_t *data = bytes_read(&d->r, len);
    if (data == NULL || d->failed)
        return MQTT_SPAN_NONE;
    struct mqtt_span s = {data, len};
    struct mqtt_fault fault;
    if (len > 0 && !mqtt_properties_valid(s, type, &fault))
        fail(d, fault.reason, fault.words);
    return s;
}

static uint8_t read_reason(struct decoder *d, enum mqtt_type type)
{
    uint8_t code = bytes_read_u8(&d->r);
    if (!d->r.failed && !mqtt_reason_allowed(code, type))
        fail(d, MQTT_PROTOCOL_ERROR, "the reason code does not belong to this packet");
    return code;
}

/* -- CONNECT (3.1) ------------------------------------------------------------------------------------------------- */

static bool read_protocol(struct decoder *d, struct mqtt_connect *c)
{
    struct mqtt_span name = read_binary(d);
    uint8_t level = bytes_read_u8(&d->r);
    if (d->r.failed)
        return false;
    bool old = mqtt_span_equal(name, mqtt_span_of("MQIsdp"));
    bool known = old ? level == MQTT_V3_1
                     : mqtt_span_equal(name, mqtt_span_of("MQTT")) && (level == MQTT_V3_1_1 || level == MQTT_V5);
    c->version = known ? (enum mqtt_version)level : level > MQTT_V5 ? MQTT_V5 : MQTT_V3_1_1;
    d->version = c->version;
    if (!known)
        fail(d, MQTT_UNSUPPORTED_VERSION, "the protocol name or version is unknown");
    return known;
}

enum {
    CONNECT_RESERVED = 0x01,
    CONNECT_CLEAN = 0x02,
    CONNECT_WILL = 0x04,
    CONNECT_WILL_RETAIN = 0x20,
    CONNECT_PASSWORD = 0x40,
    CONNECT_USERNAME = 0x80,
};

static void check_connect_flags(struct decoder *d, uint8_t flags)
{
    if ((flags & CONNECT_RESERVED) != 0)
        fail(d, MQTT_MALFORMED_PACKET, "a reserved flag of CONNECT is set");
    if ((flags & CONNECT_WILL) == 0 && (flags & 0x38) != 0)
        fail(d, MQTT_MALFORMED_PACKET, "flags of a will without a will");
    if ((flags & 0x18) == 0x18)
        fail(d, MQTT_MALFORMED_PACKET, "the will's QoS is 3");
    if (d->version < MQTT_V5 && (flags & CONNECT_PASSWORD) != 0 && (flags & CONNECT_USERNAME) == 0)
        fail(d, MQTT_MALFORMED_PACKET, "a password without a user name");
}

static void read_will(struct decoder *d, uint8_t flags, struct mqtt_connect *c)
{
    c->has_will = true;
    c->will_qos = (flags >> 3) & 3;
    c->will_retain = (flags & CONNECT_WILL_RETAIN) != 0;
    c->will_properties = read_properties(d, MQTT_WILL);
    c->will_topic = read_text(d);
    if (!mqtt_topic_name_valid(c->will_topic))
        fail(d, MQTT_TOPIC_NAME_INVALID, "the will's topic is not a topic name");
    c->will_payload = read_binary(d);
}

static void decode_connect(struct decoder *d, const struct mqtt_header *h, struct mqtt_packet *p)
{
    (void)h;
    struct mqtt_connect *c = &p->connect;
    *c = (struct mqtt_connect){.version = MQTT_V3_1_1};
    if (!read_protocol(d, c))
        return;
    uint8_t flags = bytes_read_u8(&d->r);
    check_connect_flags(d, flags);
    c->clean_start = (flags & CONNECT_CLEAN) != 0;
    c->keep_alive = bytes_read_u16(&d->r);
    c->properties = read_properties(d, MQTT_CONNECT);
    c->client_id = read_text(d);
    if ((flags & CONNECT_WILL) != 0)
        read_will(d, flags, c);
    if ((flags & CONNECT_USERNAME) != 0)
        c->username = read_text(d);
    if ((flags & CONNECT_PASSWORD) != 0)
        c->password = read_binary(d);
}

/* -- the other packets --------------------------------------------------------------------------------------------- */

static void decode_connack(struct decoder *d, const struct mqtt_header *h, struct mqtt_packet *p)
{
    (void)h;
    uint8_t flags = bytes_read_u8(&d->r);
    if ((flags & 0xFE) != 0)
        fail(d, MQTT_MALFORMED_PACKET, "a reserved flag of CONNACK is set");
    p->connack.session_present = (flags & 1) != 0;
    if (d->version == MQTT_V5) {
        p->connack.code = read_reason(d, MQTT_CONNACK);
    } else {
        p->connack.code = bytes_read_u8(&d->r);
        if (p->connack.code > 5)
            fail(d, MQTT_PROTOCOL_ERROR, "the return code is unknown");
    }
    p->connack.properties = read_properties(d, MQTT_CONNACK);
}

static void check_publish_topic(struct decoder *d, const struct mqtt_publish *p)
{
    if (p->topic.len > 0) {
        if (!mqtt_topic_name_valid(p->topic))
            fail(d, MQTT_TOPIC_NAME_INVALID, "the topic has a wildcard");
    } else if (mqtt_property_number(p->properties, MQTT_PROPERTY_TOPIC_ALIAS, 0) == 0) {
        fail(d, d->version == MQTT_V5 ? MQTT_PROTOCOL_ERROR : MQTT_TOPIC_NAME_INVALID, "the topic is empty");
    }
}

static void decode_publish(struct decoder *d, const struct mqtt_header *h, struct mqtt_packet *packet)
{
    struct mqtt_publish *p = &packet->publish;
    p->dup = (h->flags & 8) != 0;
    p->qos = (h->flags >> 1) & 3;
    p->retain = (h->flags & 1) != 0;
    if (p->qos == 3)
        fail(d, MQTT_MALFORMED_PACKET, "the QoS is 3");
    if (p->qos == 0 && p->dup)
        fail(d, MQTT_MALFORMED_PACKET, "DUP with QoS 0");
    p->topic = read_text(d);
    p->packet_id = p->qos > 0 ? read_packet_id(d) : 0;
    p->properties = read_properties(d, MQTT_PUBLISH);
    if (!d->r.failed && !d->failed)
        check_publish_topic(d, p);
    p->payload = read_rest(d);
}

static void decode_ack(struct decoder *d, const struct mqtt_header *h, struct mqtt_packet *p)
{
    p->ack = (struct mqtt_ack){.packet_id = read_packet_id(d)};
    if (d->version == MQTT_V5 && h->length > 2)
        p->ack.reason = read_reason(d, h->type);
    if (d->version == MQTT_V5 && h->length > 3)
        p->ack.properties = read_properties(d, h->type);
}

static bool read_filter(struct bytes_reader *r, enum mqtt_type type, struct mqtt_filter *f)
{
    uint16_t len = bytes_read_u16(r);
    *f = (struct mqtt_filter){.filter = {bytes_read(r, len), len}};
    uint8_t options = type == MQTT_SUBSCRIBE ? bytes_read_u8(r) : 0;
    f->qos = options & 3;
    f->no_local = (options & 0x04) != 0;
    f->retain_as_published = (options & 0x08) != 0;
    f->retain_handling = (options >> 4) & 3;
    return !r->failed && (options & 0xC0) == 0 && f->qos < 3 && f->retain_handling < 3;
}

bool mqtt_filter_next(struct mqtt_span *filters, enum mqtt_type type, struct mqtt_filter *f)
{
    if (filters->len == 0)
        return false;
    struct bytes_reader r;
    bytes_reader_init(&r, filters->data, filters->len);
    if (!read_filter(&r, type, f))
        return false;
    *filters = (struct mqtt_span){r.at, bytes_left(&r)};
    return true;
}

static void check_filter(struct decoder *d, const struct mqtt_filter *f)
{
    if (!mqtt_text_valid(f->filter))
        fail(d, MQTT_MALFORMED_PACKET, "a topic filter is not valid UTF-8");
    else if (!mqtt_topic_filter_valid(f->filter))
        fail(d, MQTT_TOPIC_FILTER_INVALID, "a topic filter is not valid");
    if (d->version < MQTT_V5 && (f->no_local || f->retain_as_published || f->retain_handling != 0))
        fail(d, MQTT_MALFORMED_PACKET, "reserved bits of a subscription are set");
    if (f->no_local && mqtt_topic_is_shared(f->filter))
        fail(d, MQTT_PROTOCOL_ERROR, "no local for a shared subscription");
}

static void decode_subscribe(struct decoder *d, const struct mqtt_header *h, struct mqtt_packet *p)
{
    struct mqtt_subscribe *s = &p->subscribe;
    s->packet_id = read_packet_id(d);
    s->properties = read_properties(d, h->type);
    s->filters = read_rest(d);
    if (s->filters.len == 0)
        fail(d, MQTT_PROTOCOL_ERROR, "no topic filter");
    struct mqtt_span rest = s->filters;
    struct mqtt_filter f;
    while (!d->failed && mqtt_filter_next(&rest, h->type, &f))
        check_filter(d, &f);
    if (rest.len > 0)
        fail(d, MQTT_MALFORMED_PACKET, "a subscription is cut short or has bad options");
}

static bool suback_code_valid(enum mqtt_version version, uint8_t code, enum mqtt_type type)
{
    return version == MQTT_V5 ? mqtt_reason_allowed(code, type) : code <= 2 || code == 0x80;
}

static void decode_suback(struct decoder *d, const struct mqtt_header *h, struct mqtt_packet *p)
{
    struct mqtt_suback *s = &p->suback;
    s->packet_id = read_packet_id(d);
    s->properties = read_properties(d, h->type);
    s->codes = MQTT_SPAN_NONE;
    if (d->version < MQTT_V5 && h->type == MQTT_UNSUBACK)
        return;
    s->codes = read_rest(d);
    if (s->codes.len == 0)
        fail(d, MQTT_PROTOCOL_ERROR, "no result for a topic filter");
    for (size_t i = 0; i < s->codes.len; i++)
        if (!suback_code_valid(d->version, s->codes.data[i], h->type))
            fail(d, MQTT_PROTOCOL_ERROR, "the result for a topic filter is unknown");
}

static void decode_disconnect(struct decoder *d, const struct mqtt_header *h, struct mqtt_packet *p)
{
    p->disconnect = (struct mqtt_disconnect){.reason = 0};
    if (h->type == MQTT_AUTH && d->version < MQTT_V5)
        fail(d, MQTT_PROTOCOL_ERROR, "AUTH is of MQTT 5");
    if (d->version == MQTT_V5 && h->length > 0)
        p->disconnect.reason = read_reason(d, h->type);
    if (d->version == MQTT_V5 && h->length > 1)
        p->disconnect.properties = read_properties(d, h->type);
}

static void decode_nothing(struct decoder *d, const struct mqtt_header *h, struct mqtt_packet *p)
{
    (void)d;
    (void)h;
    (void)p;
}

/* Which flags a header must have (2.1.3); PUBLISH has its own. */
struct decode_row {
    void (*decode)(struct decoder *d, const struct mqtt_header *h, struct mqtt_packet *p);
    uint8_t flags;
};

static const struct decode_row decode_rows[MQTT_TYPES] = {
    [MQTT_CONNECT] = {decode_connect, 0},     [MQTT_CONNACK] = {decode_connack, 0},
    [MQTT_PUBLISH] = {decode_publish, 0},     [MQTT_PUBACK] = {decode_ack, 0},
    [MQTT_PUBREC] = {decode_ack, 0},          [MQTT_PUBREL] = {decode_ack, 2},
    [MQTT_PUBCOMP] = {decode_ack, 0},         [MQTT_SUBSCRIBE] = {decode_subscribe, 2},
    [MQTT_SUBACK] = {decode_suback, 0},       [MQTT_UNSUBSCRIBE] = {decode_subscribe, 2},
    [MQTT_UNSUBACK] = {decode_suback, 0},     [MQTT_PINGREQ] = {decode_nothing, 0},
    [MQTT_PINGRESP] = {decode_nothing, 0},    [MQTT_DISCONNECT] = {decode_disconnect, 0},
    [MQTT_AUTH] = {decode_disconnect, 0},
};

static bool flags_valid(enum mqtt_version version, const struct mqtt_header *h, uint8_t want)
{
    /* 3.1 repeats SUBSCRIBE, UNSUBSCRIBE and PUBREL with the DUP flag. */
    uint8_t flags = version == MQTT_V3_1 && want == 2 ? h->flags & 7 : h->flags;
    return h->type == MQTT_PUBLISH || flags == want;
}

bool mqtt_decode(struct mqtt_packet *p, enum mqtt_version version, const struct mqtt_header *h, const uint8_t *body,
                 struct mqtt_fault *fault)
{
    struct decoder d = {.version = version, .fault = fault};
    bytes_reader_init(&d.r, body, h->length);
    /* What it is unless fail() knows better. */
    *fault = (struct mqtt_fault){MQTT_MALFORMED_PACKET, "the packet ends inside a field"};
    p->type = h->type;
    const struct decode_row *row = &decode_rows[h->type];
    row->decode(&d, h, p);
    if (!flags_valid(version, h, row->flags))
        fail(&d, MQTT_MALFORMED_PACKET, "the flags of the fixed header are not valid");
    if (!d.failed && !d.r.failed && bytes_left(&d.r) > 0)
        fail(&d, MQTT_MALFORMED_PACKET, "bytes behind the end of the packet");
    if (d.version == MQTT_V5 && h->padded)
        fail(&d, MQTT_MALFORMED_PACKET, "the remaining length is not in its shortest form");
    return !d.failed && !d.r.failed;
}
