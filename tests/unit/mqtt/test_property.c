/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of MQTT 5 and variable byte integers. */
#include "mqtt/property.h"

#include "mdm-tunnel/limits.h"
#include "tap.h"

static uint8_t space[8192];

static struct bytes_writer writer(void)
{
    struct bytes_writer w;
    bytes_writer_init(&w, space, sizeof(space));
    return w;
}

static struct mqtt_span written(const struct bytes_writer *w)
{
    return (struct mqtt_span){w->start, bytes_written(w)};
}

/* The reason of the fault, or success. */
static enum mqtt_reason fault_of(struct mqtt_span properties, enum mqtt_type type)
{
    struct mqtt_fault fault = {MQTT_SUCCESS, NULL};
    return mqtt_properties_valid(properties, type, &fault) ? MQTT_SUCCESS : fault.reason;
}

static void test_varints(void)
{
    static const uint32_t values[] = {0, 1, 127, 128, 16383, 16384, 2097151, 2097152, MQTT_VARINT_MAX};
    static const size_t sizes[] = {1, 1, 1, 2, 2, 3, 3, 4, 4};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct bytes_writer w = writer();
        mqtt_varint_write(&w, values[i]);
        OK_INT(bytes_written(&w), sizes[i]);
        OK_INT(mqtt_varint_size(values[i]), sizes[i]);
        struct bytes_reader r;
        bytes_reader_init(&r, space, sizes[i]);
        OK_INT(mqtt_varint_read(&r), values[i]);
        OK(!r.failed && bytes_left(&r) == 0);
        bytes_reader_init(&r, space, sizes[i] - 1);
        mqtt_varint_read(&r);
        OK(r.failed);
    }
    struct bytes_writer w = writer();
    mqtt_varint_write(&w, MQTT_VARINT_MAX + 1);
    OK(w.failed);
    struct bytes_reader r;
    bytes_reader_init(&r, "\x80\x00", 2);
    mqtt_varint_read(&r);
    OK(r.failed);
    bytes_reader_init(&r, "\xff\xff\xff\xff\x01", 5);
    mqtt_varint_read(&r);
    OK(r.failed);
}

static void test_write_and_read(void)
{
    struct bytes_writer w = writer();
    mqtt_property_write_number(&w, MQTT_PROPERTY_PAYLOAD_FORMAT, 1);
    mqtt_property_write_number(&w, MQTT_PROPERTY_MESSAGE_EXPIRY, 3600);
    mqtt_property_write_number(&w, MQTT_PROPERTY_TOPIC_ALIAS, 7);
    mqtt_property_write_number(&w, MQTT_PROPERTY_SUBSCRIPTION_ID, 300);
    mqtt_property_write_text(&w, MQTT_PROPERTY_CONTENT_TYPE, mqtt_span_of("text/plain"));
    mqtt_property_write_pair(&w, mqtt_span_of("name"), mqtt_span_of("value"));
    OK(!w.failed);
    OK_INT(fault_of(written(&w), MQTT_PUBLISH), MQTT_SUCCESS);
    OK_INT(mqtt_property_number(written(&w), MQTT_PROPERTY_MESSAGE_EXPIRY, 0), 3600);
    OK_INT(mqtt_property_number(written(&w), MQTT_PROPERTY_TOPIC_ALIAS, 0), 7);
    OK_INT(mqtt_property_number(written(&w), MQTT_PROPERTY_SUBSCRIPTION_ID, 0), 300);
    OK_INT(mqtt_property_number(written(&w), MQTT_PROPERTY_RECEIVE_MAXIMUM, 99), 99);
    struct mqtt_property p;
    OK(mqtt_property_find(written(&w), MQTT_PROPERTY_USER_PROPERTY, &p));
    OK(mqtt_span_equal(p.text, mqtt_span_of("name")) && mqtt_span_equal(p.value, mqtt_span_of("value")));
    OK(mqtt_property_find(written(&w), MQTT_PROPERTY_CONTENT_TYPE, &p));
    OK(mqtt_span_equal(p.text, mqtt_span_of("text/plain")));
    w = writer();
    mqtt_property_write_number(&w, MQTT_PROPERTY_CONTENT_TYPE, 1);
    OK(w.failed);
}

static enum mqtt_reason fault_of_number(enum mqtt_property_id id, uint32_t v, unsigned times, enum mqtt_type type)
{
    struct bytes_writer w = writer();
    while (times-- > 0)
        mqtt_property_write_number(&w, id, v);
    return fault_of(written(&w), type);
}

