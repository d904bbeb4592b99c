/* SPDX-License-Identifier: Apache-2.0 */
/* CONNECT and CONNACK, limits of what strangers may send, takeover. */
#include "rig.h"

#include <errno.h>

static int code_of(enum mqtt_version version, const struct mqtt_packet *p)
{
    struct client c = client_open(version);
    int code = client_connack(&c, p);
    if (code != 0)
        OK(client_ends(&c));
    client_close(&c);
    return code;
}

static void test_v3(void)
{
    rig_start(2);
    struct client c = client_connect(MQTT_V3_1_1, "three");
    OK(!c.p.connack.session_present);
    OK(rig_wait("+three", 1) >= 0);
    OK(client_idle(&c));
    client_send(&c, &(struct mqtt_packet){.type = MQTT_DISCONNECT});
    OK(client_ends(&c));
    OK(rig_wait("-three the client disconnected", 1) >= 0);
    client_close(&c);
    struct mqtt_packet p = connect_packet(MQTT_V3_1_1, "");
    OK_INT(code_of(MQTT_V3_1_1, &p), 0);
    p.connect.clean_start = false;
    OK_INT(code_of(MQTT_V3_1_1, &p), 2);
    rig_stop();
}

static void test_v5(void)
{
    uint8_t space[64];
    struct bytes_writer w;
    rig_start(2);
    struct mqtt_packet p = connect_packet(MQTT_V5, "");
    bytes_writer_init(&w, space, sizeof(space));
    mqtt_property_write_number(&w, MQTT_PROPERTY_SESSION_EXPIRY, 100);
    p.connect.properties = (struct mqtt_span){space, bytes_written(&w)};
    struct client c = client_open(MQTT_V5);
    OK_INT(client_connack(&c, &p), 0);
    OK_INT(connack_number(&c, MQTT_PROPERTY_SESSION_EXPIRY, 1), 0);
    OK_INT(connack_number(&c, MQTT_PROPERTY_MAXIMUM_QOS, 2), 1);
    OK_INT(connack_number(&c, MQTT_PROPERTY_RETAIN_AVAILABLE, 2), 1);
    OK_INT(connack_number(&c, MQTT_PROPERTY_WILDCARD_AVAILABLE, 2), 1);
    OK_INT(connack_number(&c, MQTT_PROPERTY_SHARED_AVAILABLE, 2), 0);
    OK_INT(connack_number(&c, MQTT_PROPERTY_SUBSCRIPTION_ID_AVAILABLE, 2), 0);
    OK_INT(connack_number(&c, MQTT_PROPERTY_TOPIC_ALIAS_MAXIMUM, 0), MQTT_TOPIC_ALIASES_MAX);
    OK_INT(connack_number(&c, MQTT_PROPERTY_RECEIVE_MAXIMUM, 0), MQTT_INFLIGHT_MAX);
    OK_INT(connack_number(&c, MQTT_PROPERTY_MAXIMUM_PACKET_SIZE, 0), MQTT_PACKET_MAX);
    OK_INT(connack_number(&c, MQTT_PROPERTY_SERVER_KEEP_ALIVE, 0), MQTT_KEEP_ALIVE_MAX);
    struct mqtt_property id;
    OK(mqtt_property_find(c.p.connack.properties, MQTT_PROPERTY_ASSIGNED_CLIENT_ID, &id));
    OK(id.text.len == 37 && memcmp(id.text.data, "auto-", 5) == 0);
    client_close(&c);
    p = connect_packet(MQTT_V5, "five");
    p.connect.keep_alive = 30;
    c = client_open(MQTT_V5);
    OK_INT(client_connack(&c, &p), 0);
    OK_INT(connack_number(&c, MQTT_PROPERTY_SERVER_KEEP_ALIVE, 0), 0);
    OK_INT(connack_number(&c, MQTT_PROPERTY_SESSION_EXPIRY, 1), 1);
    OK(!mqtt_property_find(c.p.connack.properties, MQTT_PROPERTY_ASSIGNED_CLIENT_ID, &id));
    client_close(&c);
    rig_stop();
}

