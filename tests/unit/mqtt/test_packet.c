/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of MQTT 3.1, 3.1.1 and 5, byte by byte. */
#include "mqtt/packet.h"

#include <stdlib.h>

#include "tap.h"

/* A packet given as bytes, in a block of exactly its size. */
struct wire {
    uint8_t *bytes;
    size_t len;
    struct mqtt_header h;
    struct mqtt_packet p;
    struct mqtt_fault fault;
};

static enum mqtt_reason decode(struct wire *w, enum mqtt_version v, const char *bytes, size_t len)
{
    w->bytes = malloc(len);
    memcpy(w->bytes, bytes, len);
    w->len = len;
    w->fault = (struct mqtt_fault){MQTT_SUCCESS, "the test gives the wrong length"};
    if (mqtt_header_parse(w->bytes, len, &w->h) != MQTT_DONE || w->h.size + w->h.length != len)
        return MQTT_UNSPECIFIED;
    return mqtt_decode(&w->p, v, &w->h, w->bytes + w->h.size, &w->fault) ? MQTT_SUCCESS : w->fault.reason;
}
#define DECODE(w, v, literal) decode(w, v, literal, sizeof(literal) - 1)

static bool encodes_back(const struct wire *w, enum mqtt_version v)
{
    uint8_t out[512];
    struct bytes_writer b;
    bytes_writer_init(&b, out, sizeof(out));
    mqtt_encode(&b, v, &w->p);
    return !b.failed && bytes_written(&b) == w->len && mqtt_encoded_size(v, &w->p) == w->len &&
           memcmp(out, w->bytes, w->len) == 0;
}

/* Decodes, and encodes back to the same bytes. */
static void good(enum mqtt_version v, const char *bytes, size_t len, int line)
{
    struct wire w;
    if (!tap_check(decode(&w, v, bytes, len) == MQTT_SUCCESS, __FILE__, line, "is decoded"))
        printf("#   %s\n", w.fault.words);
    else
        tap_check(encodes_back(&w, v), __FILE__, line, "is encoded back");
    free(w.bytes);
}
#define GOOD(v, literal) good(v, literal, sizeof(literal) - 1, __LINE__)

static void bad(enum mqtt_version v, const char *bytes, size_t len, enum mqtt_reason reason, int line)
{
    struct wire w;
    enum mqtt_reason got = decode(&w, v, bytes, len);
    if (!tap_check(got == reason, __FILE__, line, "is refused with the right reason"))
        printf("#   got 0x%02x (%s), want 0x%02x\n", got, w.fault.words, reason);
    free(w.bytes);
}
#define BAD(v, literal, reason) bad(v, literal, sizeof(literal) - 1, reason, __LINE__)

static void test_header(void)
{
    struct mqtt_header h;
    const uint8_t publish[] = {0x3d, 0xff, 0xff, 0xff, 0x7f};
    for (size_t len = 0; len < sizeof(publish); len++)
        OK(mqtt_header_parse(publish, len, &h) == MQTT_MORE);
    OK(mqtt_header_parse(publish, sizeof(publish), &h) == MQTT_DONE);
    OK_INT(h.type, MQTT_PUBLISH);
    OK_INT(h.flags, 0x0d);
    OK_INT(h.size, 5);
    OK_INT(h.length, MQTT_VARINT_MAX);
    OK(!h.padded);
    OK(mqtt_header_parse((const uint8_t *)"\x30\xff\xff\xff\xff", 5, &h) == MQTT_BAD);
    OK(mqtt_header_parse((const uint8_t *)"\x00\x00", 2, &h) == MQTT_BAD);
    OK(mqtt_header_parse((const uint8_t *)"\xc0\x80\x00", 3, &h) == MQTT_DONE && h.padded && h.length == 0);
    BAD(MQTT_V5, "\xc0\x80\x00", MQTT_MALFORMED_PACKET);
    struct wire w;
    OK_INT(DECODE(&w, MQTT_V3_1_1, "\xc0\x80\x00"), MQTT_SUCCESS); /* some small clients do so */
    free(w.bytes);
}

