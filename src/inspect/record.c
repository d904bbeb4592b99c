/* SPDX-License-Identifier: Apache-2.0 */
/* One request and its answer. */
#include "inspect/record.h"

#include <string.h>

/* The n-th word of the request line. */
static struct http_text word(const struct record *r, unsigned n)
{
    if (r->request.head == NULL)
        return (struct http_text){"", 0};
    const char *at = r->request.head, *end = at + r->request.head_len;
    for (;; n--) {
        const char *from = at;
        while (at < end && *at != ' ' && *at != '\r' && *at != '\n')
            at++;
        if (n == 0)
            return (struct http_text){from, (size_t)(at - from)};
        at += at < end;
    }
}

struct http_text record_method(const struct record *r) { return word(r, 0); }
struct http_text record_target(const struct record *r) { return word(r, 1); }

void record_request_fields(const struct record *r, struct record_fields *out)
{
    struct http_request request;
    size_t scanned = 0, used;
    const char *why;
    out->count = 0;
    if (r->request.head != NULL &&
        http_request_parse(&request, out->at, HTTP_FIELDS_MAX, r->request.head, r->request.head_len, r->request.head_len,
                           &scanned, &used, &why) == HTTP_PARSE_DONE)
        out->count = request.field_count;
}

void record_response_fields(const struct record *r, struct record_fields *out)
{
    struct http_response response;
    size_t scanned = 0, used;
    const char *why;
    out->count = 0;
    if (r->response.head != NULL && http_response_parse(&response, r->response.head, r->response.head_len, r->to_head, &scanned,
                                                        &used, &why) == HTTP_PARSE_DONE) {
        memcpy(out->at, response.fields, response.field_count * sizeof(out->at[0]));
        out->count = response.field_count;
    }
}

struct http_text record_field(const struct record_fields *f, const char *lower_case)
{
    for (size_t i = 0; i < f->count; i++)
        if (http_text_is(f->at[i].name, lower_case))
            return f->at[i].value;
    return (struct http_text){NULL, 0};
}

uint64_t record_duration_us(const struct record *r, uint64_t now_us)
{
    uint64_t end_us = r->ended_us != 0 ? r->ended_us : now_us;
    return end_us > r->began_us ? end_us - r->began_us : 0;
}
