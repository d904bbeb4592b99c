/* SPDX-License-Identifier: Apache-2.0 */
/* The PROXY protocol: lines and binary heads, whole, cut anywhere, and wrong. */
#include "wire/proxy_head.h"

#include "mdm-tunnel/limits.h"
#include "tap.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static struct proxy_head head;
static size_t used;

static enum proxy_parse parse(const void *data, size_t len)
{
    memset(&head, 0, sizeof(head));
    used = 0;
    return proxy_head_parse(&head, data, len, &used);
}

static enum proxy_parse parse_line(const char *line) { return parse(line, strlen(line)); }

/* DONE with `len` bytes, MORE with fewer, and the same with bytes behind. */
static void whole_and_parts(const char *data, size_t len)
{
    char longer[512];
    memcpy(longer, data, len);
    memcpy(longer + len, "GET / HTTP/1.1\r\n", 16);
    for (size_t i = 0; i < len; i++)
        OK(parse(data, i) == PROXY_PARSE_MORE);
    OK(parse(longer, len + 16) == PROXY_PARSE_DONE);
    OK_INT(used, len);
    OK(parse(data, len) == PROXY_PARSE_DONE);
    OK_INT(used, len);
}

static void test_lines(void)
{
    static const char v4[] = "PROXY TCP4 192.0.2.1 198.51.100.2 4711 80\r\n";
    static const char v6[] = "PROXY TCP6 2001:db8::1 ::1 65535 0\r\n";
    static const char unknown[] = "PROXY UNKNOWN ffff::1 what ever\r\n";
    whole_and_parts(v4, strlen(v4));
    OK(head.proxied && proxy_address_is_v4(&head.source) && head.source.port == 4711 && head.destination.port == 80);
    OK(memcmp(head.source.ip + 12, "\xc0\x00\x02\x01", 4) == 0);
    whole_and_parts(v6, strlen(v6));
    OK(head.proxied && !proxy_address_is_v4(&head.source) && head.source.port == 65535 && head.source.ip[0] == 0x20);
    whole_and_parts(unknown, strlen(unknown));
    OK(!head.proxied);
    OK(parse_line("PROXY UNKNOWN\r\n") == PROXY_PARSE_DONE && !head.proxied);
}

static void test_bad_lines(void)
{
    static const char *const bad[] = {
        "GET / HTTP/1.1\r\n",
        "PROXY\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 4711 80\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 4711 80 \r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 4711 80 1\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 4711\r\n",
        "PROXY  TCP4 192.0.2.1 198.51.100.2 4711 80\r\n",
        "PROXY TCP4 192.0.2.256 198.51.100.2 4711 80\r\n",
        "PROXY TCP4 ::1 ::1 4711 80\r\n",
        "PROXY TCP6 192.0.2.1 ::1 4711 80\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 65536 80\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 04711 80\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 -1 80\r\n",
        "PROXY TCP5 192.0.2.1 198.51.100.2 4711 80\r\n",
        "PROXY tcp4 192.0.2.1 198.51.100.2 4711 80\r\n",
        "proxy TCP4 192.0.2.1 198.51.100.2 4711 80\r\n",
    };
    char endless[PROXY_LINE_MAX + 1];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        OK(parse_line(bad[i]) == PROXY_PARSE_BAD);
    memset(endless, 'x', sizeof(endless));
    memcpy(endless, "PROXY UNKNOWN ", 14);
    OK(parse(endless, PROXY_LINE_MAX - 1) == PROXY_PARSE_MORE);
    OK(parse(endless, PROXY_LINE_MAX) == PROXY_PARSE_BAD);
    OK(parse("PROXY TCP4 192.0.2.1\0 198.51.100.2 1 2\r\n", 41) == PROXY_PARSE_BAD);
}