static void test_connect(void)
{
    struct wire w;
    OK_INT(DECODE(&w, MQTT_V3_1_1, "\x10\x25\0\4MQTT\4\xee\0\x3c\0\2id\0\3w/t\0\4gone\0\4user\0\4pass"), MQTT_SUCCESS);
    const struct mqtt_connect *c = &w.p.connect;
    OK_INT(c->version, MQTT_V3_1_1);
    OK(c->clean_start && c->has_will && c->will_retain);
    OK_INT(c->will_qos, 1);
    OK_INT(c->keep_alive, 60);
    OK(mqtt_span_equal(c->client_id, mqtt_span_of("id")) && mqtt_span_equal(c->will_topic, mqtt_span_of("w/t")));
    OK(mqtt_span_equal(c->username, mqtt_span_of("user")) && mqtt_span_equal(c->password, mqtt_span_of("pass")));
    OK(encodes_back(&w, MQTT_V3_1_1));
    free(w.bytes);
    GOOD(MQTT_V3_1, "\x10\x11\0\6MQIsdp\3\2\0\x3c\0\3old");
    GOOD(MQTT_V5, "\x10\x10\0\4MQTT\5\2\0\0\3\x21\0\x14\0\0");
    GOOD(MQTT_V5, "\x10\x1b\0\4MQTT\5\x06\0\0\0\0\0\5\x18\0\0\0\5\0\1w\0\3\xff\0\1");
    GOOD(MQTT_V5, "\x10\x0f\0\4MQTT\5\x40\0\0\0\0\0\0\0"); /* a password alone */
}

static void test_connect_refused(void)
{
    struct wire w;
    OK_INT(DECODE(&w, MQTT_V3_1_1, "\x10\x0c\0\4MQTT\6\2\0\0\0\0"), MQTT_UNSUPPORTED_VERSION);
    OK_INT(w.p.connect.version, MQTT_V5);
    free(w.bytes);
    OK_INT(DECODE(&w, MQTT_V3_1_1, "\x10\x0c\0\4MQTX\4\2\0\0\0\0"), MQTT_UNSUPPORTED_VERSION);
    OK_INT(w.p.connect.version, MQTT_V3_1_1);
    free(w.bytes);
    BAD(MQTT_V5, "\x10\x0e\0\6MQIsdp\4\2\0\0\0\0", MQTT_UNSUPPORTED_VERSION);
    BAD(MQTT_V5, "\x10\x0c\0\4MQTT\4\3\0\0\0\0", MQTT_MALFORMED_PACKET);     /* reserved flag */
    BAD(MQTT_V5, "\x10\x0c\0\4MQTT\4\x22\0\0\0\0", MQTT_MALFORMED_PACKET);   /* will retain without will */
    BAD(MQTT_V5, "\x10\x10\0\4MQTT\4\x1e\0\0\0\0\0\0\0\0", MQTT_MALFORMED_PACKET); /* will QoS 3 */
    BAD(MQTT_V5, "\x10\x0e\0\4MQTT\4\x42\0\0\0\0\0\0", MQTT_MALFORMED_PACKET); /* password without user name */
    BAD(MQTT_V5, "\x10\x12\0\4MQTT\4\6\0\0\0\0\0\2w#\0\0", MQTT_TOPIC_NAME_INVALID);
    BAD(MQTT_V5, "\x10\x0d\0\4MQTT\4\2\0\0\0\1\xff", MQTT_MALFORMED_PACKET);
    BAD(MQTT_V5, "\x10\x0d\0\4MQTT\4\2\0\0\0\0x", MQTT_MALFORMED_PACKET);    /* a byte too many */
    BAD(MQTT_V5, "\x10\x0b\0\4MQTT\4\2\0\0\0", MQTT_MALFORMED_PACKET);       /* a byte too few */
    BAD(MQTT_V5, "\x12\x0c\0\4MQTT\4\2\0\0\0\0", MQTT_MALFORMED_PACKET);     /* header flags */
    BAD(MQTT_V5, "\x10\0", MQTT_MALFORMED_PACKET);
}

