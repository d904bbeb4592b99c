/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of requests, as services get them. */
#include "wire/http_request.h"

#include "base/bytes.h"
#include "tap.h"

#define T(s) ((struct http_text){(s), sizeof(s) - 1})
#define F(name, value) {{(name), sizeof(name) - 1}, {(value), sizeof(value) - 1}}
#define HOST F("Host", "a.b:8080")
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define FORWARDED_TAIL                                                                             \
    "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a.b:8080\r\n"     \
    "X-Forwarded-Port: 8080\r\nForwarded: for=192.0.2.1;host=\"a.b:8080\";proto=https\r\n\r\n"

static struct http_visitor visitor;
static struct http_request_facts facts;
static char text[4096];

static void start(struct http_request *r, const char *method, const char *target, const struct http_field *fields,
                  size_t count)
{
    const char *why = "";
    *r = (struct http_request){http_text_of(method), http_text_of(target), 1, fields, count};
    visitor = (struct http_visitor){T("192.0.2.1"), T("https"), 0, false};
    if (!OK(http_request_check(r, &facts, &why) == NULL))
        printf("# %s\n", why);
}

static const char *write_head(const struct http_request *r)
{
    struct bytes_writer w;
    bytes_writer_init(&w, text, sizeof(text) - 1);
    http_request_write(&w, r, &facts, &visitor);
    OK(!w.failed);
    text[bytes_written(&w)] = '\0';
    return text;
}

static const char *head_of(const char *method, const char *target, const struct http_field *fields, size_t count)
{
    struct http_request r;
    start(&r, method, target, fields, count);
    return write_head(&r);
}

static void test_order_case_and_duplicates(void)
{
    static const struct http_field fields[] = {
        F("x-b", " 2 "), HOST, F("X-A", "1"), F("x-b", ""), F("Cookie", "c"), F("Trailer", "t"), F("Expect", "x"),
    };
    OK_TEXT(head_of("GET", "/p%2f?q=%20", fields, COUNT(fields)),
            "GET /p%2f?q=%20 HTTP/1.1\r\nx-b: 2\r\nHost: a.b:8080\r\nX-A: 1\r\nx-b: \r\nCookie: c\r\nTrailer: t\r\n"
            "Expect: x\r\n" FORWARDED_TAIL);
}

static void test_one_hop(void)
{
    static const struct http_field fields[] = {
        HOST,
        F("Connection", "close, X-Gone, host, content-length, Upgrade, forwarded"),
        F("Keep-Alive", "5"),
        F("Proxy-Connection", "x"),
        F("TE", "gzip;q=1"),
        F("Upgrade", "h2c"),
        F("x-gone", "1"),
        F("Content-Length", "3"),
        F("X-Stays", "1"),
    };
    OK_TEXT(head_of("POST", "/", fields, COUNT(fields)),
            "POST / HTTP/1.1\r\nHost: a.b:8080\r\nContent-Length: 3\r\nX-Stays: 1\r\n" FORWARDED_TAIL);
}

static void test_te_trailers(void)
{
    static const struct http_field fields[] = {HOST, F("TE", "gzip, Trailers"), F("TE", "trailers")};
    OK_TEXT(head_of("GET", "/", fields, COUNT(fields)),
            "GET / HTTP/1.1\r\nHost: a.b:8080\r\nTE: trailers\r\nConnection: TE\r\n" FORWARDED_TAIL);
}

static void test_upgrade(void)
{
    static const struct http_field fields[] = {
        F("Upgrade", "WebSocket"), F("Sec-WebSocket-Key", "k"), HOST, F("Connection", "keep-alive, upgrade"),
        F("TE", "trailers"),
    };
    struct http_request r;
    start(&r, "GET", "/", fields, COUNT(fields) - 1);
    OK_TEXT(write_head(&r), "GET / HTTP/1.1\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: k\r\nHost: a.b:8080\r\n"
                            "Connection: Upgrade\r\n" FORWARDED_TAIL);
    facts.upgrade = false;
    OK_TEXT(write_head(&r), "GET / HTTP/1.1\r\nSec-WebSocket-Key: k\r\nHost: a.b:8080\r\n" FORWARDED_TAIL);
    start(&r, "GET", "/", fields, COUNT(fields));
    OK(strstr(write_head(&r), "\r\nConnection: Upgrade, TE\r\n") != NULL);
}

