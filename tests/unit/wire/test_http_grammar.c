/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens, values, lists, numbers, fields for one hop. */
#include "wire/http.h"

#include "tap.h"

#define T(s) ((struct http_text){(s), sizeof(s) - 1})

static void test_tokens(void)
{
    OK(http_token_valid(T("Content-Type")));
    OK(http_token_valid(T("!#$%&'*+-.^_`|~09azAZ")));
    OK(!http_token_valid(T("")));
    for (const char *bad = "\"(),/:;<=>?@[\\]{} \t\r\n\x01\x7f\x80\xff"; *bad != '\0'; bad++)
        OK(!http_token_valid((struct http_text){bad, 1}));
    OK(!http_token_valid(T("a\0")));
}

static void test_values(void)
{
    OK(http_field_value_valid(T("")));
    OK(http_field_value_valid(T("a b\tc ~ \x80\xff \"q\"")));
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        bool control = (c < ' ' && c != '\t') || c == 0x7f;
        OK(http_field_value_valid((struct http_text){&byte, 1}) == !control);
    }
}

static void test_text(void)
{
    OK(http_text_is(T("Upgrade"), "upgrade"));
    OK(!http_text_is(T("Upgrad"), "upgrade"));
    OK(!http_text_is(T("Upgrades"), "upgrade"));
    OK(!http_text_is(T("upgrade\0"), "upgrade"));
    OK(http_text_is(T(""), ""));
    OK(!http_text_is(T("\x10"), "0")); /* not a letter: no case */
    OK(http_text_equal(T("aBc"), T("AbC")));
    OK(!http_text_equal(T("ab"), T("abc")));
    OK(http_text_equal(http_text_trim(T(" \t a b \t")), T("a b")));
    OK_INT(http_text_trim(T(" \t")).len, 0);
}

static void test_list(void)
{
    struct http_text rest = T(" , a,, b c ,\"x,\\\",y\", d;q=\",\" \t,"), e;
    OK(http_list_next(&rest, &e) && http_text_is(e, "a"));
    OK(http_list_next(&rest, &e) && http_text_is(e, "b c"));
    OK(http_list_next(&rest, &e) && http_text_is(e, "\"x,\\\",y\""));
    OK(http_list_next(&rest, &e) && http_text_is(e, "d;q=\",\""));
    OK(!http_list_next(&rest, &e));
    rest = T("\"open, end\\");
    OK(http_list_next(&rest, &e) && e.len == 11);
    OK(!http_list_next(&rest, &e));
    rest = (struct http_text){NULL, 0};
    OK(!http_list_next(&rest, &e));
    OK(http_list_has(T("keep-alive, Upgrade"), "upgrade"));
    OK(!http_list_has(T("keep-alive, Upgrades"), "upgrade"));
}

static bool length_is(struct http_text value, uint64_t want)
{
    uint64_t n;
    return http_content_length_parse(value, &n) && n == want;
}

static bool length_is_bad(struct http_text value)
{
    uint64_t n = 77;
    return !http_content_length_parse(value, &n) && n == 77;
}

static void test_content_length(void)
{
    OK(length_is(T("0"), 0));
    OK(length_is(T("007"), 7));
    OK(length_is(T("9223372036854775807"), INT64_MAX));
    OK(length_is(T("5, 5 ,5"), 5));
    OK(length_is_bad(T("9223372036854775808")));
    OK(length_is_bad(T("18446744073709551621"))); /* 5 modulo 2^64 */
    OK(length_is_bad(T("")));
    OK(length_is_bad((struct http_text){NULL, 0}));
    OK(length_is_bad(T("+5")));
    OK(length_is_bad(T("-5")));
    OK(length_is_bad(T("5 5")));
    OK(length_is_bad(T("0x5")));
    OK(length_is_bad(T("5,6")));
    OK(length_is_bad(T("5,")));
    OK(length_is_bad(T(",5")));
    OK(length_is_bad(T("5,,5")));
    OK(length_is_bad(T("5;")));
}

static void test_hop_by_hop(void)
{
    OK(http_field_hop_by_hop(T("Connection")));
    OK(http_field_hop_by_hop(T("Keep-Alive")));
    OK(http_field_hop_by_hop(T("Proxy-Connection")));
    OK(http_field_hop_by_hop(T("te")));
    OK(http_field_hop_by_hop(T("TRANSFER-ENCODING")));
    OK(http_field_hop_by_hop(T("Upgrade")));
    OK(!http_field_hop_by_hop(T("Trailer")));
    OK(!http_field_hop_by_hop(T("Host")));
    OK(!http_field_hop_by_hop(T("Content-Length")));
}

static void test_hops(void)
{
    struct http_hops h;
    struct http_field f = {T("connection"), T("close, X-One,Host, content-length, , bad name, Transfer-Encoding")};
    http_hops_init(&h);
    OK(http_hops_add(&h, &f));
    f.value = T("UPGRADE , Keep-Alive");
    OK(http_hops_add(&h, &f));
    f = (struct http_field){T("Cache-Control"), T("x-two")};
    OK(http_hops_add(&h, &f));
    OK(h.close && h.upgrade && h.keep_alive);
    OK_INT(h.count, 1);
    OK(http_hops_names(&h, T("x-oNE")));
    OK(!http_hops_names(&h, T("Host")));
    OK(!http_hops_names(&h, T("Content-Length")));
    OK(!http_hops_names(&h, T("x-two")));
}

static void test_hops_have_a_maximum(void)
{
    struct http_hops h;
    struct http_field f = {T("Connection"), T("x")};
    http_hops_init(&h);
    for (int i = 0; i < HTTP_CONNECTION_OPTIONS_MAX; i++)
        OK(http_hops_add(&h, &f));
    OK(!http_hops_add(&h, &f));
    f.value = T("close, keep-alive");
    OK(http_hops_add(&h, &f));
}

static const struct tap_case cases[] = {
    {"tokens", test_tokens},
    {"values have no control bytes", test_values},
    {"texts are compared without case", test_text},
    {"lists: empty elements, quoted commas, an open quote", test_list},
    {"Content-Length: one number, or the same one again", test_content_length},
    {"fields for one hop", test_hop_by_hop},
    {"what Connection names, but never Host or Content-Length", test_hops},
    {"what Connection names has a maximum", test_hops_have_a_maximum},
};

int main(void)
{
    return TAP_RUN(cases);
}
