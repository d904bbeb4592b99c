/* SPDX-License-Identifier: Apache-2.0 */
/* How connections end, and what becomes of their wills. */
#include "rig.h"

static struct mqtt_packet with_will(enum mqtt_version version, const char *id, unsigned qos, bool retain)
{
    struct mqtt_packet p = connect_packet(version, id);
    p.connect.has_will = true;
    p.connect.will_qos = (uint8_t)qos;
    p.connect.will_retain = retain;
    p.connect.will_topic = mqtt_span_of("w/t");
    p.connect.will_payload = mqtt_span_of("gone");
    return p;
}

static void cut(struct client *c)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)); /* RST */
    client_close(c);
}

static void test_abnormal_end(void)
{
    rig_start(2);
    struct client watcher = client_connect_at(MQTT_V3_1_1, "watcher", 0, NULL);
    client_subscribe(&watcher, "w/+", 1);
    for (unsigned i = 0; i < 4; i++) {
        struct mqtt_packet p = with_will(i < 2 ? MQTT_V3_1_1 : MQTT_V5, "c", i % 2, false);
        struct client c = client_connect_at(p.connect.version, "c", i / 2, &p);
        /* The tries that reached the other worker were ended politely. */
        OK(client_idle(&watcher));
        if (i < 2)
            cut(&c);
        else
            client_close(&c);
        OK(client_gets(&watcher, "w/t", "gone", i % 2, false));
    }
    OK(client_idle(&watcher));
    client_close(&watcher);
    rig_stop();
}

static void test_protocol_error(void)
{
    rig_start(2);
    struct client watcher = client_connect(MQTT_V3_1_1, "watcher");
    client_subscribe(&watcher, "w/+", 1);
    struct mqtt_packet p = with_will(MQTT_V5, "c", 1, false);
    struct client c = client_open(MQTT_V5);
    OK_INT(client_connack(&c, &p), 0);
    CLIENT_WRITE(&c, "\x36\x0a\0\1a\0\1\0" "1234");
    OK(client_dismissed(&c, MQTT_MALFORMED_PACKET));
    OK(client_gets(&watcher, "w/t", "gone", 1, false));
    client_close(&c);
    client_close(&watcher);
    rig_stop();
}

static void test_normal_end(void)
{
    rig_start(2);
    struct client watcher = client_connect(MQTT_V3_1_1, "watcher");
    client_subscribe(&watcher, "w/+", 1);
    for (enum mqtt_version v = MQTT_V3_1_1; v <= MQTT_V5; v++) {
        struct mqtt_packet p = with_will(v, "c", 1, false);
        struct client c = client_open(v);
        OK_INT(client_connack(&c, &p), 0);
        client_send(&c, &(struct mqtt_packet){.type = MQTT_DISCONNECT});
        OK(client_ends(&c));
        client_close(&c);
    }
    OK(client_idle(&watcher));
    struct mqtt_packet p = with_will(MQTT_V5, "c", 1, false);
    struct client c = client_open(MQTT_V5);
    OK_INT(client_connack(&c, &p), 0);
    client_send(&c,
                &(struct mqtt_packet){.type = MQTT_DISCONNECT, .disconnect = {.reason = MQTT_DISCONNECT_WITH_WILL}});
    OK(client_ends(&c));
    OK(client_gets(&watcher, "w/t", "gone", 1, false));
    client_close(&c);
    c = client_connect(MQTT_V5, "c");
    CLIENT_WRITE(&c, "\xe0\7\0\5\x11\0\0\0\1"); /* a session that CONNECT did not ask for */
    OK(client_dismissed(&c, MQTT_PROTOCOL_ERROR));
    client_close(&c);
    client_close(&watcher);
    rig_stop();
}

/* The watcher's worker knew first: the others' have it by mail, or still in their mailbox. */
static bool nothing_stays(unsigned shard)
{
    uint64_t until = clock_now_us() + RIG_WAIT_MS * US_PER_MS;
    bool nothing = false;
    while (!nothing && clock_now_us() < until) {
        struct client late = client_connect_at(MQTT_V3_1_1, "late", shard, NULL);
        client_subscribe(&late, "w/+", 1);
        nothing = client_idle(&late);
        client_close(&late);
    }
    return nothing;
}

/* Presence: set by the client, cleared by its will everywhere before its successor may speak. */
static void test_retained_will(void)
{
    rig_start(3);
    struct mqtt_packet p = with_will(MQTT_V3_1_1, "c", 1, true);
    p.connect.will_payload = mqtt_span_of("");
    for (unsigned shard = 0; shard < 3; shard++) {
        struct client c = client_connect_at(MQTT_V3_1_1, "c", shard, &p);
        client_publish(&c, "w/t", "here", 1, true);
        struct client watcher = client_connect(MQTT_V3_1_1, "watcher");
        client_subscribe(&watcher, "w/+", 1);
        OK(client_gets(&watcher, "w/t", "here", 1, true));
        struct client next = client_connect_at(MQTT_V3_1_1, "c", (shard + 1) % 3, &p);
        client_publish(&next, "w/t", "again", 1, true);
        /* It may have taken several tries: each took over from the one before, or ended politely. */
        OK(client_gets(&watcher, "w/t", "", 1, false));
        OK(client_gets(&watcher, "w/t", "again", 1, false));
        cut(&next);
        OK(client_gets(&watcher, "w/t", "", 1, false));
        for (unsigned other = 0; other < 3; other++)
            OK(nothing_stays(other));
        client_close(&watcher);
        client_close(&c);
    }
    rig_stop();
}

