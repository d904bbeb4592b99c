/* SPDX-License-Identifier: Apache-2.0 */
/* Host and targets. */
#include "wire/http.h"

#include "tap.h"

#define T(s) ((struct http_text){(s), sizeof(s) - 1})

static bool authority_is(struct http_text value, const char *host, unsigned port)
{
    struct http_authority a;
    return http_authority_parse(value, &a) && http_text_is(a.host, host) && a.port == port;
}

static bool authority_is_bad(struct http_text value)
{
    struct http_authority a = {.port = 77777};
    return !http_authority_parse(value, &a) && a.port == 77777;
}

static void test_names(void)
{
    OK(authority_is(T("hello.tim.example.com"), "hello.tim.example.com", 0));
    OK(authority_is(T("Hello.Tim:8080"), "hello.tim", 8080));
    OK(authority_is(T("a.b."), "a.b", 0));
    OK(authority_is(T("a.b.:1"), "a.b", 1));
    OK(authority_is(T("a_b.c"), "a_b.c", 0));
    OK(authority_is(T("localhost:"), "localhost", 0));
    OK(authority_is(T("192.0.2.1:65535"), "192.0.2.1", 65535));
    OK(authority_is(T("a--b.c"), "a--b.c", 0));
}

static void test_bad_names(void)
{
    OK(authority_is_bad(T("")));
    OK(authority_is_bad((struct http_text){NULL, 0}));
    OK(authority_is_bad(T(".")));
    OK(authority_is_bad(T(":80")));
    OK(authority_is_bad(T(".a")));
    OK(authority_is_bad(T("a..b")));
    OK(authority_is_bad(T("a..")));
    OK(authority_is_bad(T("a b")));
    OK(authority_is_bad(T("a,b")));
    OK(authority_is_bad(T("u@h")));
    OK(authority_is_bad(T("h/p")));
    OK(authority_is_bad(T("h?q")));
    OK(authority_is_bad(T("h%41")));
    OK(authority_is_bad(T("a\0b")));
    OK(authority_is_bad(T("\xc3\xa4.de")));
    OK(authority_is_bad(T("::1")));
}

static void test_ports(void)
{
    OK(authority_is(T("h:00080"), "h", 80));
    OK(authority_is_bad(T("h:0")));
    OK(authority_is_bad(T("h:65536")));
    OK(authority_is_bad(T("h:000080")));
    OK(authority_is_bad(T("h:80 ")));
    OK(authority_is_bad(T("h:+80")));
    OK(authority_is_bad(T("h:80:80")));
    OK(authority_is_bad(T("h:4294967376"))); /* 80 modulo 2^32 */
}

static void test_ipv6(void)
{
    OK(authority_is(T("[::1]"), "[::1]", 0));
    OK(authority_is(T("[2001:DB8::1]:443"), "[2001:db8::1]", 443));
    OK(authority_is(T("[::ffff:192.0.2.1]"), "[::ffff:192.0.2.1]", 0));
    OK(authority_is_bad(T("[]")));
    OK(authority_is_bad(T("[")));
    OK(authority_is_bad(T("[::1")));
    OK(authority_is_bad(T("[::1]80")));
    OK(authority_is_bad(T("[::1]." )));
    OK(authority_is_bad(T("[v1.x]")));
    OK(authority_is_bad(T("[fe80::1%25eth0]")));
    OK(authority_is_bad(T("[::1\0]")));
    OK(authority_is_bad(T("[1.2.3.4]")));
    OK(authority_is_bad(T("[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]")));
}

static void test_lengths(void)
{
    char name[260];
    memset(name, 'a', sizeof(name));
    for (size_t i = 63; i < sizeof(name); i += 64)
        name[i] = '.';
    OK(authority_is_bad((struct http_text){name, 254}));
    OK(http_authority_parse((struct http_text){name, 253}, &(struct http_authority){0}));
    OK(http_authority_parse((struct http_text){name, 63}, &(struct http_authority){0}));
    name[63] = 'a';
    OK(authority_is_bad((struct http_text){name, 64}));
}

static void test_origin_form(void)
{
    struct http_target t;
    OK(http_target_parse(T("/a/../b%2F?x=|{}\"\xc3\xa4"), &t));
    OK_INT(t.form, HTTP_TARGET_ORIGIN);
    OK_INT(t.path.len, 19);
    OK(http_target_valid(T("//double")));
    OK(http_target_parse(T("*"), &t) && t.form == HTTP_TARGET_ASTERISK);
}

static void test_absolute_form(void)
{
    struct http_target t;
    OK(http_target_parse(T("http://h:80/p?q"), &t));
    OK_INT(t.form, HTTP_TARGET_ABSOLUTE);
    OK(http_text_is(t.scheme, "http") && http_text_is(t.authority, "h:80") && http_text_is(t.path, "/p?q"));
    OK(http_target_parse(T("HTTP://h"), &t) && t.path.len == 0);
    OK(http_target_parse(T("http://h?q=/"), &t) && http_text_is(t.path, "?q=/"));
}

static void test_bad_targets(void)
{
    OK(!http_target_valid(T("")));
    OK(!http_target_valid(T("a")));
    OK(!http_target_valid(T("**")));
    OK(!http_target_valid(T("h:443")));
    OK(!http_target_valid(T("http:/h/")));
    OK(!http_target_valid(T("http://")));
    OK(!http_target_valid(T("http:///p")));
    OK(!http_target_valid(T("://h/")));
    OK(!http_target_valid(T("1http://h/")));
    OK(!http_target_valid(T("ht/tp://h/")));
    OK(!http_target_valid(T("/a b")));
    OK(!http_target_valid(T("/a#b")));
    OK(!http_target_valid(T("/a\tb")));
    OK(!http_target_valid(T("/a\0b")));
    OK(!http_target_valid(T("/a\r\nb")));
    OK(!http_target_valid(T("/a\x7f")));
}

static const struct tap_case cases[] = {
    {"names and IPv4 addresses", test_names},
    {"what is no name", test_bad_names},
    {"ports", test_ports},
    {"IPv6 addresses in brackets", test_ipv6},
    {"names and labels have a maximum", test_lengths},
    {"origin-form and *", test_origin_form},
    {"absolute-form", test_absolute_form},
    {"what is no target", test_bad_targets},
};

int main(void)
{
    return TAP_RUN(cases);
}
