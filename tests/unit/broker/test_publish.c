/* SPDX-License-Identifier: Apache-2.0 */
/* Messages from publisher to subscriber: QoS, properties, sizes, slow receivers; on one worker and across workers. */
#include "rig.h"

static uint8_t property_space[1024];

static struct mqtt_span number_property(enum mqtt_property_id id, uint32_t v)
{
    struct bytes_writer w;
    bytes_writer_init(&w, property_space, sizeof(property_space));
    mqtt_property_write_number(&w, id, v);
    return (struct mqtt_span){property_space, bytes_written(&w)};
}

static void exchange_qos2(struct client *from, struct client *to)
{
    struct mqtt_packet p = publish_packet("q/2", "twice", 2, false);
    client_send(from, &p);
    OK(client_next(from) == MQTT_PUBREC && from->p.ack.packet_id == 7);
    p.publish.dup = true;
    client_send(from, &p);
    OK(client_next(from) == MQTT_PUBREC && from->p.ack.packet_id == 7);
    for (unsigned i = 0; i < 2; i++) {
        client_send(from, &(struct mqtt_packet){.type = MQTT_PUBREL, .ack = {.packet_id = 7}});
        OK(client_next(from) == MQTT_PUBCOMP && from->p.ack.packet_id == 7);
    }
    p.publish.dup = false;
    client_send(from, &p);
    OK(client_next(from) == MQTT_PUBREC);
    OK(client_gets(to, "q/2", "twice", 1, false));
    OK(client_gets(to, "q/2", "twice", 1, false));
}

static void exchange(unsigned from_shard, unsigned to_shard, enum mqtt_version from_version,
                     enum mqtt_version to_version)
{
    rig_start(2);
    struct client to = client_connect_at(to_version, "to", to_shard, NULL);
    struct client from = client_connect_at(from_version, "from", from_shard, NULL);
    OK_INT(client_subscribe(&to, "q/+", 2), 1); /* granted: at most 1 */
    client_publish(&from, "q/0", "zero", 0, false);
    client_publish(&from, "q/1", "one", 1, false);
    client_publish(&from, "q/1", "", 1, false);
    client_publish(&from, "other", "no", 1, false);
    OK(client_gets(&to, "q/0", "zero", 0, false));
    OK(client_gets(&to, "q/1", "one", 1, false));
    OK(client_gets(&to, "q/1", "", 1, false));
    if (from_version == MQTT_V3_1_1)
        exchange_qos2(&from, &to);
    OK(client_idle(&to));
    client_close(&from);
    client_close(&to);
    rig_stop();
}

static void test_same_worker(void) { exchange(0, 0, MQTT_V3_1_1, MQTT_V5); }
static void test_other_worker(void) { exchange(0, 1, MQTT_V3_1_1, MQTT_V3_1_1); }
static void test_v5_to_v3(void) { exchange(1, 0, MQTT_V5, MQTT_V3_1_1); }

static void test_qos2_v5(void)
{
    rig_start(1);
    struct client c = client_connect(MQTT_V5, "c");
    struct mqtt_packet p = publish_packet("t", "x", 2, false);
    client_send(&c, &p);
    OK(client_dismissed(&c, MQTT_QOS_NOT_SUPPORTED));
    client_close(&c);
    rig_stop();
}

static void test_properties(void)
{
    rig_start(2);
    struct client v5 = client_connect(MQTT_V5, "v5"), v3 = client_connect(MQTT_V3_1_1, "v3");
    struct client from = client_connect(MQTT_V5, "from");
    client_subscribe(&v5, "p", 1);
    client_subscribe(&v3, "p", 1);
    struct bytes_writer w;
    bytes_writer_init(&w, property_space, sizeof(property_space));
    mqtt_property_write_number(&w, MQTT_PROPERTY_MESSAGE_EXPIRY, 1000);
    mqtt_property_write_number(&w, MQTT_PROPERTY_TOPIC_ALIAS, 5);
    mqtt_property_write_text(&w, MQTT_PROPERTY_CONTENT_TYPE, mqtt_span_of("text/plain"));
    mqtt_property_write_pair(&w, mqtt_span_of("k"), mqtt_span_of("v"));
    struct mqtt_packet p = publish_packet("p", "x", 0, false);
    p.publish.properties = (struct mqtt_span){property_space, bytes_written(&w)};
    client_send(&from, &p);
    OK(client_gets(&v5, "p", "x", 0, false));
    struct mqtt_span got = v5.p.publish.properties;
    struct mqtt_property found;
    OK(mqtt_property_number(got, MQTT_PROPERTY_MESSAGE_EXPIRY, 0) >= 999);
    OK(!mqtt_property_find(got, MQTT_PROPERTY_TOPIC_ALIAS, &found));
    OK(mqtt_property_find(got, MQTT_PROPERTY_CONTENT_TYPE, &found) && found.text.len == 10);
    OK(mqtt_property_find(got, MQTT_PROPERTY_USER_PROPERTY, &found) && found.value.data[0] == 'v');
    OK(client_gets(&v3, "p", "x", 0, false));
    client_close(&v5);
    client_close(&v3);
    client_close(&from);
    rig_stop();
}

