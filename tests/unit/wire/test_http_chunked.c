/* SPDX-License-Identifier: Apache-2.0 */
/* Chunked coding. */
#include "wire/http.h"

#include "tap.h"

#define TRAILER_MAX 64

struct result {
    bool bad, done;
    size_t eaten, body_len, trailer_len;
    char body[256], trailer[TRAILER_MAX];
};

static void feed(struct http_chunked *c, struct result *out, const char *data, size_t len)
{
    size_t at = 0;
    while (at < len && c->state != HTTP_CHUNKED_DONE && !out->bad) {
        const char *body;
        size_t body_len;
        long n = http_chunked_eat(c, data + at, len - at, &body, &body_len, out->trailer, TRAILER_MAX);
        if (n <= 0) {
            out->bad = true;
            return;
        }
        if (body_len > 0)
            memcpy(out->body + out->body_len, body, body_len);
        out->body_len += body_len;
        at += (size_t)n;
    }
    out->eaten += at;
    out->done = c->state == HTTP_CHUNKED_DONE;
    out->trailer_len = c->trailer_len;
}

static struct result decode_in_two(const char *data, size_t len, size_t split)
{
    struct http_chunked c;
    struct result out = {0};
    http_chunked_init(&c);
    feed(&c, &out, data, split);
    feed(&c, &out, data + split, len - split);
    return out;
}

static struct result decode(const char *data)
{
    return decode_in_two(data, strlen(data), 0);
}

static bool is_bad(const char *data)
{
    for (size_t split = 0; split <= strlen(data); split++)
        if (!decode_in_two(data, strlen(data), split).bad)
            return false;
    return true;
}

static void test_body(void)
{
    static const char data[] = "5\r\nhello\r\n1;name=\"v\"\r\n,\r\n00A \r\n world\r\n!\n\r\n0\r\n\r\nnext";
    struct result r = decode(data);
    OK(r.done && !r.bad);
    OK_INT(r.eaten, sizeof(data) - 1 - strlen("next"));
    OK_INT(r.body_len, 16);
    OK(memcmp(r.body, "hello, world\r\n!\n", 16) == 0);
    OK_INT(r.trailer_len, 0);
    r = decode("0\r\n\r\n");
    OK(r.done && r.body_len == 0 && r.eaten == 5);
}

static void test_in_pieces(void)
{
    static const char data[] = "5 ; x\r\nhello\r\n3\r\nabc\r\n000\r\nA: b\r\nCc: \r\n\r\n";
    for (size_t split = 0; split < sizeof(data); split++) {
        struct result r = decode_in_two(data, sizeof(data) - 1, split);
        OK(r.done && !r.bad && r.eaten == sizeof(data) - 1);
        OK(r.body_len == 8 && memcmp(r.body, "helloabc", 8) == 0);
        OK(r.trailer_len == 12 && memcmp(r.trailer, "A: b\r\nCc: \r\n", 12) == 0);
    }
}

static void test_bad(void)
{
    OK(is_bad("\r\n"));
    OK(is_bad("x\r\n"));
    OK(is_bad("-1\r\n"));
    OK(is_bad("0x5\r\nhello\r\n"));
    OK(is_bad(" 5\r\nhello\r\n"));
    OK(is_bad("5\nhello\r\n"));
    OK(is_bad("5 5\r\nhello\r\n"));
    OK(is_bad("5;\rx\r\nhello\r\n"));
    OK(is_bad("5\r\r\nhello\r\n"));
    OK(is_bad("5\r\nhello\n"));
    OK(is_bad("5\r\nhello!\r\n"));
    OK(is_bad("5\r\nhello\r0"));
    OK(is_bad("8000000000000000\r\n"));
    OK(is_bad("10000000000000005\r\nhello\r\n")); /* 5 modulo 2^64 */
    OK(is_bad("0\r\n\rx"));
    OK(is_bad("0\r\n\n"));
    OK(is_bad("0\r\nA: b\n\r\n"));
}

