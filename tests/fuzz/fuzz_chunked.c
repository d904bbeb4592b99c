/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunked coding: however it is cut, body, trailers and end are those of the whole; and what is decoded comes back
 * after encoding in chunks of any size. The first byte says how large those and the pieces are.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "wire/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TRAILER_MAX 1024

struct result {
    bool bad;
    enum http_chunked_state state;
    size_t eaten, body_len, trailer_len;
    char *body, trailer[TRAILER_MAX];
};

static void feed(struct http_chunked *c, struct result *out, const char *data, size_t len)
{
    size_t at = 0;
    while (at < len && c->state != HTTP_CHUNKED_DONE) {
        const char *body;
        size_t body_len;
        long n = http_chunked_eat(c, data + at, len - at, &body, &body_len, out->trailer, TRAILER_MAX);
        if (n < 0) {
            out->bad = true;
            return;
        }
        assert(n > 0 && (size_t)n <= len - at);
        assert(body_len == 0 || (body >= data + at && body + body_len <= data + at + n));
        if (body_len > 0)
            memcpy(out->body + out->body_len, body, body_len);
        out->body_len += body_len;
        at += (size_t)n;
    }
    out->eaten += at;
}

static void decode(struct result *out, const char *data, size_t len, size_t step)
{
    struct http_chunked c;
    memset(out, 0, sizeof(*out));
    out->body = malloc(len + 1);
    http_chunked_init(&c);
    for (size_t at = 0; at < len && !out->bad && c.state != HTTP_CHUNKED_DONE; at += step)
        feed(&c, out, data + at, len - at < step ? len - at : step);
    out->state = c.state;
    out->trailer_len = c.trailer_len;
    assert(c.trailer_len <= TRAILER_MAX);
    assert(c.line_len <= (c.state == HTTP_CHUNKED_TRAILER ? TRAILER_MAX : sizeof(c.line)));
}

static void check_same(const struct result *a, const struct result *b)
{
    assert(a->bad == b->bad);
    if (a->bad)
        return;
    assert(a->state == b->state && a->eaten == b->eaten && a->body_len == b->body_len);
    assert(memcmp(a->body, b->body, a->body_len) == 0);
    assert(a->state != HTTP_CHUNKED_DONE || a->trailer_len == b->trailer_len);
    assert(memcmp(a->trailer, b->trailer, a->trailer_len < b->trailer_len ? a->trailer_len : b->trailer_len) == 0);
}

static size_t encode(char *out, const struct result *r, size_t step)
{
    size_t n = 0;
    for (size_t at = 0; at < r->body_len; at += step) {
        size_t len = r->body_len - at < step ? r->body_len - at : step;
        n += http_chunk_head(len, out + n);
        memcpy(out + n, r->body + at, len);
        memcpy(out + n + len, "\r\n", 2);
        n += len + 2;
    }
    n += http_chunk_head(0, out + n);
    memcpy(out + n, r->trailer, r->trailer_len);
    memcpy(out + n + r->trailer_len, "\r\n", 2);
    return n + r->trailer_len + 2;
}

static void check_round_trip(const struct result *want, size_t step)
{
    struct result got;
    char *coded = malloc(want->body_len * 24 + TRAILER_MAX + 64);
    size_t len = encode(coded, want, step);
    decode(&got, coded, len, len);
    assert(!got.bad && got.state == HTTP_CHUNKED_DONE && got.eaten == len);
    assert(got.body_len == want->body_len && memcmp(got.body, want->body, got.body_len) == 0);
    assert(got.trailer_len == want->trailer_len && memcmp(got.trailer, want->trailer, got.trailer_len) == 0);
    free(got.body);
    free(coded);
}

static void check_trailer(const struct result *r)
{
    struct http_field fields[8];
    size_t count = 0;
    if (!http_trailer_parse(r->trailer, r->trailer_len, fields, 8, &count))
        return;
    assert(count <= 8);
    for (size_t i = 0; i < count; i++)
        assert(http_token_valid(fields[i].name) && http_field_value_valid(fields[i].value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct result whole, cut;
    if (size < 2)
        return 0;
    const char *coded = (const char *)data + 1;
    size_t steps[] = {1, 2, 1u + data[0] % 61};
    decode(&whole, coded, size - 1, size);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        decode(&cut, coded, size - 1, steps[i]);
        check_same(&whole, &cut);
        free(cut.body);
    }
    if (!whole.bad && whole.state == HTTP_CHUNKED_DONE) {
        check_round_trip(&whole, steps[2]);
        check_trailer(&whole);
    }
    free(whole.body);
    return 0;
}