static void test_aliases(void)
{
    rig_start(1);
    struct client to = client_connect(MQTT_V5, "to"), from = client_connect(MQTT_V5, "from");
    client_subscribe(&to, "#", 0);
    struct mqtt_packet p = publish_packet("first", "1", 0, false);
    p.publish.properties = number_property(MQTT_PROPERTY_TOPIC_ALIAS, 16);
    client_send(&from, &p);
    p.publish.topic = mqtt_span_of("");
    client_send(&from, &p);
    p.publish.topic = mqtt_span_of("second");
    client_send(&from, &p);
    p.publish.topic = mqtt_span_of("");
    client_send(&from, &p);
    OK(client_gets(&to, "first", "1", 0, false) && client_gets(&to, "first", "1", 0, false));
    OK(client_gets(&to, "second", "1", 0, false) && client_gets(&to, "second", "1", 0, false));
    p.publish.properties = number_property(MQTT_PROPERTY_TOPIC_ALIAS, 3);
    client_send(&from, &p);
    OK(client_dismissed(&from, MQTT_PROTOCOL_ERROR));
    client_close(&from);
    from = client_connect(MQTT_V5, "from");
    p.publish.topic = mqtt_span_of("x");
    p.publish.properties = number_property(MQTT_PROPERTY_TOPIC_ALIAS, 17);
    client_send(&from, &p);
    OK(client_dismissed(&from, MQTT_TOPIC_ALIAS_INVALID));
    client_close(&from);
    from = client_connect(MQTT_V5, "from");
    p.publish.properties = number_property(MQTT_PROPERTY_SUBSCRIPTION_ID, 1);
    client_send(&from, &p);
    OK(client_dismissed(&from, MQTT_PROTOCOL_ERROR));
    client_close(&from);
    client_close(&to);
    rig_stop();
}

/* Payloads around every internal border, several in one write, with a cut packet at the end of each. */
static void test_sizes(void)
{
    static const size_t sizes[] = {1, 1900, 2047, 2048, 4096, 16384, 32768, 65536, 131000, ENVELOPE_MAX_EMBEDDED};
    enum { COUNT = sizeof(sizes) / sizeof(sizes[0]) };
    static uint8_t payload[ENVELOPE_MAX_EMBEDDED];
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 7 + i / 251);
    for (unsigned shard = 0; shard < 2; shard++) {
        rig_start(2);
        struct client to = client_connect_at(MQTT_V3_1_1, "to", 0, NULL);
        struct client from = client_connect_at(MQTT_V3_1_1, "from", shard, NULL);
        client_subscribe(&to, "#", 0);
        for (unsigned round = 0; round < 3; round++) {
            for (unsigned i = 0; i < COUNT; i++) {
                struct mqtt_packet p = publish_packet("s", "", 0, false);
                p.publish.payload = (struct mqtt_span){payload, sizes[i]};
                client_send(&from, &p);
            }
        }
        unsigned wrong = 0;
        for (unsigned i = 0; i < 3 * COUNT; i++)
            wrong += client_next(&to) != MQTT_PUBLISH || to.p.publish.payload.len != sizes[i % COUNT] ||
                     memcmp(to.p.publish.payload.data, payload, sizes[i % COUNT]) != 0;
        OK_INT(wrong, 0);
        client_close(&from);
        client_close(&to);
        rig_stop();
    }
}

