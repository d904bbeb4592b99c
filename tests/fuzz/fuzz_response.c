/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads of responses: however they are cut, the result is that of the whole. The first byte says whether it was HEAD.
 */
#include <assert.h>
#include <string.h>

#include "wire/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
    enum http_parse end;
    size_t used;
    const char *why;
};

/* Every prefix that is `step` longer than the one before, as bytes come from a socket. */
static struct result parse(struct http_response *r, const char *data, size_t len, bool to_head, size_t step)
{
    struct result out = {HTTP_PARSE_MORE, 0, NULL};
    size_t scanned = 0, at = 0;
    do {
        at = len - at < step ? len : at + step;
        out.end = http_response_parse(r, data, at, to_head, &scanned, &out.used, &out.why);
        assert(scanned <= at);
    } while (out.end == HTTP_PARSE_MORE && at < len);
    assert((out.end == HTTP_PARSE_BAD) == (out.why != NULL));
    assert(out.used <= at);
    return out;
}

static void check_inside(struct http_text t, const char *data, size_t used)
{
    assert(t.at >= data && t.at + t.len <= data + used);
}

static void check_fields(const struct http_response *r, const char *data, size_t used)
{
    assert(r->field_count <= HTTP_FIELDS_MAX);
    for (size_t i = 0; i < r->field_count; i++) {
        const struct http_field *f = &r->fields[i];
        check_inside(f->name, data, used);
        check_inside(f->value, data, used);
        assert(http_token_valid(f->name) && http_field_value_valid(f->value));
        if (http_text_is(f->name, "transfer-encoding") || http_text_is(f->name, "connection"))
            assert(!http_response_passes(r, f));
    }
}

static void check_done(const struct http_response *r, const char *data, size_t used, bool to_head)
{
    assert(used > 0 && used <= HTTP_RESPONSE_HEAD_MAX && data[used - 1] == '\n');
    assert(r->status >= 100 && r->status <= 999 && r->minor_version <= 9);
    assert(r->framing == HTTP_FRAMING_NONE || !to_head);
    assert(r->framing != HTTP_FRAMING_CLOSE || !r->keep_alive);
    assert(r->framing != HTTP_FRAMING_LENGTH || r->has_content_length);
    assert(r->content_length <= HTTP_LENGTH_MAX);
    check_inside(r->reason, data, used);
    check_fields(r, data, used);
}

static void check_same(const struct http_response *a, const struct http_response *b)
{
    assert(a->status == b->status && a->minor_version == b->minor_version && a->framing == b->framing);
    assert(a->content_length == b->content_length && a->keep_alive == b->keep_alive);
    assert(a->field_count == b->field_count && a->hops.count == b->hops.count);
    assert(memcmp(a->fields, b->fields, a->field_count * sizeof(a->fields[0])) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_response whole, cut;
    if (size < 2)
        return 0;
    bool to_head = data[0] & 1;
    const char *head = (const char *)data + 1;
    struct result want = parse(&whole, head, size - 1, to_head, size);
    if (want.end == HTTP_PARSE_DONE)
        check_done(&whole, head, want.used, to_head);
    for (size_t step = 1; step <= 7 || step < size - 1; step = step < 7 ? step + 1 : step * 2) {
        struct result got = parse(&cut, head, size - 1, to_head, step);
        assert(got.end == want.end && got.used == want.used && got.why == want.why);
        if (got.end == HTTP_PARSE_DONE)
            check_same(&whole, &cut);
    }
    return 0;
}
