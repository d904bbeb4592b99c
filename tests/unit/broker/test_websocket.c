/* SPDX-License-Identifier: Apache-2.0 */
/* MQTT over WebSocket: whatever the frames are, the packets are the same. */
#include "rig.h"
#include "wire/websocket.h"

static const struct transport_kind kind = {.name = "ws", .path = "/mqtt"};

#define REQUEST                                                                                                        \
    "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                            \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
#define ANSWER                                                                                                         \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                                 \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"

/* Exactly these bytes come next. */
static bool gets(struct client *c, const void *bytes, size_t len)
{
    while (c->in_len < len)
        if (!client_fill(c, RIG_WAIT_MS))
            break;
    bool same = c->in_len >= len && memcmp(c->in, bytes, len) == 0;
    if (!same)
        printf("#   got %zu bytes: %.*s\n", c->in_len, (int)c->in_len, (const char *)c->in);
    c->in_len -= c->in_len < len ? c->in_len : len;
    memmove(c->in, c->in + len, c->in_len);
    return same;
}
#define GETS(c, literal) gets(c, literal, sizeof(literal) - 1)

static bool ends(struct client *c)
{
    while (client_fill(c, RIG_WAIT_MS))
        ;
    return c->in_len == 0;
}

/* A frame with the mask 1 2 3 4. */
static void frame(struct client *c, uint8_t first, const void *payload, size_t len)
{
    uint8_t bytes[256] = {first, (uint8_t)(0x80 | len), 1, 2, 3, 4};
    for (size_t i = 0; i < len; i++)
        bytes[6 + i] = (uint8_t)(((const uint8_t *)payload)[i] ^ (i % 4 + 1));
    OK(client_write(c, bytes, 6 + len));
}
#define FRAME(c, first, literal) frame(c, first, literal, sizeof(literal) - 1)

static struct client open_websocket(void)
{
    struct client c = client_open(MQTT_V3_1_1);
    OK(CLIENT_WRITE(&c, REQUEST));
    OK(GETS(&c, ANSWER));
    return c;
}

#define CONNECT "\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01w"
#define CONNACK "\x82\x04\x20\x02\x00\x00"
#define SUBSCRIBE "\x82\x06\x00\x01\x00\x01t\x00"
#define SUBACK "\x82\x05\x90\x03\x00\x01\x00"
#define PUBLISH "\x30\x04\x00\x01th"
#define PING "\xc0\x00"
#define PONG "\x82\x02\xd0\x00"

static void rig_websocket(void)
{
    OK(rig_create(1, NULL, 10 * US_PER_S));
    rig.port = 0;
    OK_INT(broker_listen(rig.broker, &kind, "127.0.0.1", &rig.port), 0);
    rig_run();
}

static void frames(void)
{
    rig_websocket();
    struct client c = open_websocket();
    FRAME(&c, 0x82, CONNECT);
    OK(GETS(&c, CONNACK));
    FRAME(&c, 0x82, SUBSCRIBE PUBLISH PING); /* several packets in a frame */
    OK(GETS(&c, SUBACK "\x82\x06" PUBLISH PONG)); /* and each in its own */
    FRAME(&c, 0x02, "\x30\x04\x00");              /* a packet over fragments, with a control frame between */
    FRAME(&c, 0x89, "beat");
    OK(GETS(&c, "\x8a\x04" "beat"));
    FRAME(&c, 0x00, "\x01t");
    FRAME(&c, 0x80, "h\xc0");
    FRAME(&c, 0x82, "\x00"); /* and over messages */
    OK(GETS(&c, "\x82\x06" PUBLISH PONG));
    FRAME(&c, 0x88, "\x03\xe8");
    OK(GETS(&c, "\x88\x02\x03\xe8"));
    OK(ends(&c));
    client_close(&c);
    OK(rig_wait("-w the client closed the connection", 1) >= 0);
    rig_stop();
}