static void test_refused(void)
{
    OK_INT(fault_of_number(MQTT_PROPERTY_TOPIC_ALIAS, 1, 1, MQTT_SUBSCRIBE), MQTT_PROTOCOL_ERROR);
    OK_INT(fault_of_number(MQTT_PROPERTY_TOPIC_ALIAS, 0, 1, MQTT_PUBLISH), MQTT_TOPIC_ALIAS_INVALID);
    OK_INT(fault_of_number(MQTT_PROPERTY_TOPIC_ALIAS, 1, 2, MQTT_PUBLISH), MQTT_PROTOCOL_ERROR);
    OK_INT(fault_of_number(MQTT_PROPERTY_RECEIVE_MAXIMUM, 0, 1, MQTT_CONNECT), MQTT_PROTOCOL_ERROR);
    OK_INT(fault_of_number(MQTT_PROPERTY_MAXIMUM_PACKET_SIZE, 0, 1, MQTT_CONNECT), MQTT_PROTOCOL_ERROR);
    OK_INT(fault_of_number(MQTT_PROPERTY_PAYLOAD_FORMAT, 2, 1, MQTT_PUBLISH), MQTT_PROTOCOL_ERROR);
    OK_INT(fault_of_number(MQTT_PROPERTY_WILL_DELAY, 2, 1, MQTT_WILL), MQTT_SUCCESS);
    OK_INT(fault_of_number(MQTT_PROPERTY_WILL_DELAY, 2, 1, MQTT_CONNECT), MQTT_PROTOCOL_ERROR);
    OK_INT(fault_of_number(MQTT_PROPERTY_SUBSCRIPTION_ID, 2, 2, MQTT_PUBLISH), MQTT_SUCCESS);
    OK_INT(fault_of_number(MQTT_PROPERTY_SUBSCRIPTION_ID, 2, 2, MQTT_SUBSCRIBE), MQTT_PROTOCOL_ERROR);
    OK_INT(fault_of_number(MQTT_PROPERTY_SUBSCRIPTION_ID, 0, 1, MQTT_SUBSCRIBE), MQTT_PROTOCOL_ERROR);
}

static enum mqtt_reason fault_of_bytes(const char *bytes, size_t len, enum mqtt_type type)
{
    return fault_of((struct mqtt_span){(const uint8_t *)bytes, len}, type);
}

static void test_malformed(void)
{
    OK_INT(fault_of_bytes("\x00", 1, MQTT_PUBLISH), MQTT_MALFORMED_PACKET);
    OK_INT(fault_of_bytes("\x7f\x00", 2, MQTT_PUBLISH), MQTT_MALFORMED_PACKET);
    OK_INT(fault_of_bytes("\x81\x01\x00", 3, MQTT_PUBLISH), MQTT_MALFORMED_PACKET);
    OK_INT(fault_of_bytes("\x02\x00\x00\x00", 4, MQTT_PUBLISH), MQTT_MALFORMED_PACKET);
    OK_INT(fault_of_bytes("\x03\x00\x05text", 7, MQTT_PUBLISH), MQTT_MALFORMED_PACKET);
    OK_INT(fault_of_bytes("\x03\x00\x01\xff", 4, MQTT_PUBLISH), MQTT_MALFORMED_PACKET);
    OK_INT(fault_of_bytes("\x26\x00\x01\xff\x00\x00", 6, MQTT_PUBLISH), MQTT_MALFORMED_PACKET);
    OK_INT(fault_of_bytes("\x08\x00\x03" "a/+", 6, MQTT_PUBLISH), MQTT_PROTOCOL_ERROR);
    OK_INT(fault_of_bytes("\x16\x00\x00", 3, MQTT_CONNECT), MQTT_PROTOCOL_ERROR);
}

static void test_user_properties(void)
{
    struct bytes_writer w = writer();
    for (unsigned i = 0; i < MQTT_USER_PROPERTIES_MAX; i++)
        mqtt_property_write_pair(&w, mqtt_span_of("a"), mqtt_span_of(""));
    OK_INT(fault_of(written(&w), MQTT_DISCONNECT), MQTT_SUCCESS);
    mqtt_property_write_pair(&w, mqtt_span_of("a"), mqtt_span_of(""));
    OK_INT(fault_of(written(&w), MQTT_DISCONNECT), MQTT_QUOTA_EXCEEDED);
}

static void test_reasons(void)
{
    OK_TEXT(mqtt_reason_text(0x87), "not authorized");
    OK_TEXT(mqtt_reason_text(0x7f), "unknown reason");
    OK(mqtt_reason_allowed(0x8E, MQTT_DISCONNECT));
    OK(!mqtt_reason_allowed(0x8E, MQTT_CONNACK));
    OK(!mqtt_reason_allowed(0x05, MQTT_DISCONNECT));
    OK_INT(mqtt_reason_to_connack3(MQTT_UNSUPPORTED_VERSION), 1);
    OK_INT(mqtt_reason_to_connack3(MQTT_CLIENT_ID_INVALID), 2);
    OK_INT(mqtt_reason_to_connack3(MQTT_QUOTA_EXCEEDED), 3);
    OK_INT(mqtt_reason_to_connack3(MQTT_BAD_CREDENTIALS), 4);
    OK_INT(mqtt_reason_to_connack3(MQTT_NOT_AUTHORIZED), 5);
    OK_TEXT(mqtt_type_name(MQTT_PUBREL), "PUBREL");
    OK_TEXT(mqtt_type_name(0), "unknown");
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"variable byte integers", test_varints},
        {"properties are written and read", test_write_and_read},
        {"properties that are refused", test_refused},
        {"malformed properties", test_malformed},
        {"user properties are bounded", test_user_properties},
        {"reason codes", test_reasons},
    };
    return TAP_RUN(cases);
}