static void test_size_line_has_a_maximum(void)
{
    char data[HTTP_CHUNK_LINE_MAX + 8];
    memset(data, 'x', sizeof(data));
    memcpy(data, "0;", 2);
    memcpy(data + HTTP_CHUNK_LINE_MAX - 2, "\r\n\r\n", 4);
    OK(decode_in_two(data, HTTP_CHUNK_LINE_MAX + 2, 0).done);
    OK(decode_in_two(data, HTTP_CHUNK_LINE_MAX + 2, 100).done);
    memcpy(data + HTTP_CHUNK_LINE_MAX - 2, "x\r\n\r\n", 5);
    OK(decode_in_two(data, HTTP_CHUNK_LINE_MAX + 3, 0).bad);
    OK(decode_in_two(data, HTTP_CHUNK_LINE_MAX + 3, 100).bad);
}

static void test_trailer_has_a_maximum(void)
{
    char data[128] = "0\r\n";
    memset(data + 3, 'a', TRAILER_MAX);
    memcpy(data + 3 + TRAILER_MAX - 2, "\r\n\r\n", 5);
    OK(decode(data).done);
    memcpy(data + 3 + TRAILER_MAX - 2, "a\r\n\r\n", 6);
    OK(is_bad(data));
}

static void test_largest_chunk(void)
{
    struct http_chunked c;
    const char *body;
    size_t body_len;
    http_chunked_init(&c);
    OK_INT(http_chunked_eat(&c, "7fffffffffffffff\r\nab", 20, &body, &body_len, NULL, 0), 18);
    OK_INT(http_chunked_eat(&c, "ab", 2, &body, &body_len, NULL, 0), 2);
    OK_INT(body_len, 2);
    OK(c.left == HTTP_LENGTH_MAX - 2);
    OK_INT(http_chunked_eat(&c, "", 0, &body, &body_len, NULL, 0), 0);
}

static bool trailer_is_bad(const char *lines)
{
    struct http_field f[4];
    size_t count = 77;
    return !http_trailer_parse(lines, strlen(lines), f, 4, &count) && count == 77;
}

static void test_trailer(void)
{
    static const char lines[] = "X-Sum:  1 \r\nContent-Length: 5\r\nTE: x\r\nHost: h\r\nX-Sum: 2\r\n";
    struct http_field f[2];
    size_t count;
    OK(http_trailer_parse(lines, sizeof(lines) - 1, f, 2, &count));
    OK_INT(count, 2);
    OK(http_text_is(f[0].name, "x-sum") && http_text_is(f[0].value, "1"));
    OK(http_text_is(f[1].value, "2"));
    OK(http_trailer_parse(NULL, 0, f, 2, &count) && count == 0);
    OK(!http_trailer_parse(lines, sizeof(lines) - 1, f, 1, &count));
    OK(trailer_is_bad("A: b\n"));
    OK(trailer_is_bad("A: b"));
    OK(trailer_is_bad("A : b\r\n"));
    OK(trailer_is_bad("A: b\r\n c\r\n"));
    OK(trailer_is_bad("A: \x01\r\n"));
    OK(trailer_is_bad("\r\n"));
}

static bool head_is(uint64_t len, const char *want)
{
    char out[20];
    size_t n = http_chunk_head(len, out);
    return n == strlen(want) && memcmp(out, want, n) == 0;
}

static void test_head(void)
{
    OK(head_is(0, "0\r\n"));
    OK(head_is(15, "f\r\n"));
    OK(head_is(16, "10\r\n"));
    OK(head_is(65536, "10000\r\n"));
    OK(head_is(UINT64_MAX, "ffffffffffffffff\r\n"));
}

static const struct tap_case cases[] = {
    {"a body and what follows", test_body},
    {"any two pieces give the same", test_in_pieces},
    {"bad coding is bad in any two pieces", test_bad},
    {"a size line has a maximum", test_size_line_has_a_maximum},
    {"trailers have a maximum", test_trailer_has_a_maximum},
    {"the largest chunk", test_largest_chunk},
    {"fields of a trailer", test_trailer},
    {"heads of chunks", test_head},
};

int main(void)
{
    return TAP_RUN(cases);
}
