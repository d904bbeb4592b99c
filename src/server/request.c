/* SPDX-License-Identifier: Apache-2.0 */
/* The request's head: collected as it came, checked, written anew for the service. */
#include "server/request.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "server/exchange.h"
#include "server/front.h"
#include "server/mqtt_entry.h"
#include "server/visitor.h"
#include "wire/http_request.h"

struct request_fields {
    struct http_field *list;
    size_t count;
    bool full;
};

static enum MHD_Result request_field(void *ctx, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                     const char *value, size_t value_len)
{
    struct request_fields *f = ctx;

    (void)kind;
    f->full = f->count == HTTP_FIELDS_MAX;
    if (f->full)
        return MHD_NO;
    struct http_text text = {value == NULL ? "" : value, value == NULL ? 0 : value_len};
    f->list[f->count++] = (struct http_field){{name, name_len}, http_text_trim(text)};
    return MHD_YES;
}

static enum page_format request_format(const struct http_request *r)
{
    struct page_accept accept = PAGE_ACCEPT_NONE;

    for (size_t i = 0; i < r->field_count; i++)
        if (http_text_is(r->fields[i].name, "accept"))
            page_accept(&accept, r->fields[i].value);
    return accept.format;
}

static bool request_wants_websocket(const struct http_request *r)
{
    for (size_t i = 0; i < r->field_count; i++)
        if (http_text_is(r->fields[i].name, "upgrade") && http_list_has(r->fields[i].value, "websocket"))
            return true;
    return false;
}

static bool request_says_https(const struct http_request *r)
{
    for (size_t i = 0; i < r->field_count; i++)
        if (http_text_is(r->fields[i].name, "x-forwarded-proto"))
            return http_text_is(r->fields[i].value, "https");
    return false;
}

/* libmicrohttpd sees the chunks of exactly this value only (blanks behind it are valid, too), and else no end. */
static bool request_chunks_seen(struct MHD_Connection *c)
{
    const char *coding = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING);

    return coding != NULL && strcasecmp(coding, "chunked") == 0;
}

static bool method_idempotent(const char *method)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "TRACE", "DELETE"};

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strcmp(method, methods[i]) == 0)
            return true;
    return false;
}

/* False: the Host does not fit. */
static bool request_take_facts(struct exchange *ex, const struct http_request *r, const char *method,
                               const struct http_request_facts *facts)
{
    struct request *q = &ex->request;

    if (facts->host.len >= sizeof(q->host))
        return false;
    memcpy(q->host, facts->host.at, facts->host.len);
    q->host[facts->host.len] = '\0';
    q->path = facts->target.path;
    q->framing = facts->framing;
    q->content_length = facts->content_length;
    q->old = r->minor_version == 0;
    q->upgrade = facts->upgrade;
    q->websocket = facts->upgrade && request_wants_websocket(r);
    q->repeatable = facts->framing == HTTP_FRAMING_NONE && !facts->upgrade && method_idempotent(method);
    q->expects = facts->expect_continue && !q->old &&
                 (facts->framing == HTTP_FRAMING_CHUNKED || facts->content_length > 0);
    q->secure = ex->visitor->secure || (ex->visitor->trusted && request_says_https(r));
    front_route(ex->front, facts->authority.host, false, &ex->route);
    mqtt_entry_read(ex, r, facts);
    return true;
}

static const struct error *request_write(struct exchange *ex, const struct http_request *r,
                                         const struct http_request_facts *facts)
{
    struct front *f = ex->front;
    const struct visitor *v = ex->visitor;
    struct http_visitor visitor = {
        .address = http_text_of(v->address.ip),
        .scheme = http_text_of(v->secure ? "https" : "http"),
        .port = v->secure ? f->config.https_port : f->config.port,
        .trusted = v->trusted,
    };
    struct bytes_writer w;

    bytes_writer_init(&w, f->bytes, sizeof(f->bytes));
    http_request_write(&w, r, facts, &visitor);
    if (w.failed)
        return &error_headers_too_large;
    ex->head = slice_copy(f->bytes, bytes_written(&w));
    return ex->head.data == NULL ? &error_no_memory : NULL;
}

const struct error *request_read(struct exchange *ex, struct MHD_Connection *c, const char *method, const char *version,
                                 const char **detail)
{
    struct request_fields fields = {.list = ex->front->fields};
    struct http_request_facts facts;

    snprintf(ex->request.method, sizeof(ex->request.method), "%s", method);
    ex->request.to_head = strcmp(method, "HEAD") == 0;
    MHD_get_connection_values_n(c, MHD_HEADER_KIND, request_field, &fields);
    struct http_request r = {
        .method = http_text_of(method),
        .target = http_text_of(ex->request.target),
        .minor_version = strcmp(version, "HTTP/1.0") == 0 ? 0 : 1,
        .fields = fields.list,
        .field_count = fields.count,
    };
    ex->request.field_count = fields.count;
    ex->request.format = request_format(&r);
    if (fields.full)
        return &error_headers_too_large;
    const struct error *e = http_request_check(&r, &facts, detail);
    if (e != NULL)
        return e;
    if (facts.framing == HTTP_FRAMING_CHUNKED && !request_chunks_seen(c))
        return &error_not_implemented;
    if (!request_take_facts(ex, &r, method, &facts)) {
        *detail = "the Host is too long";
        return &error_bad_request;
    }
    return request_write(ex, &r, &facts);
}
