/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests: method, target, then fields ("name: value"), one a line. What is taken is written so that it is taken
 * again, for the same Host, with a body of the same length and nothing of a stranger's in it. The first byte: bit 0
 * HTTP/1.1, bit 1 trusted, bit 2 IPv6.
 */
#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "wire/http_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIELDS_MAX (HTTP_FIELDS_MAX + 8)

static struct http_text line_shift(struct http_text *rest, const char *end)
{
    size_t end_len = strlen(end);
    const char *mark = rest->len > 0 ? memmem(rest->at, rest->len, end, end_len) : NULL;
    struct http_text line = {rest->at, mark == NULL ? rest->len : (size_t)(mark - rest->at)};
    size_t used = mark == NULL ? rest->len : line.len + end_len;
    *rest = (struct http_text){rest->at + used, rest->len - used};
    return line;
}

static size_t fields_split(struct http_text rest, const char *end, struct http_field *fields)
{
    size_t n = 0;
    while (rest.len > 0 && n < FIELDS_MAX) {
        struct http_text line = line_shift(&rest, end);
        if (line.len == 0)
            break;
        fields[n].name = line_shift(&line, ":");
        fields[n++].value = line;
    }
    return n;
}

static void check_written(const struct http_request_facts *facts, const char *head, size_t len, bool was_1_1)
{
    static struct http_field fields[FIELDS_MAX];
    struct http_text rest = {head, len};
    struct http_text line = line_shift(&rest, "\r\n");
    struct http_request r = {.minor_version = 1, .fields = fields};
    struct http_request_facts again;
    const char *why = "";
    r.method = line_shift(&line, " ");
    r.target = line_shift(&line, " ");
    assert(http_text_is(line, "http/1.1"));
    r.field_count = fields_split(rest, "\r\n", fields);
    const struct error *e = http_request_check(&r, &again, &why);
    assert(e == NULL || r.field_count > HTTP_FIELDS_MAX);
    if (e != NULL)
        return;
    assert(http_text_equal(again.host, facts->host) && again.target.form != HTTP_TARGET_ABSOLUTE);
    assert(again.framing == facts->framing);
    assert(again.framing != HTTP_FRAMING_LENGTH || again.content_length == facts->content_length);
    assert(again.upgrade == facts->upgrade && (!was_1_1 || again.expect_continue == facts->expect_continue));
    assert(!again.hops.close && !again.hops.keep_alive && again.hops.count == 0);
}

static void write_and_check(const struct http_request *r, const struct http_request_facts *facts, uint8_t bits)
{
    static char head[1 << 20];
    struct http_visitor v = {.scheme = http_text_of("http"), .trusted = bits & 2};
    struct bytes_writer w;
    v.address = http_text_of(bits & 4 ? "2001:db8::7" : "192.0.2.7");
    bytes_writer_init(&w, head, sizeof(head));
    http_request_write(&w, r, facts, &v);
    if (w.failed)
        return;
    size_t len = bytes_written(&w);
    assert(len > 4 && memcmp(head + len - 4, "\r\n\r\n", 4) == 0);
    assert(memmem(head, len - 4, "\r\n\r\n", 4) == NULL);
    check_written(facts, head, len, r->minor_version >= 1);
    bytes_writer_init(&w, head, len - 1);
    http_request_write(&w, r, facts, &v);
    assert(w.failed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_field fields[FIELDS_MAX];
    if (size < 2)
        return 0;
    struct http_text rest = {(const char *)data + 1, size - 1};
    struct http_request r = {.minor_version = data[0] & 1, .fields = fields};
    struct http_request_facts facts;
    const char *why = NULL;
    r.method = line_shift(&rest, "\n");
    r.target = line_shift(&rest, "\n");
    r.field_count = fields_split(rest, "\n", fields);
    const struct error *e = http_request_check(&r, &facts, &why);
    assert((e == NULL) == (why == NULL));
    if (e == NULL)
        write_and_check(&r, &facts, data[0]);
    return 0;
}