static void test_order(void)
{
    enum { COUNT = 3000 };
    rig_start(2);
    struct client to = client_connect_at(MQTT_V3_1_1, "to", 0, NULL);
    struct client from = client_connect_at(MQTT_V3_1_1, "from", 1, NULL);
    client_subscribe(&to, "#", 1);
    unsigned wrong = 0;
    char text[16];
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(text, sizeof(text), "%u", i);
        struct mqtt_packet p = publish_packet("t", text, i % 2, false);
        client_send(&from, &p);
    }
    for (unsigned i = 0; i < COUNT; i += 2) { /* QoS 1 in its order; QoS 0 may overtake it */
        wrong += client_next(&from) != MQTT_PUBACK;
    }
    unsigned next[2] = {0, 1};
    for (unsigned i = 0; i < COUNT; i++) {
        if (client_next(&to) != MQTT_PUBLISH) {
            wrong++;
            break;
        }
        const struct mqtt_publish *p = &to.p.publish;
        snprintf(text, sizeof(text), "%u", next[p->qos]);
        wrong += !mqtt_span_equal(p->payload, mqtt_span_of(text));
        next[p->qos] += 2;
        if (p->qos == 1)
            client_send(&to, &(struct mqtt_packet){.type = MQTT_PUBACK, .ack = {.packet_id = p->packet_id}});
    }
    OK_INT(wrong, 0);
    client_close(&from);
    client_close(&to);
    rig_stop();
}

static void test_receive_maximum(void)
{
    rig_start(1);
    struct mqtt_packet connect = connect_packet(MQTT_V5, "to");
    connect.connect.properties = number_property(MQTT_PROPERTY_RECEIVE_MAXIMUM, 2);
    struct client to = client_open(MQTT_V5), from = client_connect(MQTT_V3_1_1, "from");
    OK_INT(client_connack(&to, &connect), 0);
    client_subscribe(&to, "#", 1);
    for (unsigned i = 0; i < 5; i++)
        client_publish(&from, "t", i % 2 ? "odd" : "even", 1, false);
    uint16_t ids[2];
    for (unsigned i = 0; i < 2; i++) {
        OK(client_next(&to) == MQTT_PUBLISH);
        ids[i] = to.p.publish.packet_id;
    }
    OK(ids[0] != ids[1] && ids[0] > 0 && ids[1] > 0);
    OK(client_idle(&to)); /* the window is full */
    client_send(&to, &(struct mqtt_packet){.type = MQTT_PUBACK, .ack = {.packet_id = 1000}}); /* nobody's */
    OK(client_idle(&to));
    for (unsigned i = 0; i < 2; i++)
        client_send(&to, &(struct mqtt_packet){.type = MQTT_PUBACK, .ack = {.packet_id = ids[i]}});
    OK(client_gets(&to, "t", "even", 1, false));
    OK(client_gets(&to, "t", "odd", 1, false));
    OK(client_gets(&to, "t", "even", 1, false));
    OK(client_idle(&to));
    client_close(&to);
    client_close(&from);
    rig_stop();
}

static void test_maximum_packet_size(void)
{
    rig_start(1);
    struct mqtt_packet connect = connect_packet(MQTT_V5, "to");
    connect.connect.properties = number_property(MQTT_PROPERTY_MAXIMUM_PACKET_SIZE, 20);
    struct client to = client_open(MQTT_V5), from = client_connect(MQTT_V5, "from");
    OK_INT(client_connack(&to, &connect), 0); /* CONNACK may be larger: it says what we can do */
    client_subscribe(&to, "#", 1);
    uint64_t before = counters_sum(COUNTER_broker_dropped);
    client_publish(&from, "t", "longer than twenty bytes", 1, false);
    client_publish(&from, "t", "longer than twenty bytes", 0, false);
    client_publish(&from, "t", "short", 1, false);
    OK(client_gets(&to, "t", "short", 1, false));
    OK_INT(counters_sum(COUNTER_broker_dropped) - before, 2);
    client_close(&to);
    client_close(&from);
    rig_stop();
}

static void test_too_large(void)
{
    rig_start(1);
    struct client c = client_connect(MQTT_V5, "c");
    CLIENT_WRITE(&c, "\x30\x80\x90\x08");
    OK(client_dismissed(&c, MQTT_PACKET_TOO_LARGE));
    client_close(&c);
    c = client_connect(MQTT_V5, "c");
    struct mqtt_packet p = publish_packet("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", "x", 0, false);
    client_send(&c, &p);
    OK(client_dismissed(&c, MQTT_TOPIC_NAME_INVALID));
    client_close(&c);
    rig_stop();
}

