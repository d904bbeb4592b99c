/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the proxy's access log and of its log of packets: what they say, and that nobody forges one or makes it too long. */
#include <stdlib.h>
#include <string.h>

#include "mdm-tunnel/limits.h"
#include "proxy/access_line.h"
#include "proxy/packet_log.h"
#include "tap.h"

static char bytes[LINE_LOG_LINE_MAX + 1];
static const struct timespec when = {.tv_sec = 1764157427, .tv_nsec = 123456789};

static const char *access_of(enum line_format format, const struct proxy_access *a)
{
    struct text_line line;
    text_line_init(&line, bytes, LINE_LOG_LINE_MAX);
    proxy_access_write(&line, format, a);
    bytes[line.len] = '\0';
    return bytes;
}

static const char *packet_of(enum line_format format, const struct packet_entry *e)
{
    struct text_line line;
    text_line_init(&line, bytes, LINE_LOG_LINE_MAX);
    packet_line_write(&line, format, e);
    bytes[line.len] = '\0';
    return bytes;
}

static struct http_text text_of(const char *s) { return (struct http_text){s, strlen(s)}; }

/* One line, with its end, and in JSON with as many quotes that are not escaped as there have to be. */
static bool is_one_line(enum line_format format, const char *line)
{
    size_t len = strlen(line), quotes = 0;
    for (size_t i = 0; i < len; i++) {
        quotes += line[i] == '"';
        i += line[i] == '\\';
    }
    return len > 1 && strchr(line, '\n') == line + len - 1 && quotes % 2 == 0 && (format == LINE_TEXT || line[len - 2] == '}');
}

static void access_has_its_fields(void)
{
    struct proxy_access a = {.began = when, .kind = "mqtt", .address = "192.0.2.1:4711", .listener = "mqtts", .version = text_of("5"),
                             .client = text_of("c1"), .user = text_of("tim"), .answered = true, .code = 0, .messages_up = 3, .bytes_up = 99,
                             .total_us = 1500000, .end = "the client disconnected"};
    OK_TEXT(access_of(LINE_TEXT, &a), "2025-11-26T11:43:47.123Z mqtt address=\"192.0.2.1:4711\" listener=\"mqtts\" version=\"5\" client=\"c1\" "
                                      "user=\"tim\" code=0 messages_up=3 messages_down=0 bytes_up=99 bytes_down=0 total=1.500000 "
                                      "end=\"the client disconnected\"\n");
    a = (struct proxy_access){.began = when, .kind = "http", .address = "[::1]:1", .listener = "http", .version = text_of("HTTP/1.1"),
                              .method = text_of("GET"), .host = text_of("x"), .target = text_of("/a?b"), .answered = true, .code = 200,
                              .bytes_down = 5, .total_us = 20, .end = ""};
    OK_TEXT(access_of(LINE_JSON, &a), "{\"time\":\"2025-11-26T11:43:47.123Z\",\"kind\":\"http\",\"address\":\"[::1]:1\",\"listener\":\"http\","
                                      "\"version\":\"HTTP/1.1\",\"method\":\"GET\",\"host\":\"x\",\"target\":\"/a?b\",\"status\":200,"
                                      "\"bytes_up\":0,\"bytes_down\":5,\"total\":0.000020}\n");
    a.answered = false;
    OK(strstr(access_of(LINE_TEXT, &a), "status") == NULL);
}

static void access_is_not_forged(void)
{
    static char text[2 * LINE_LOG_LINE_MAX];
    struct proxy_access a = {.began = when, .kind = "mqtt", .address = "192.0.2.1:4711", .listener = "mqtts", .end = "x"};
    a.client = text_of("a\" code=0\n2025-11-26T11:43:47.123Z mqtt \\");
    const char *line = access_of(LINE_TEXT, &a);
    OK(strstr(line, " client=\"a\\\" code=0\\x0a2025-11-26T11:43:47.123Z mqtt \\\\\" messages_up=0") != NULL);
    OK(is_one_line(LINE_TEXT, line));
    OK(is_one_line(LINE_JSON, access_of(LINE_JSON, &a)));
    for (int fill = 0; fill < 3; fill++) {
        memset(text, fill == 0 ? '\x01' : fill == 1 ? '"' : 'x', sizeof(text) - 1);
        a.client = a.user = a.certificate = a.method = a.host = a.target = a.version = text_of(text);
        a.end = a.address = a.listener = text;
        for (int format = LINE_TEXT; format <= LINE_JSON; format++) {
            line = access_of((enum line_format)format, &a);
            OK(strlen(line) < LINE_LOG_LINE_MAX - 64 && is_one_line((enum line_format)format, line));
        }
    }
}