/* A large message both ways, longer than one read. */
static void large(void)
{
    static uint8_t packet[100 * 1024 + 8], bytes[sizeof(packet) + 14];
    rig_websocket();
    struct client c = open_websocket();
    FRAME(&c, 0x82, CONNECT);
    FRAME(&c, 0x82, SUBSCRIBE);
    OK(GETS(&c, CONNACK SUBACK));
    memcpy(packet, "\x30\x83\xa0\x06\x00\x01t", 7); /* 3 + 100 KiB bytes */
    size_t size = 4 + 3 + 100 * 1024;
    for (size_t i = 7; i < size; i++)
        packet[i] = (uint8_t)(i * 11);
    memcpy(bytes, "\x82\xff\0\0\0\0\0\x01\x90\x07\x01\x02\x03\x04", 14);
    for (size_t i = 0; i < size; i++)
        bytes[14 + i] = packet[i] ^ (uint8_t)(i % 4 + 1);
    OK(client_write(&c, bytes, 14 + size));
    OK(GETS(&c, "\x82\x7f\0\0\0\0\0\x01\x90\x07"));
    OK(gets(&c, packet, size));
    client_close(&c);
    rig_stop();
}

static void wrong_frames(void)
{
    rig_websocket();
    struct client c = open_websocket();
    FRAME(&c, 0x82, CONNECT);
    OK(GETS(&c, CONNACK));
    OK(CLIENT_WRITE(&c, "\x82\x01" "a")); /* no mask */
    OK(GETS(&c, "\x88\x02\x03\xea"));
    OK(ends(&c));
    client_close(&c);
    OK(rig_wait("-w a frame without a mask", 1) >= 0);
    c = open_websocket();
    FRAME(&c, 0x81, "text");
    OK(GETS(&c, "\x88\x02\x03\xeb"));
    OK(ends(&c));
    client_close(&c);
    rig_stop();
}

static void wrong_requests(void)
{
    rig_websocket();
    struct client c = client_open(MQTT_V3_1_1);
    OK(CLIENT_WRITE(&c, "GET /mqtt HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    OK(GETS(&c, "HTTP/1.1 426 Upgrade Required\r\n"));
    client_close(&c);
    c = client_open(MQTT_V3_1_1);
    OK(CLIENT_WRITE(&c, "GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    OK(GETS(&c, "HTTP/1.1 404 Not Found\r\n"));
    client_close(&c);
    c = client_open(MQTT_V3_1_1);
    OK(CLIENT_WRITE(&c, CONNECT "\r\n\r\n")); /* MQTT without WebSocket */
    OK(GETS(&c, "HTTP/1.1 400 Bad Request\r\n"));
    client_close(&c);
    OK(rig_counter(COUNTER_broker_handshakes_failed, 3));
    rig_stop();
}

/* Who sends frames with the request does not lose them, nor what comes with CONNECT. */
static void early_frames(void)
{
    rig_websocket();
    struct client c = client_open(MQTT_V3_1_1);
    OK(CLIENT_WRITE(&c, REQUEST "\x82\x8f\x00\x00\x00\x00" CONNECT "\x82\x82\x00\x00\x00\x00" PING));
    OK(GETS(&c, ANSWER CONNACK PONG));
    client_close(&c);
    rig_stop();
}

static void too_many_strangers(void)
{
    enum { MANY = MQTT_STRANGERS_PER_ADDRESS_MAX };
    static struct client all[MANY];
    rig_start(1);
    for (unsigned i = 0; i < MANY; i++)
        all[i] = client_open(MQTT_V3_1_1);
    struct client late = client_open(MQTT_V3_1_1);
    OK(client_ends(&late)); /* refused */
    OK(counters_sum(COUNTER_broker_refused) >= 1);
    struct mqtt_packet p = connect_packet(MQTT_V3_1_1, "first");
    OK_INT(client_connack(&all[0], &p), 0); /* is no stranger any more */
    struct client next = client_connect(MQTT_V3_1_1, "next");
    client_close(&next);
    client_close(&late);
    for (unsigned i = 0; i < MANY; i++)
        client_close(&all[i]);
    rig_stop();
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"packets in frames, frames in packets", frames},
        {"large messages", large},
        {"frames that are not allowed end it with their status", wrong_frames},
        {"requests for something else are answered", wrong_requests},
        {"nothing is lost behind the request", early_frames},
        {"those who don't say who they are do not crowd the others out", too_many_strangers},
    };
    return TAP_RUN(cases);
}