static void test_refused(void)
{
    static char long_text[MQTT_CLIENT_ID_MAX + 2];
    memset(long_text, 'x', sizeof(long_text) - 1);
    uint8_t space[64];
    struct bytes_writer w;
    rig_start(2);
    struct mqtt_packet p = connect_packet(MQTT_V5, long_text);
    OK_INT(code_of(MQTT_V5, &p), MQTT_CLIENT_ID_INVALID);
    p = connect_packet(MQTT_V5, "auth");
    bytes_writer_init(&w, space, sizeof(space));
    mqtt_property_write_text(&w, MQTT_PROPERTY_AUTHENTICATION_METHOD, mqtt_span_of("SCRAM"));
    p.connect.properties = (struct mqtt_span){space, bytes_written(&w)};
    OK_INT(code_of(MQTT_V5, &p), MQTT_BAD_AUTHENTICATION_METHOD);
    p = connect_packet(MQTT_V5, "will");
    p.connect.has_will = true;
    p.connect.will_qos = 2;
    p.connect.will_topic = p.connect.will_payload = mqtt_span_of("w");
    OK_INT(code_of(MQTT_V5, &p), MQTT_QOS_NOT_SUPPORTED);
    p.connect.will_qos = 0;
    p.connect.will_topic = mqtt_span_of("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17");
    OK_INT(code_of(MQTT_V5, &p), MQTT_TOPIC_NAME_INVALID);
    p = connect_packet(MQTT_V3_1, "old");
    OK_INT(code_of(MQTT_V3_1_1, &p), 1);
    rig_stop();
}

/* What is sent as the first bytes ends the connection, with an answer of `code` or (-1) without any. */
static void first_bytes(enum mqtt_version version, const char *bytes, size_t len, int code)
{
    struct client c = client_open(version);
    client_write(&c, bytes, len);
    enum mqtt_type type = client_next(&c);
    if (code < 0)
        OK_INT(type, 0);
    else if (OK(type == MQTT_CONNACK))
        OK_INT(c.p.connack.code, code);
    OK(client_ends(&c));
    client_close(&c);
}
#define FIRST_BYTES(version, literal, code) first_bytes(version, literal, sizeof(literal) - 1, code)

static void test_strangers(void)
{
    rig_start(2);
    uint64_t before = counters_sum(COUNTER_broker_protocol_errors);
    FIRST_BYTES(MQTT_V3_1_1, "GET / HTTP/1.1\r\n\r\n", -1);
    FIRST_BYTES(MQTT_V3_1_1, "\xc0\0", -1);
    FIRST_BYTES(MQTT_V3_1_1, "\x10\xff\xff\xff\xff\xff", -1);
    FIRST_BYTES(MQTT_V3_1_1, "\x10\xff\xff\xff\x7f", -1);
    FIRST_BYTES(MQTT_V3_1_1, "\x10\x80\x80\x04", -1); /* larger than CONNECT may be */
    FIRST_BYTES(MQTT_V3_1_1, "\x10\x0c\0\4MQTT\4\3\0\0\0\0", -1);
    FIRST_BYTES(MQTT_V3_1_1, "\x10\x0c\0\4MQTT\3\2\0\0\0\0", 1);
    FIRST_BYTES(MQTT_V5, "\x10\x0c\0\4MQTT\7\2\0\0\0\0", MQTT_UNSUPPORTED_VERSION);
    FIRST_BYTES(MQTT_V5, "\x10\x0d\0\4MQTT\5\3\0\0\0\0\0", MQTT_MALFORMED_PACKET);
    OK_INT(counters_sum(COUNTER_broker_protocol_errors) - before, 9);
    struct client c = client_connect(MQTT_V5, "twice");
    struct mqtt_packet p = connect_packet(MQTT_V5, "twice");
    client_send(&c, &p);
    OK(client_dismissed(&c, MQTT_PROTOCOL_ERROR));
    client_close(&c);
    c = client_connect(MQTT_V5, "server's packet");
    CLIENT_WRITE(&c, "\xd0\0");
    OK(client_dismissed(&c, MQTT_PROTOCOL_ERROR));
    client_close(&c);
    c = client_connect(MQTT_V3_1_1, "malformed");
    CLIENT_WRITE(&c, "\x36\5\0\1a\0\1");
    OK(client_ends(&c));
    OK(rig_wait("-malformed the QoS is 3", 1) >= 0);
    client_close(&c);
    rig_stop();
}