static void test_publish(void)
{
    struct wire w;
    OK_INT(DECODE(&w, MQTT_V3_1_1, "\x3b\x09\0\3a/b\0\7xy"), MQTT_SUCCESS);
    const struct mqtt_publish *p = &w.p.publish;
    OK(p->dup && p->retain);
    OK_INT(p->qos, 1);
    OK_INT(p->packet_id, 7);
    OK(p->payload.len == 2 && p->payload.data == w.bytes + 9);
    OK(encodes_back(&w, MQTT_V3_1_1));
    OK_INT(mqtt_publish_head_size(MQTT_V3_1_1, p), 9);
    free(w.bytes);
    GOOD(MQTT_V3_1_1, "\x30\3\0\1a");
    GOOD(MQTT_V5, "\x30\x08\0\0\3\x23\0\1xy"); /* by alias */
    GOOD(MQTT_V5, "\x34\x08\0\1a\0\1\0xy");
    BAD(MQTT_V3_1_1, "\x36\6\0\1a\0\1x", MQTT_MALFORMED_PACKET);  /* QoS 3 */
    BAD(MQTT_V3_1_1, "\x38\4\0\1ax", MQTT_MALFORMED_PACKET);      /* DUP with QoS 0 */
    BAD(MQTT_V3_1_1, "\x32\5\0\1a\0\0", MQTT_PROTOCOL_ERROR);     /* identifier 0 */
    BAD(MQTT_V3_1_1, "\x30\2\0\0", MQTT_TOPIC_NAME_INVALID);
    BAD(MQTT_V5, "\x30\3\0\0\0", MQTT_PROTOCOL_ERROR);
    BAD(MQTT_V5, "\x30\5\0\2a#\0", MQTT_TOPIC_NAME_INVALID);
    BAD(MQTT_V3_1_1, "\x30\3\0\2a", MQTT_MALFORMED_PACKET);
    BAD(MQTT_V3_1_1, "\x30\x05\0\3\xed\xa0\x80", MQTT_MALFORMED_PACKET);
    BAD(MQTT_V5, "\x30\5\0\1a\7x", MQTT_MALFORMED_PACKET);        /* properties longer than the packet */
}

static void test_acks(void)
{
    GOOD(MQTT_V3_1_1, "\x40\2\0\1");
    GOOD(MQTT_V3_1_1, "\x62\2\0\1");
    GOOD(MQTT_V5, "\x40\2\0\1");
    GOOD(MQTT_V5, "\x40\3\0\1\x10");
    GOOD(MQTT_V5, "\x50\x08\0\1\x87\4\x1f\0\1x");
    GOOD(MQTT_V5, "\x70\3\0\1\x92");
    BAD(MQTT_V3_1_1, "\x40\3\0\1\0", MQTT_MALFORMED_PACKET);
    BAD(MQTT_V3_1_1, "\x60\2\0\1", MQTT_MALFORMED_PACKET); /* PUBREL's flags */
    BAD(MQTT_V3_1_1, "\x6a\2\0\1", MQTT_MALFORMED_PACKET);
    BAD(MQTT_V5, "\x40\3\0\1\x8e", MQTT_PROTOCOL_ERROR);   /* another packet's reason */
    BAD(MQTT_V5, "\x40\2\0\0", MQTT_PROTOCOL_ERROR);
    BAD(MQTT_V5, "\x40\1\0", MQTT_MALFORMED_PACKET);
    struct wire w;
    OK_INT(DECODE(&w, MQTT_V3_1, "\x6a\2\0\1"), MQTT_SUCCESS); /* 3.1 repeats it with DUP */
    free(w.bytes);
}

static void test_subscribe(void)
{
    struct wire w;
    OK_INT(DECODE(&w, MQTT_V5, "\x82\x0b\0\1\0\0\1a\x2d\0\1+\1"), MQTT_SUCCESS);
    struct mqtt_span rest = w.p.subscribe.filters;
    struct mqtt_filter f;
    OK(mqtt_filter_next(&rest, MQTT_SUBSCRIBE, &f));
    OK(f.qos == 1 && f.no_local && f.retain_as_published && f.retain_handling == 2);
    OK(mqtt_filter_next(&rest, MQTT_SUBSCRIBE, &f));
    OK(f.qos == 1 && !f.no_local && mqtt_span_equal(f.filter, mqtt_span_of("+")));
    OK(!mqtt_filter_next(&rest, MQTT_SUBSCRIBE, &f));
    OK(encodes_back(&w, MQTT_V5));
    free(w.bytes);
    GOOD(MQTT_V3_1_1, "\x82\x06\0\1\0\1#\2");
    GOOD(MQTT_V3_1_1, "\xa2\x08\0\1\0\1#\0\1a");
    BAD(MQTT_V3_1_1, "\x82\2\0\1", MQTT_PROTOCOL_ERROR);
    BAD(MQTT_V3_1_1, "\x82\6\0\1\0\1#\3", MQTT_MALFORMED_PACKET);
    BAD(MQTT_V3_1_1, "\x82\6\0\1\0\1#\4", MQTT_MALFORMED_PACKET); /* No Local is of MQTT 5 */
    BAD(MQTT_V5, "\x82\7\0\1\0\0\1#\x30", MQTT_MALFORMED_PACKET);
    BAD(MQTT_V3_1_1, "\x82\7\0\1\0\2a#\0", MQTT_TOPIC_FILTER_INVALID);
    BAD(MQTT_V3_1_1, "\x82\5\0\1\0\0\0", MQTT_TOPIC_FILTER_INVALID);
    BAD(MQTT_V3_1_1, "\x80\6\0\1\0\1#\0", MQTT_MALFORMED_PACKET);
    BAD(MQTT_V5, "\x82\x10\0\1\0\0\x0a$share/g/a\4", MQTT_PROTOCOL_ERROR);
    BAD(MQTT_V3_1_1, "\xa2\5\0\1\0\5#", MQTT_MALFORMED_PACKET);
}

