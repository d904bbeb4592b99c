/* SPDX-License-Identifier: Apache-2.0 */
/* Which requests may pass. */
#include "wire/http_request.h"

#include "tap.h"

#define T(s) ((struct http_text){(s), sizeof(s) - 1})
#define F(name, value) {{(name), sizeof(name) - 1}, {(value), sizeof(value) - 1}}
#define HOST F("Host", "a.b")

static struct http_request_facts facts;
static const char *why;

static const struct error *check(struct http_text method, struct http_text target, const struct http_field *fields,
                                 size_t count)
{
    struct http_request r = {method, target, 1, fields, count};
    why = "";
    return http_request_check(&r, &facts, &why);
}

#define CHECK(method, target, ...)                                                                       \
    check(T(method), T(target), (const struct http_field[]){__VA_ARGS__},                                \
          sizeof((const struct http_field[]){__VA_ARGS__}) / sizeof(struct http_field))
#define GET(...) CHECK("GET", "/", __VA_ARGS__)

static void test_plain(void)
{
    OK(GET(F("HOST", "a.b.:8080 "), F("Accept", "*/*")) == NULL);
    OK(http_text_is(facts.host, "a.b.:8080"));
    OK(http_text_is(facts.authority.host, "a.b"));
    OK_INT(facts.authority.port, 8080);
    OK_INT(facts.framing, HTTP_FRAMING_NONE);
    OK(!facts.upgrade && !facts.expect_continue);
}

static void test_host(void)
{
    OK(GET(F("Accept", "*/*")) == &error_bad_request);
    OK_TEXT(why, "no Host");
    OK(GET(HOST, HOST) == &error_bad_request);
    OK_TEXT(why, "more than one Host");
    OK(GET(F("Host", "")) == &error_bad_request);
    OK(GET(F("Host", "a b")) == &error_bad_request);
    OK_TEXT(why, "Host is not valid");
}

static void test_request_line(void)
{
    OK(CHECK("CONNECT", "a.b:443", HOST) == &error_method_not_allowed);
    OK(CHECK("G T", "/", HOST) == &error_bad_request);
    OK(CHECK("", "/", HOST) == &error_bad_request);
    OK(CHECK("PROPFIND", "/", HOST) == NULL);
    OK(CHECK("connect", "/", HOST) == NULL);
    OK(CHECK("GET", "/a\x01", HOST) == &error_bad_request);
    OK(CHECK("GET", "", HOST) == &error_bad_request);
    OK(CHECK("GET", "*", HOST) == &error_bad_request);
    OK(CHECK("OPTIONS", "*", HOST) == NULL);
}

static void test_absolute_form(void)
{
    OK(CHECK("GET", "http://A.b/x", HOST) == NULL);
    OK(CHECK("GET", "http://a.b:80", HOST) == NULL);
    OK(CHECK("GET", "https://a.b/", F("Host", "a.b:443")) == NULL);
    OK(CHECK("GET", "http://a.c/", HOST) == &error_bad_request);
    OK_TEXT(why, "the target is not for Host");
    OK(CHECK("GET", "http://a.b:81/", HOST) == &error_bad_request);
    OK(CHECK("GET", "https://a.b:80/", HOST) == &error_bad_request);
    OK(CHECK("GET", "http://u@a.b/", HOST) == &error_bad_request);
    OK(CHECK("GET", "ftp://a.b/", HOST) == &error_bad_request);
}

static void test_fields(void)
{
    OK(GET(HOST, F("A b", "")) == &error_bad_request);
    OK(GET(HOST, F("", "")) == &error_bad_request);
    OK(GET(HOST, F("A", "b\rc")) == &error_bad_request);
    OK(GET(HOST, F("A", "b\nc")) == &error_bad_request);
    OK(GET(HOST, F("A", "\xff\t ok")) == NULL);
}

static void test_too_many_fields(void)
{
    struct http_field fields[HTTP_FIELDS_MAX + 1] = {HOST};
    for (size_t i = 1; i <= HTTP_FIELDS_MAX; i++)
        fields[i] = (struct http_field)F("A", "b");
    OK(check(T("GET"), T("/"), fields, HTTP_FIELDS_MAX) == NULL);
    OK(check(T("GET"), T("/"), fields, HTTP_FIELDS_MAX + 1) == &error_headers_too_large);
}