static void test_timeout(void)
{
    OK(rig_create(1, NULL, 20 * US_PER_MS));
    rig_run();
    struct client silent = client_open(MQTT_V3_1_1), half = client_open(MQTT_V3_1_1);
    CLIENT_WRITE(&half, "\x10\x0c\0\4MQ");
    OK_INT(client_next(&silent), 0);
    OK_INT(client_next(&half), 0);
    client_close(&silent);
    client_close(&half);
    rig_stop();
}

static void test_keep_alive(void)
{
    rig_start(1);
    struct mqtt_packet p = connect_packet(MQTT_V5, "silent");
    p.connect.keep_alive = 1;
    struct client c = client_open(MQTT_V5);
    uint64_t start = clock_now_us();
    OK_INT(client_connack(&c, &p), 0);
    OK(client_dismissed(&c, MQTT_KEEP_ALIVE_TIMEOUT));
    OK(clock_now_us() - start >= 1400 * US_PER_MS);
    client_close(&c);
    rig_stop();
}

static bool only_tim(void *ctx, const struct broker_client *who)
{
    (void)ctx;
    return strcmp(who->client_id, "tim") == 0 && who->username != NULL && strcmp(who->username, "user") == 0 &&
           who->password_len == 4 && memcmp(who->password, "pass", 4) == 0 &&
           strncmp(who->address, "127.0.0.1:", 10) == 0;
}

static bool no_will(void *ctx, const struct broker_client *who, const char *topic, bool retain)
{
    (void)ctx;
    (void)who;
    return strcmp(topic, "forbidden") != 0 && !retain;
}

static void test_policy(void)
{
    static const struct broker_policy policy = {.connect = only_tim, .publish = no_will};
    OK(rig_create(2, &policy, 10 * US_PER_S));
    rig_run();
    struct mqtt_packet p = connect_packet(MQTT_V5, "tim");
    OK_INT(code_of(MQTT_V5, &p), MQTT_NOT_AUTHORIZED);
    p.connect.username = mqtt_span_of("user");
    p.connect.password = mqtt_span_of("pass");
    OK_INT(code_of(MQTT_V5, &p), 0);
    p.connect.version = MQTT_V3_1_1;
    OK_INT(code_of(MQTT_V3_1_1, &p), 0);
    p.connect.has_will = true;
    p.connect.will_topic = mqtt_span_of("forbidden");
    OK_INT(code_of(MQTT_V3_1_1, &p), 5);
    p.connect.will_topic = mqtt_span_of("allowed");
    OK_INT(code_of(MQTT_V3_1_1, &p), 0);
    p.connect.client_id = mqtt_span_of("other");
    OK_INT(code_of(MQTT_V3_1_1, &p), 5);
    rig_stop();
}

/* Everything in one write, before the answer to CONNECT (MQTT 5 3.1.4): and byte by byte. */
static void test_pipelined(void)
{
    static const char bytes[] = "\x10\x10\0\4MQTT\4\2\0\0\0\4pipe"
                                "\x82\x06\0\1\0\1#\0"
                                "\x30\5\0\1ahi"
                                "\xc0\0";
    rig_start(2);
    for (unsigned step = 1; step <= sizeof(bytes) - 1; step += sizeof(bytes) - 2) {
        struct client c = client_open(MQTT_V3_1_1);
        for (size_t i = 0; i < sizeof(bytes) - 1; i += step)
            client_write(&c, bytes + i, step);
        OK_INT(client_next(&c), MQTT_CONNACK);
        unsigned types = 0; /* SUBACK waits for the other worker, the message for nobody */
        for (unsigned i = 0; i < 3; i++)
            types |= 1u << client_next(&c);
        OK_INT(types, 1u << MQTT_SUBACK | 1u << MQTT_PUBLISH | 1u << MQTT_PINGRESP);
        client_send(&c, &(struct mqtt_packet){.type = MQTT_DISCONNECT});
        OK(client_ends(&c));
        client_close(&c);
    }
    rig_stop();
}