static void packets_are_shown(void)
{
    static const uint8_t publish[] = {0x33, 12, 0, 3, 'a', '/', 'b', 0, 9, 'h', 'e', '"', '\n', 'o'};
    static const uint8_t subscribe[] = {0x82, 12, 0, 7, 0, 1, 'a', 1, 0, 3, 'b', '/', '#', 2};
    struct packet_entry e = {.at = when, .up = true, .session = 7, .client = "c1", .version = MQTT_V3_1_1, .bytes = publish,
                             .len = sizeof(publish)};
    OK_TEXT(packet_of(LINE_TEXT, &e), "2025-11-26T11:43:47.123Z up stage=\"before\" session=7 client=\"c1\" type=\"PUBLISH\" size=14 id=9 "
                                      "topic=\"a/b\" qos=1 retain=1 dup=0 payload_size=5\n");
    e.after = true;
    e.verdict = "denied";
    e.reason = 135;
    e.payload_max = 4;
    OK(strstr(packet_of(LINE_TEXT, &e), " payload_size=5 payload=\"he\\\"\\x0a\" verdict=\"denied\" reason=135\n") != NULL);
    e.bytes = subscribe;
    e.len = sizeof(subscribe);
    OK(strstr(packet_of(LINE_JSON, &e), ",\"id\":7,\"filter_count\":2,\"filters\":\"a 1, b/# 2\",\"verdict\":\"denied\",\"reason\":135}\n") != NULL);
    e.len--;
    OK(strstr(packet_of(LINE_TEXT, &e), "malformed=\"it is not one packet\"") != NULL);
}

static void passwords_are_not(void)
{
    static const uint8_t connect[] = {0x10, 24, 0, 4, 'M', 'Q', 'T', 'T', 4, 0xc2, 0, 60, 0, 1, 'c', 0, 1, 'u', 0, 6, 's', 'e', 'c', 'r', 'e', 't'};
    const struct packet_entry e = {.at = when, .up = true, .client = "", .version = MQTT_V3_1_1, .bytes = connect, .len = sizeof(connect),
                                   .payload_max = PACKET_LOG_PAYLOAD_MAX};
    const char *line = packet_of(LINE_TEXT, &e);
    OK(strstr(line, "client_id=\"c\" user=\"u\" password=1 clean=1 keep_alive=60\n") != NULL);
    OK(strstr(line, "secret") == NULL);
}

/* Whatever bytes: one line that fits. */
static void any_bytes_are_one_line(void)
{
    static uint8_t packet[4096];
    unsigned seed = 1, wrong = 0;
    for (unsigned round = 0; round < 20000; round++) {
        size_t len = 2 + (seed = seed * 1103515245 + 12345) / 65536 % (round % 50 == 0 ? sizeof(packet) - 4 : 120);
        for (size_t i = 0; i < len; i++)
            packet[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16) & (round % 3 == 0 ? 0x1f : 0xff);
        packet[0] = (uint8_t)((round % 16) << 4 | (round % 16 == 8 || round % 16 == 10 || round % 16 == 6 ? 2 : 0));
        packet[1] = (uint8_t)(len - 2 > 127 ? 127 : len - 2);
        const struct packet_entry e = {.at = when, .client = "\"\n", .version = round % 2 ? MQTT_V5 : MQTT_V3_1_1, .bytes = packet,
                                       .len = packet[1] + 2u, .after = round % 2, .verdict = "\n\"", .payload_max = PACKET_LOG_PAYLOAD_MAX};
        for (int format = LINE_TEXT; format <= LINE_JSON; format++)
            wrong += !is_one_line((enum line_format)format, packet_of((enum line_format)format, &e));
    }
    OK_INT(wrong, 0);
}

static void long_packets_are_cut(void)
{
    static uint8_t packet[70000];
    memset(packet, 'x', sizeof(packet));
    memcpy(packet, (const uint8_t[]){0x30, 0xdd, 0xa2, 0x04, 0xff, 0x00}, 6); /* a topic of 65280 bytes */
    memset(packet + 6 + 0xff00, 1, sizeof(packet) - 6 - 0xff00);
    const struct packet_entry e = {.at = when, .client = "c", .version = MQTT_V3_1_1, .bytes = packet, .len = sizeof(packet) - 15,
                                   .payload_max = PACKET_LOG_PAYLOAD_MAX};
    for (int format = LINE_TEXT; format <= LINE_JSON; format++) {
        const char *line = packet_of((enum line_format)format, &e);
        OK(is_one_line((enum line_format)format, line) && strstr(line, "payload_size") != NULL && strstr(line, "malformed") == NULL);
    }
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"access: a line has its fields", access_has_its_fields},
        {"access: nothing forges a line or makes it too long", access_is_not_forged},
        {"packets are shown", packets_are_shown},
        {"passwords are not", passwords_are_not},
        {"any bytes are one line", any_bytes_are_one_line},
        {"long packets are cut", long_packets_are_cut},
    };
    return TAP_RUN(cases);
}
