/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads of requests for a WebSocket: however they are cut, the result is that of the whole; what is taken points into the
 * bytes. The first byte says how large the pieces are.
 */
#include <assert.h>
#include <string.h>

#include "wire/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
    enum http_parse end;
    size_t used;
    const char *why;
};

static struct result parse(struct http_request *r, struct http_field *fields, const char *data, size_t len, size_t step)
{
    struct result out = {HTTP_PARSE_MORE, 0, NULL};
    size_t scanned = 0, at = 0;
    do {
        at = len - at < step ? len : at + step;
        out.end = http_request_parse(r, fields, WEBSOCKET_REQUEST_FIELDS_MAX, data, at, WEBSOCKET_REQUEST_MAX, &scanned,
                                     &out.used, &out.why);
        assert(scanned <= at);
    } while (out.end == HTTP_PARSE_MORE && at < len);
    return out;
}

static void check_inside(struct http_text t, const char *data, size_t used)
{
    assert(t.at >= data && t.at + t.len <= data + used);
}

static void check_done(const struct http_request *r, const char *data, size_t used)
{
    struct http_request_facts facts;
    struct websocket_offer offer;
    const char *why = NULL;
    assert(used > 0 && used <= WEBSOCKET_REQUEST_MAX && data[used - 1] == '\n');
    check_inside(r->method, data, used);
    check_inside(r->target, data, used);
    assert(r->field_count <= WEBSOCKET_REQUEST_FIELDS_MAX);
    for (size_t i = 0; i < r->field_count; i++) {
        check_inside(r->fields[i].name, data, used);
        check_inside(r->fields[i].value, data, used);
    }
    if (http_request_check(r, &facts, &why) != NULL)
        return;
    unsigned status = websocket_offer_check(r, &facts, "mqtt", &offer, &why);
    assert(status == 0 || (status >= 400 && why != NULL));
    if (status != 0)
        return;
    assert(websocket_wanted(r, &facts, "mqtt") && offer.key.len == 24);
    check_inside(offer.key, data, used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_field fields[WEBSOCKET_REQUEST_FIELDS_MAX];
    struct http_request whole, cut;
    if (size < 2)
        return 0;
    const char *text = (const char *)data + 1;
    struct result a = parse(&whole, fields, text, size - 1, size);
    if (a.end == HTTP_PARSE_DONE)
        check_done(&whole, text, a.used);
    struct result b = parse(&cut, fields, text, size - 1, data[0] % 64 + 1u);
    assert(a.end == b.end || size - 1 >= WEBSOCKET_REQUEST_MAX);
    assert(a.end != HTTP_PARSE_DONE || (a.used == b.used && whole.field_count == cut.field_count));
    return 0;
}