static void test_answers(void)
{
    GOOD(MQTT_V3_1_1, "\x20\2\1\0");
    GOOD(MQTT_V3_1_1, "\x20\2\0\5");
    GOOD(MQTT_V5, "\x20\x06\0\0\3\x13\0\x3c");
    GOOD(MQTT_V3_1_1, "\x90\6\0\1\0\1\2\x80");
    GOOD(MQTT_V5, "\x90\5\0\1\0\0\x87");
    GOOD(MQTT_V3_1_1, "\xb0\2\0\1");
    GOOD(MQTT_V5, "\xb0\5\0\1\0\0\x11");
    GOOD(MQTT_V3_1_1, "\xc0\0");
    GOOD(MQTT_V3_1_1, "\xd0\0");
    GOOD(MQTT_V3_1_1, "\xe0\0");
    GOOD(MQTT_V5, "\xe0\0");
    GOOD(MQTT_V5, "\xe0\1\x8e");
    GOOD(MQTT_V5, "\xe0\7\4\5\x11\0\0\0\1");
    GOOD(MQTT_V5, "\xf0\x06\x18\4\x15\0\1x");
    BAD(MQTT_V3_1_1, "\x20\2\0\6", MQTT_PROTOCOL_ERROR);
    BAD(MQTT_V3_1_1, "\x20\2\2\0", MQTT_MALFORMED_PACKET);
    BAD(MQTT_V3_1_1, "\x90\3\0\1\3", MQTT_PROTOCOL_ERROR);
    BAD(MQTT_V3_1_1, "\xc0\1\0", MQTT_MALFORMED_PACKET);
    BAD(MQTT_V3_1_1, "\xe0\1\0", MQTT_MALFORMED_PACKET);
    BAD(MQTT_V3_1_1, "\xf0\0", MQTT_PROTOCOL_ERROR);
    BAD(MQTT_V5, "\xe0\1\1", MQTT_PROTOCOL_ERROR);
}

static void test_encode_limits(void)
{
    static uint8_t large[MQTT_FIELD_MAX + 1];
    uint8_t out[64];
    struct bytes_writer b;
    struct mqtt_packet p = {.type = MQTT_PUBLISH, .publish = {.topic = {large, sizeof(large)}}};
    bytes_writer_init(&b, out, sizeof(out));
    OK_INT(mqtt_encoded_size(MQTT_V3_1_1, &p), 0);
    mqtt_encode(&b, MQTT_V3_1_1, &p);
    OK(b.failed);
    p.publish.topic.len = 1;
    p.publish.payload = (struct mqtt_span){large, MQTT_VARINT_MAX};
    OK_INT(mqtt_publish_head_size(MQTT_V3_1_1, &p.publish), 0);
    p.publish.payload.len = 100;
    bytes_writer_init(&b, out, sizeof(out));
    mqtt_encode(&b, MQTT_V3_1_1, &p);
    OK(b.failed);
    bytes_writer_init(&b, out, sizeof(out));
    mqtt_publish_head_write(&b, MQTT_V3_1_1, &p.publish);
    OK(!b.failed && bytes_written(&b) == mqtt_publish_head_size(MQTT_V3_1_1, &p.publish));
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"fixed header", test_header},
        {"CONNECT", test_connect},
        {"CONNECT that is refused", test_connect_refused},
        {"PUBLISH", test_publish},
        {"PUBACK and its kin", test_acks},
        {"SUBSCRIBE and UNSUBSCRIBE", test_subscribe},
        {"answers and the rest", test_answers},
        {"limits of encoding", test_encode_limits},
    };
    return TAP_RUN(cases);
}
