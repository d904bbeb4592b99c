/* SPDX-License-Identifier: Apache-2.0 */
/* The name in a ClientHello, over records and packets split anywhere. */
#include "wire/client_hello.h"

#include <stdint.h>
#include <stdlib.h>

#include "mdm-tunnel/limits.h"
#include "tap.h"

static uint8_t message[4096]; /* with its head of four bytes */
static size_t message_len;

static void put(unsigned bytes, size_t value)
{
    while (bytes-- > 0)
        message[message_len++] = (uint8_t)(value >> 8 * bytes);
}

static void put_bytes(const void *data, size_t len)
{
    memcpy(message + message_len, data, len);
    message_len += len;
}

static void hello_begin(void)
{
    message_len = 0;
    put(1, 1);
    put(3, 0);
    put(2, 0x0303);
    for (int i = 0; i < 32; i++)
        put(1, 0xa5);
    put(1, 32);
    for (int i = 0; i < 32; i++)
        put(1, 0x5a);
    put(2, 4);
    put(4, 0x13011302);
    put(1, 1);
    put(1, 0);
}

static void hello_end(void)
{
    size_t len = message_len - 4;
    message[1] = (uint8_t)(len >> 16);
    message[2] = (uint8_t)(len >> 8);
    message[3] = (uint8_t)len;
}

/* `count` names in one server_name extension, between two others. */
static void hello_make(const char *const *names, const size_t *lens, size_t count)
{
    size_t list = 0;
    for (size_t i = 0; i < count; i++)
        list += 3 + lens[i];
    hello_begin();
    put(2, 6 + (count > 0 ? 6 + list : 0) + 4);
    put(2, 43);
    put(2, 2);
    put(2, 0x0304);
    if (count > 0) {
        put(2, 0);
        put(2, list + 2);
        put(2, list);
    }
    for (size_t i = 0; i < count; i++) {
        put(1, 0);
        put(2, lens[i]);
        put_bytes(names[i], lens[i]);
    }
    put(2, 35);
    put(2, 0);
    hello_end();
}

static void hello_named(const char *name)
{
    size_t len = strlen(name);
    hello_make(&name, &len, 1);
}

/* The message in records of `size` bytes at most; bytes written. */
static size_t records(uint8_t *out, size_t size)
{
    size_t len = 0;
    for (size_t at = 0; at < message_len; at += size) {
        size_t n = message_len - at < size ? message_len - at : size;
        out[len++] = 22;
        out[len++] = 3;
        out[len++] = 1;
        out[len++] = (uint8_t)(n >> 8);
        out[len++] = (uint8_t)n;
        memcpy(out + len, message + at, n);
        len += n;
    }
    return len;
}

static struct client_hello hello;

static enum hello_parse parse(const uint8_t *data, size_t len)
{
    uint8_t *exact = malloc(len > 0 ? len : 1);
    memcpy(exact, data, len);
    strcpy(hello.name, "untouched");
    enum hello_parse result = client_hello_parse(&hello, exact, len);
    free(exact);
    if (result != HELLO_PARSE_DONE)
        OK_TEXT(hello.name, "untouched");
    return result;
}

static enum hello_parse parse_message(void)
{
    uint8_t data[8192];
    return parse(data, records(data, 16384));
}

static void test_split(void)
{
    uint8_t data[8192];
    hello_named("Hello-World.tim.example.com");
    for (size_t size = 1; size <= message_len; size++) {
        size_t len = records(data, size);
        OK(parse(data, len) == HELLO_PARSE_DONE);
        OK_TEXT(hello.name, "Hello-World.tim.example.com");
        for (size_t i = 0; i < len; i += size < 7 ? 1 : 13)
            OK(parse(data, i) == HELLO_PARSE_MORE);
        OK(parse(data, len - 1) == HELLO_PARSE_MORE);
    }
}

static void test_none(void)
{
    hello_make(NULL, NULL, 0);
    OK(parse_message() == HELLO_PARSE_DONE);
    OK_TEXT(hello.name, "");
    hello_begin(); /* no extensions at all */
    hello_end();
    OK(parse_message() == HELLO_PARSE_DONE);
    OK_TEXT(hello.name, "");
}

