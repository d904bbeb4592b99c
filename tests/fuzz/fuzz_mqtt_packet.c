/* SPDX-License-Identifier: Apache-2.0 */
/* One MQTT packet: what can be decoded can be encoded, and comes back the same. The first byte chooses the version. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mqtt/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct mqtt_span s, const uint8_t *data, size_t size)
{
    assert(s.len == 0 || (s.data >= data && s.data + s.len <= data + size));
}

static void check_properties(struct mqtt_span properties)
{
    struct mqtt_span rest = properties;
    struct mqtt_property p;
    size_t sum = 0;
    while (mqtt_property_next(&rest, &p)) {
        check_inside(p.raw, properties.data, properties.len);
        check_inside(p.text, p.raw.data, p.raw.len);
        check_inside(p.value, p.raw.data, p.raw.len);
        sum += p.raw.len;
    }
    assert(sum == properties.len);
}

static void check_filters(const struct mqtt_packet *p)
{
    struct mqtt_span rest = p->subscribe.filters;
    struct mqtt_filter f;
    uint8_t *copy = malloc(rest.len);
    struct bytes_writer w;
    assert(copy != NULL);
    bytes_writer_init(&w, copy, rest.len);
    while (mqtt_filter_next(&rest, p->type, &f))
        mqtt_filter_write(&w, p->type, &f);
    assert(rest.len == 0 && !w.failed && bytes_written(&w) == p->subscribe.filters.len);
    assert(memcmp(copy, p->subscribe.filters.data, p->subscribe.filters.len) == 0);
    free(copy);
}

static void check_packet(const struct mqtt_packet *p, enum mqtt_version version, const uint8_t *data, size_t size)
{
    if (p->type == MQTT_PUBLISH) {
        check_inside(p->publish.topic, data, size);
        check_inside(p->publish.payload, data, size);
        check_properties(p->publish.properties);
        assert(mqtt_publish_head_size(version, &p->publish) + p->publish.payload.len == mqtt_encoded_size(version, p));
    } else if (p->type == MQTT_CONNECT) {
        check_inside(p->connect.client_id, data, size);
        check_inside(p->connect.password, data, size);
        check_properties(p->connect.properties);
        check_properties(p->connect.will_properties);
    } else if (p->type == MQTT_SUBSCRIBE || p->type == MQTT_UNSUBSCRIBE) {
        check_filters(p);
    }
}

/* Encodes into a block of exactly the packet's size. */
static uint8_t *encode(const struct mqtt_packet *p, enum mqtt_version version, size_t *size)
{
    *size = mqtt_encoded_size(version, p);
    assert(*size >= 2);
    uint8_t *bytes = malloc(*size);
    struct bytes_writer w;
    assert(bytes != NULL);
    bytes_writer_init(&w, bytes, *size);
    mqtt_encode(&w, version, p);
    assert(!w.failed && bytes_written(&w) == *size);
    return bytes;
}

static void round_trip(const struct mqtt_packet *p, enum mqtt_version version)
{
    struct mqtt_packet again;
    struct mqtt_header h;
    struct mqtt_fault fault;
    size_t size, size2;
    uint8_t *bytes = encode(p, version, &size);
    assert(mqtt_header_parse(bytes, size, &h) == MQTT_DONE);
    assert(h.type == p->type && h.size + h.length == size && !h.padded);
    assert(mqtt_decode(&again, version, &h, bytes + h.size, &fault));
    uint8_t *bytes2 = encode(&again, version, &size2);
    assert(size == size2 && memcmp(bytes, bytes2, size) == 0);
    free(bytes2);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    enum mqtt_version version = (enum mqtt_version)(3 + data[0] % 3);
    data++;
    size--;
    struct mqtt_header h;
    struct mqtt_packet p;
    struct mqtt_fault fault = {MQTT_SUCCESS, NULL};
    if (mqtt_header_parse(data, size, &h) != MQTT_DONE || h.length > size - h.size)
        return 0;
    if (!mqtt_decode(&p, version, &h, data + h.size, &fault)) {
        assert(fault.reason >= 0x80 && fault.words != NULL);
        return 0;
    }
    if (p.type == MQTT_CONNECT)
        version = p.connect.version;
    check_packet(&p, version, data, size);
    round_trip(&p, version);
    return 0;
}