static void test_takeover(void)
{
    rig_start(2);
    struct client watcher = client_connect(MQTT_V3_1_1, "watcher");
    OK_INT(client_subscribe(&watcher, "w/#", 1), 1);
    struct mqtt_packet p = connect_packet(MQTT_V5, "id");
    p.connect.has_will = true;
    p.connect.will_qos = 1;
    p.connect.will_topic = p.connect.will_payload = mqtt_span_of("w/gone");
    for (unsigned shard = 0; shard < 2; shard++) {
        struct client first = client_connect_at(MQTT_V5, "id", 0, &p);
        struct client second = client_connect_at(MQTT_V5, "id", shard, NULL);
        /* The kernel may have needed several tries: the first of them took over. */
        OK(client_dismissed(&first, MQTT_SESSION_TAKEN_OVER));
        OK(client_gets(&watcher, "w/gone", "w/gone", 1, false));
        OK(client_idle(&second));
        client_publish(&second, "w/new", "x", 1, false);
        OK(client_gets(&watcher, "w/new", "x", 1, false));
        client_send(&second, &(struct mqtt_packet){.type = MQTT_DISCONNECT});
        OK(client_ends(&second));
        client_close(&first);
        client_close(&second);
    }
    client_close(&watcher);
    rig_stop();
}

/* Many connections claim one id at once: the last one of them has it, all others end. */
static void test_takeover_storm(void)
{
    enum { COUNT = 40 };
    struct client c[COUNT];
    unsigned open = 0, refused = 0, ended = 0;
    rig_start(3);
    struct mqtt_packet p = connect_packet(MQTT_V5, "storm");
    for (unsigned i = 0; i < COUNT; i++) {
        c[i] = client_open(MQTT_V5);
        client_send(&c[i], &p);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        if (!OK(client_next(&c[i]) == MQTT_CONNACK))
            continue;
        refused += c[i].p.connack.code == MQTT_SERVER_BUSY;
        open += c[i].p.connack.code == 0;
    }
    OK_INT(open + refused, COUNT);
    OK(open >= 1);
    for (unsigned i = 0; i < open - 1; i++)
        OK(rig_wait("-storm the client connected again", i + 1) >= 0);
    for (unsigned i = 0; i < COUNT; i++) {
        struct pollfd now = {.fd = c[i].fd, .events = POLLIN};
        ended += poll(&now, 1, 0) == 1;
    }
    for (unsigned i = 0; i < COUNT; i++)
        client_close(&c[i]);
    OK(ended <= COUNT - 1);
    OK(rig_wait("-storm the client closed", 1) >= 0);
    struct client last = client_connect(MQTT_V5, "storm");
    OK(client_idle(&last));
    client_close(&last);
    rig_stop();
}

static void test_close(void)
{
    rig_start(2);
    struct client c = client_connect(MQTT_V3_1_1, "stays");
    broker_close(rig.broker);
    broker_close(rig.broker);
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(rig.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool refused = false;
    for (uint64_t until = clock_now_us() + RIG_WAIT_MS * US_PER_MS; !refused && clock_now_us() < until;) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        refused = connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0;
        close(fd);
    }
    OK(refused);
    OK(client_idle(&c));
    rig_stop();
    OK(client_ends(&c));
    client_close(&c);
}

static void test_listen(void)
{
    OK(rig_create(2, NULL, US_PER_S));
    uint16_t port = 0;
    OK_INT(broker_listen(rig.broker, &broker_plain, NULL, &port), 0);
    OK(port != 0 && port != rig.port);
    OK_INT(broker_listen(rig.broker, &broker_plain, "not an address", &port), EINVAL);
    OK_INT(broker_listen(rig.broker, &broker_plain, NULL, &port), EADDRINUSE);
    OK_INT(broker_listen(rig.broker, &broker_plain, "127.0.0.1", &port), EADDRINUSE);
    rig_run();
    rig.port = port;
    struct client c = client_connect(MQTT_V3_1_1, "any address");
    OK(client_idle(&c));
    client_close(&c);
    rig_stop();
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"MQTT 3.1.1", test_v3},
        {"MQTT 5 and what CONNACK says", test_v5},
        {"CONNECT that is refused", test_refused},
        {"strangers and broken packets", test_strangers},
        {"no CONNECT in time", test_timeout},
        {"keep alive", test_keep_alive},
        {"policy", test_policy},
        {"packets behind CONNECT, and byte by byte", test_pipelined},
        {"takeover on the same and on another worker", test_takeover},
        {"many take over at once", test_takeover_storm},
        {"a closed broker takes no connections", test_close},
        {"listening", test_listen},
    };
    return TAP_RUN(cases);
}