static void test_names(void)
{
    static const char *const bad[] = {"", ".", "a..b", ".a", "a b", "a/b", "a\nb", "\xc3\xa4", "a:80"};
    const char *const two[] = {"a", "b"};
    const char *zero = "a\0b";
    char long_name[SERVER_NAME_MAX + 3] = "";
    size_t lens[] = {1, 1}, three = 3;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        hello_named(bad[i]);
        OK(parse_message() == HELLO_PARSE_BAD);
    }
    hello_named("example.com.");
    OK(parse_message() == HELLO_PARSE_DONE);
    OK_TEXT(hello.name, "example.com");
    hello_make(&zero, &three, 1);
    OK(parse_message() == HELLO_PARSE_BAD);
    hello_make(two, lens, 2);
    OK(parse_message() == HELLO_PARSE_BAD);
    memset(long_name, 'a', SERVER_NAME_MAX);
    hello_named(long_name);
    OK(parse_message() == HELLO_PARSE_DONE);
    long_name[SERVER_NAME_MAX] = 'a';
    hello_named(long_name);
    OK(parse_message() == HELLO_PARSE_BAD);
}

static void test_lengths(void)
{
    hello_named("tim.example.com");
    for (size_t at = 4 + 34; at < message_len; at++) { /* every length that is wrong ends within bounds */
        uint8_t was = message[at];
        message[at] = 0xff;
        enum hello_parse result = parse_message();
        OK(result == HELLO_PARSE_BAD || result == HELLO_PARSE_DONE);
        message[at] = was;
    }
    message[2] = 0;
    message[3] = 10;
    OK(parse_message() == HELLO_PARSE_BAD);
}

static void test_other(void)
{
    static uint8_t data[CLIENT_HELLO_PEEK_MAX + 1];
    OK(parse((const uint8_t *)"G", 1) == HELLO_PARSE_BAD);
    OK(parse((const uint8_t *)"\x16\x02", 2) == HELLO_PARSE_BAD);
    OK(parse((const uint8_t *)"\x16\x03\x01\x00\x00", 5) == HELLO_PARSE_BAD);
    OK(parse((const uint8_t *)"\x16\x03\x01\x40\x01", 5) == HELLO_PARSE_BAD);
    OK(parse((const uint8_t *)"\x16\x03\x01\x00\x04\x02\x00\x00\x00", 9) == HELLO_PARSE_BAD);
    OK(parse((const uint8_t *)"\x16\x03\x01\x00\x04\x01\x00\x40\x01", 9) == HELLO_PARSE_BAD);
    OK(parse((const uint8_t *)"\x15\x03\x01\x00\x02\x01\x00", 7) == HELLO_PARSE_BAD);
    message_len = 0;
    put(4, 1u << 24 | CLIENT_HELLO_MAX);
    put_bytes(data, 2000);
    size_t len = 0; /* records of one byte: it would be over before the message is */
    while (len + 6 <= sizeof(data) - 1 + 6 && len < CLIENT_HELLO_PEEK_MAX) {
        size_t at = len / 6;
        uint8_t record[6] = {22, 3, 1, 0, 1, at < 4 ? message[at] : 0};
        size_t n = sizeof(data) - len < 6 ? sizeof(data) - len : 6;
        memcpy(data + len, record, n);
        len += n;
    }
    OK(parse(data, CLIENT_HELLO_PEEK_MAX - 1) == HELLO_PARSE_MORE);
    OK(parse(data, CLIENT_HELLO_PEEK_MAX) == HELLO_PARSE_BAD);
}

static const struct tap_case cases[] = {
    {"records and packets split anywhere", test_split},
    {"no name", test_none},
    {"names that are none", test_names},
    {"lengths that are wrong", test_lengths},
    {"other protocols, other messages, endless ones", test_other},
};

int main(void)
{
    return TAP_RUN(cases);
}