static void test_framing(void)
{
    OK(GET(HOST, F("Content-Length", "12")) == NULL);
    OK(facts.framing == HTTP_FRAMING_LENGTH && facts.content_length == 12);
    OK(GET(HOST, F("Content-Length", "12"), F("content-length", "12")) == NULL);
    OK(GET(HOST, F("Content-Length", "12"), F("Content-Length", "13")) == &error_bad_request);
    OK(GET(HOST, F("Content-Length", "")) == &error_bad_request);
    OK(GET(HOST, F("Content-Length", "1 2")) == &error_bad_request);
    OK(GET(HOST, F("Transfer-Encoding", "chunked")) == NULL);
    OK_INT(facts.framing, HTTP_FRAMING_CHUNKED);
    OK(GET(HOST, F("Transfer-Encoding", "chunked"), F("Content-Length", "0")) == &error_bad_request);
    OK(GET(HOST, F("Content-Length", "0"), F("Transfer-Encoding", "xchunked")) == &error_bad_request);
    OK(GET(HOST, F("Transfer-Encoding", "gzip, chunked")) == &error_not_implemented);
    OK(GET(HOST, F("Transfer-Encoding", "chunked"), F("Transfer-Encoding", "chunked")) == &error_not_implemented);
    OK(GET(HOST, F("Transfer-Encoding", "\x0b" "chunked")) == &error_bad_request);
    OK(GET(HOST, F("Transfer-Encoding", "")) == &error_not_implemented);
}

static void test_upgrade(void)
{
    OK(GET(HOST, F("Connection", "keep-alive, Upgrade"), F("Upgrade", "websocket")) == NULL && facts.upgrade);
    OK(GET(HOST, F("Upgrade", "websocket")) == NULL && !facts.upgrade);
    OK(GET(HOST, F("Connection", "Upgrade")) == NULL && !facts.upgrade);
    OK(GET(HOST, F("Connection", "Upgrade"), F("Upgrade", "")) == NULL && !facts.upgrade);
    OK(GET(HOST, F("Connection", "Upgrade"), F("Upgrade", "websocket, H2C")) == NULL && !facts.upgrade);
    OK(GET(HOST, F("Connection", "Upgrade"), F("Upgrade", "h2")) == NULL && !facts.upgrade);
}

static void test_expect(void)
{
    OK(GET(HOST, F("Expect", "100-Continue")) == NULL && facts.expect_continue);
    OK(GET(HOST, F("Expect", "x")) == NULL && !facts.expect_continue);
}

static void test_http_1_0(void)
{
    static const struct http_field fields[] = {
        HOST, F("Connection", "Upgrade"), F("Upgrade", "x"), F("Expect", "100-continue"),
        F("Transfer-Encoding", "chunked"),
    };
    struct http_request r = {T("GET"), T("/"), 0, fields, 4};
    OK(http_request_check(&r, &facts, &why) == NULL);
    OK(!facts.upgrade && !facts.expect_continue);
    r.field_count = 5;
    OK(http_request_check(&r, &facts, &why) == &error_bad_request);
    OK_TEXT(why, "Transfer-Encoding in HTTP/1.0");
}

static void test_too_many_options(void)
{
    OK(GET(HOST, F("Connection", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q")) == &error_bad_request);
}

static const struct tap_case cases[] = {
    {"a plain request", test_plain},
    {"exactly one Host, and a valid one", test_host},
    {"methods and targets", test_request_line},
    {"an absolute-form target is for Host", test_absolute_form},
    {"names are tokens, values have no control bytes", test_fields},
    {"as many fields as may be", test_too_many_fields},
    {"how long the body is", test_framing},
    {"another protocol, but not h2c", test_upgrade},
    {"Expect", test_expect},
    {"HTTP/1.0", test_http_1_0},
    {"Connection names a few fields only", test_too_many_options},
};

int main(void)
{
    return TAP_RUN(cases);
}