static void test_will_properties(void)
{
    uint8_t space[64];
    struct bytes_writer w;
    rig_start(1);
    struct client watcher = client_connect(MQTT_V5, "watcher");
    client_subscribe(&watcher, "w/+", 1);
    bytes_writer_init(&w, space, sizeof(space));
    mqtt_property_write_number(&w, MQTT_PROPERTY_WILL_DELAY, 3600); /* the session ends with the connection */
    mqtt_property_write_number(&w, MQTT_PROPERTY_MESSAGE_EXPIRY, 50);
    mqtt_property_write_text(&w, MQTT_PROPERTY_CONTENT_TYPE, mqtt_span_of("x"));
    struct mqtt_packet p = with_will(MQTT_V5, "c", 0, false);
    p.connect.will_properties = (struct mqtt_span){space, bytes_written(&w)};
    struct client c = client_open(MQTT_V5);
    OK_INT(client_connack(&c, &p), 0);
    cut(&c);
    OK(client_gets(&watcher, "w/t", "gone", 0, false));
    struct mqtt_property found;
    OK_INT(mqtt_property_number(watcher.p.publish.properties, MQTT_PROPERTY_MESSAGE_EXPIRY, 0), 50);
    OK(!mqtt_property_find(watcher.p.publish.properties, MQTT_PROPERTY_WILL_DELAY, &found));
    OK(mqtt_property_find(watcher.p.publish.properties, MQTT_PROPERTY_CONTENT_TYPE, &found));
    client_close(&watcher);
    rig_stop();
}

/* Everything is under way when the workers stop: nothing is lost from memory. */
static void test_stop_under_load(void)
{
    enum { COUNT = 12 };
    struct client c[COUNT];
    rig_start(3);
    for (unsigned i = 0; i < COUNT; i++) {
        char id[16];
        snprintf(id, sizeof(id), "c%u", i);
        struct mqtt_packet p = with_will(MQTT_V5, id, 1, true);
        c[i] = client_open(MQTT_V5);
        OK_INT(client_connack(&c[i], &p), 0);
        client_subscribe(&c[i], "#", 1);
    }
    for (unsigned round = 0; round < 20; round++)
        for (unsigned i = 0; i < COUNT; i++) {
            struct mqtt_packet p = publish_packet("load", "x", 1, round % 2);
            client_send(&c[i], &p);
        }
    for (unsigned i = 0; i < COUNT; i += 2) {
        struct mqtt_packet p = with_will(MQTT_V5, "c1", 1, true);
        struct client again = client_open(MQTT_V5);
        client_send(&again, &p);
        client_close(&again);
        cut(&c[i]);
    }
    rig_stop();
    for (unsigned i = 1; i < COUNT; i += 2)
        client_close(&c[i]);
    OK(rig.broker == NULL);
}

static void test_many_come_and_go(void)
{
    enum { COUNT = 300 };
    rig_start(2);
    uint64_t before = counters_sum(COUNTER_broker_connections);
    struct client *c = calloc(COUNT, sizeof(*c));
    for (unsigned i = 0; i < COUNT; i++) {
        char id[16];
        snprintf(id, sizeof(id), "m%u", i);
        c[i] = client_connect(i % 2 ? MQTT_V3_1_1 : MQTT_V5, id);
        OK_INT(client_subscribe(&c[i], id, 0), 0);
    }
    OK_INT(counters_sum(COUNTER_broker_connections) - before, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        char id[16];
        snprintf(id, sizeof(id), "m%u", (i * 7) % COUNT);
        client_publish(&c[i], id, "hello", 0, false);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        OK(client_next(&c[i]) == MQTT_PUBLISH);
        cut(&c[i]);
    }
    OK(rig_wait("-m", COUNT) >= 0);
    OK_INT(counters_sum(COUNTER_broker_connections), before);
    free(c);
    rig_stop();
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"a will after an abnormal end", test_abnormal_end},
        {"a will after a protocol error", test_protocol_error},
        {"no will after DISCONNECT, but with 0x04", test_normal_end},
        {"a retained will clears presence", test_retained_will},
        {"properties of a will", test_will_properties},
        {"stopping under load", test_stop_under_load},
        {"many come and go", test_many_come_and_go},
    };
    return TAP_RUN(cases);
}