static void test_binary(void)
{
    static const char v4[] = SIGNATURE "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x67\x00\x50";
    static const char v6[] = SIGNATURE "\x21\x21\x00\x28"
                                       "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                                       "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x12\x67\x01\xbb\x04\x00\x01\x00";
    static const char local[] = SIGNATURE "\x20\x00\x00\x00";
    static const char odd_local[] = SIGNATURE "\x20\x55\x00\x02zz";
    whole_and_parts(v4, sizeof(v4) - 1);
    OK(head.proxied && proxy_address_is_v4(&head.source) && head.source.port == 4711 && head.destination.port == 80);
    whole_and_parts(v6, sizeof(v6) - 1);
    OK(head.proxied && head.source.ip[15] == 1 && head.source.port == 4711 && head.destination.port == 443);
    whole_and_parts(local, sizeof(local) - 1);
    OK(!head.proxied);
    whole_and_parts(odd_local, sizeof(odd_local) - 1);
    OK(!head.proxied);
}

static void test_bad_binary(void)
{
    char unix_socket[16 + 216] = SIGNATURE "\x21\x31\x00\xd8";
    OK(parse(SIGNATURE "\x11\x11\x00\x0c", 16) == PROXY_PARSE_BAD);
    OK(parse(SIGNATURE "\x22\x11\x00\x0c", 16) == PROXY_PARSE_BAD);
    OK(parse(SIGNATURE "\x21\x11\xff\xff", 16) == PROXY_PARSE_BAD);
    OK(parse(SIGNATURE "\x21\x12\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x67\x00\x50", 28) == PROXY_PARSE_BAD);
    OK(parse(SIGNATURE "\x21\x11\x00\x0b\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x67\x00", 27) == PROXY_PARSE_BAD);
    OK(parse(SIGNATURE "\x21\x21\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x67\x00\x50", 28) == PROXY_PARSE_BAD);
    OK(parse("\r\n\r\n\0\r\nQUIS", 11) == PROXY_PARSE_BAD);
    OK(parse(unix_socket, sizeof(unix_socket)) == PROXY_PARSE_DONE && !head.proxied);
}

static void written(const char *source, const char *destination, unsigned version, const char *line)
{
    struct proxy_head h = {.proxied = true};
    uint8_t bytes[PROXY_HEAD_WRITE_MAX];
    if (!OK(proxy_address_parse(source, &h.source)) || !OK(proxy_address_parse(destination, &h.destination)))
        return;
    size_t len = proxy_head_write(&h, version, bytes);
    OK(parse(bytes, len) == PROXY_PARSE_DONE && used == len);
    OK(memcmp(&head.source, &h.source, sizeof(h.source)) == 0);
    OK(memcmp(&head.destination, &h.destination, sizeof(h.destination)) == 0);
    if (line != NULL)
        OK(len == strlen(line) && memcmp(bytes, line, len) == 0);
}

static void test_writing(void)
{
    struct proxy_head own = {0};
    uint8_t bytes[PROXY_HEAD_WRITE_MAX];
    for (unsigned version = 1; version <= 2; version++) {
        written("192.0.2.1:4711", "127.0.0.1:80", version,
                version == 1 ? "PROXY TCP4 192.0.2.1 127.0.0.1 4711 80\r\n" : NULL);
        written("[2001:db8::1]:4711", "[::1]:80", version,
                version == 1 ? "PROXY TCP6 2001:db8::1 ::1 4711 80\r\n" : NULL);
        written("[2001:db8::1]:4711", "127.0.0.1:80", version,
                version == 1 ? "PROXY TCP6 2001:db8::1 ::ffff:127.0.0.1 4711 80\r\n" : NULL);
        written("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                version, NULL);
        OK(parse(bytes, proxy_head_write(&own, version, bytes)) == PROXY_PARSE_DONE && !head.proxied);
    }
}

static void test_addresses(void)
{
    static const char *const bad[] = {"", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", ":80", "[::1]", "[::1]80",
                                      "[::1", "::1:80", "[192.0.2.1]:80", "name:80", "192.0.2.1:8 0"};
    struct proxy_address a;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        OK(!proxy_address_parse(bad[i], &a));
    OK(proxy_address_parse("[::ffff:192.0.2.1]:1", &a) && proxy_address_is_v4(&a));
}

static const struct tap_case cases[] = {
    {"version 1, cut anywhere", test_lines},
    {"lines that are none", test_bad_lines},
    {"version 2, cut anywhere", test_binary},
    {"binary heads that are none", test_bad_binary},
    {"what is written is read", test_writing},
    {"addresses with ports", test_addresses},
};

int main(void)
{
    return TAP_RUN(cases);
}