/* A receiver that does not read: QoS 0 is dropped and counted, the publisher is not held up. */
static void test_slow_receiver(void)
{
    static uint8_t payload[128 * KIB];
    enum { COUNT = MQTT_OUTPUT_MAX / sizeof(payload) + 200 };
    rig_start(2);
    struct client slow = client_connect_at(MQTT_V3_1_1, "slow", 0, NULL);
    struct client from = client_connect_at(MQTT_V3_1_1, "from", 0, NULL);
    client_subscribe(&slow, "bulk", 0);
    uint64_t before = counters_sum(COUNTER_broker_dropped);
    struct mqtt_packet p = publish_packet("bulk", "", 0, false);
    p.publish.payload = (struct mqtt_span){payload, sizeof(payload)};
    for (unsigned i = 0; i < COUNT; i++)
        client_send(&from, &p);
    OK(client_idle(&from));
    uint64_t dropped = counters_sum(COUNTER_broker_dropped) - before;
    OK(dropped > 0 && dropped < COUNT);
    unsigned got = 0, wrong = 0;
    for (; got < COUNT - dropped; got++)
        wrong += client_next(&slow) != MQTT_PUBLISH || slow.p.publish.payload.len != sizeof(payload);
    OK_INT(wrong, 0);
    OK(client_idle(&slow));
    client_publish(&from, "bulk", "again", 0, false);
    OK(client_gets(&slow, "bulk", "again", 0, false));
    client_close(&slow);
    client_close(&from);
    rig_stop();
}

/* QoS 1 must not be dropped: the receiver that lets too much wait is dismissed. */
static void test_quota(void)
{
    static uint8_t payload[128 * KIB];
    rig_start(2);
    struct client slow = client_connect_at(MQTT_V5, "slow", 0, NULL);
    struct client from = client_connect_at(MQTT_V3_1_1, "from", 1, NULL);
    client_subscribe(&slow, "bulk", 1);
    struct mqtt_packet p = publish_packet("bulk", "", 1, false);
    p.publish.payload = (struct mqtt_span){payload, sizeof(payload)};
    for (unsigned i = 0; i < MQTT_OUTPUT_MAX / sizeof(payload) + MQTT_INFLIGHT_MAX + 8; i++) {
        client_send(&from, &p);
        OK(client_next(&from) == MQTT_PUBACK);
    }
    OK_INT(rig_wait("-slow more QoS 1 messages wait than may", 1), 0);
    enum mqtt_type type;
    while ((type = client_next(&slow)) == MQTT_PUBLISH)
        ;
    OK(type == MQTT_DISCONNECT && slow.p.disconnect.reason == MQTT_QUOTA_EXCEEDED);
    OK(client_idle(&from));
    client_close(&slow);
    client_close(&from);
    rig_stop();
}

static bool only_good(void *ctx, const struct broker_client *who, const char *topic, bool retain)
{
    (void)ctx;
    return strcmp(topic, "good") == 0 && !retain && strcmp(who->client_id, "c") == 0;
}

static void test_policy(void)
{
    static const struct broker_policy policy = {.publish = only_good};
    OK(rig_create(2, &policy, 10 * US_PER_S));
    rig_run();
    struct client c = client_connect(MQTT_V5, "c");
    struct mqtt_packet p = publish_packet("bad", "x", 1, false);
    client_send(&c, &p);
    OK(client_next(&c) == MQTT_PUBACK && c.p.ack.reason == MQTT_NOT_AUTHORIZED);
    p = publish_packet("good", "x", 1, true);
    client_send(&c, &p);
    OK(client_next(&c) == MQTT_PUBACK && c.p.ack.reason == MQTT_NOT_AUTHORIZED);
    client_publish(&c, "good", "x", 1, false);
    p = publish_packet("bad", "x", 0, false);
    client_send(&c, &p);
    OK(client_dismissed(&c, MQTT_NOT_AUTHORIZED));
    client_close(&c);
    c = client_connect(MQTT_V3_1_1, "c");
    p = publish_packet("bad", "x", 1, false);
    client_send(&c, &p);
    OK(client_ends(&c));
    client_close(&c);
    rig_stop();
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"QoS on one worker, 3.1.1 to 5", test_same_worker},
        {"QoS to another worker", test_other_worker},
        {"QoS to another worker, 5 to 3.1.1", test_v5_to_v3},
        {"QoS 2 is over the maximum that MQTT 5 was told", test_qos2_v5},
        {"properties", test_properties},
        {"topic aliases", test_aliases},
        {"payloads of all sizes", test_sizes},
        {"order", test_order},
        {"the client's receive maximum", test_receive_maximum},
        {"the client's maximum packet size", test_maximum_packet_size},
        {"packets and topics that are too large", test_too_large},
        {"a slow receiver of QoS 0", test_slow_receiver},
        {"a slow receiver of QoS 1", test_quota},
        {"policy", test_policy},
    };
    return TAP_RUN(cases);
}