static void test_framing(void)
{
    static const struct http_field twice[] = {F("content-length", "05"), HOST, F("Content-Length", "5, 5")};
    static const struct http_field chunked[] = {F("Transfer-Encoding", "CHUNKED"), HOST};
    static const struct http_field none[] = {HOST};
    struct http_request r;
    OK_TEXT(head_of("PUT", "/", twice, COUNT(twice)),
            "PUT / HTTP/1.1\r\nContent-Length: 5\r\nHost: a.b:8080\r\n" FORWARDED_TAIL);
    OK_TEXT(head_of("PUT", "/", chunked, COUNT(chunked)),
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a.b:8080\r\n" FORWARDED_TAIL);
    start(&r, "PUT", "/", none, COUNT(none));
    facts.framing = HTTP_FRAMING_LENGTH;
    facts.content_length = UINT64_MAX;
    OK_TEXT(write_head(&r),
            "PUT / HTTP/1.1\r\nHost: a.b:8080\r\nContent-Length: 18446744073709551615\r\n" FORWARDED_TAIL);
}

static void test_targets(void)
{
    static const struct http_field fields[] = {HOST};
    OK(strncmp(head_of("GET", "http://a.b:8080/x?y", fields, 1), "GET /x?y HTTP/1.1\r\n", 19) == 0);
    OK(strncmp(head_of("GET", "http://a.b:8080", fields, 1), "GET / HTTP/1.1\r\n", 16) == 0);
    OK(strncmp(head_of("GET", "http://a.b:8080?y", fields, 1), "GET /?y HTTP/1.1\r\n", 18) == 0);
    OK(strncmp(head_of("OPTIONS", "http://a.b:8080", fields, 1), "OPTIONS * HTTP/1.1\r\n", 20) == 0);
    OK(strncmp(head_of("OPTIONS", "*", fields, 1), "OPTIONS * HTTP/1.1\r\n", 20) == 0);
    OK(strncmp(head_of("GET", "//x", fields, 1), "GET //x HTTP/1.1\r\n", 18) == 0);
}

static const struct http_field claims[] = {
    F("X-Forwarded-For", "1.1.1.1"), F("x-forwarded-for", "2.2.2.2, 3.3.3.3"), F("X-Forwarded-Proto", "gopher"),
    F("Forwarded", "for=1.1.1.1"),   F("X-Forwarded-Prefix", "/p"),            F("X_Forwarded_For", "6.6.6.6"),
    F("X-Forwarded_Host", "evil"),   F("X-Forwarded-For", ""),                 F("X-Forwardedx", "stays"),
    HOST,
};

static void test_claims_of_a_stranger(void)
{
    OK_TEXT(head_of("GET", "/", claims, COUNT(claims)),
            "GET / HTTP/1.1\r\nX-Forwardedx: stays\r\nHost: a.b:8080\r\n" FORWARDED_TAIL);
}

static void test_claims_of_a_trusted_proxy(void)
{
    struct http_request r;
    start(&r, "GET", "/", claims, COUNT(claims));
    visitor.trusted = true;
    OK_TEXT(write_head(&r),
            "GET / HTTP/1.1\r\nX-Forwarded-Proto: gopher\r\nX-Forwarded-Prefix: /p\r\nX-Forwardedx: stays\r\n"
            "Host: a.b:8080\r\nX-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.1\r\n"
            "X-Forwarded-Host: a.b:8080\r\nX-Forwarded-Port: 8080\r\n"
            "Forwarded: for=1.1.1.1, for=192.0.2.1;host=\"a.b:8080\";proto=https\r\n\r\n");
}

static void test_visitors(void)
{
    static const struct http_field fields[] = {F("Host", "a.b")};
    struct http_request r;
    start(&r, "GET", "/", fields, 1);
    visitor.address = T("2001:db8::1");
    OK(strstr(write_head(&r), "X-Forwarded-For: 2001:db8::1\r\n") != NULL);
    OK(strstr(text, "X-Forwarded-Port: 443\r\nForwarded: for=\"[2001:db8::1]\";host=a.b;proto=https\r\n") != NULL);
    visitor.address = (struct http_text){NULL, 0};
    visitor.scheme = T("http");
    OK(strstr(write_head(&r), "X-Forwarded-For: unknown\r\n") != NULL);
    OK(strstr(text, "X-Forwarded-Port: 80\r\nForwarded: for=unknown;host=a.b;proto=http\r\n") != NULL);
    visitor.port = 1234;
    OK(strstr(write_head(&r), "X-Forwarded-Port: 1234\r\n") != NULL);
}

static void test_bounds(void)
{
    static const struct http_field fields[] = {HOST, F("Content-Length", "5"), F("TE", "trailers")};
    struct http_request r;
    struct bytes_writer w;
    start(&r, "GET", "/", fields, COUNT(fields));
    size_t len = strlen(write_head(&r));
    for (size_t size = 0; size <= len; size++) {
        bytes_writer_init(&w, text, size);
        http_request_write(&w, &r, &facts, &visitor);
        OK(w.failed == (size < len));
    }
}

static const struct tap_case cases[] = {
    {"order, case and duplicates stay", test_order_case_and_duplicates},
    {"fields for one hop do not, but Host and Content-Length do", test_one_hop},
    {"TE: trailers", test_te_trailers},
    {"another protocol, if the caller wants it", test_upgrade},
    {"framing stands once", test_framing},
    {"targets become origin-form", test_targets},
    {"what a stranger says of who it is for", test_claims_of_a_stranger},
    {"what a trusted proxy says is added to", test_claims_of_a_trusted_proxy},
    {"visitors of all kinds", test_visitors},
    {"a buffer that is too small fails", test_bounds},
};

int main(void)
{
    return TAP_RUN(cases);
}
