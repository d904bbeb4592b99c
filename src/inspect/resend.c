/* SPDX-License-Identifier: Apache-2.0 */
/* A request that is sent again. */
#include "inspect/resend.h"

#include <string.h>

#include "inspect/secret.h"

/* Written anew, or of no use on a connection for one request. */
static bool field_is_ours(struct http_text name)
{
    return http_field_hop_by_hop(name) || http_text_is(name, "content-length") || http_text_is(name, "expect") ||
           http_text_is(name, "trailer");
}

static void field_write(struct text *t, struct http_text name, struct http_text value)
{
    if (field_is_ours(name))
        return;
    text_add(t, name.at, name.len);
    text_put(t, ": ");
    text_add(t, value.at, value.len);
    text_put(t, "\r\n");
}

/* The true value of the n-th field of that name. */
static struct http_text value_behind(const struct record_fields *f, struct http_text name, size_t n)
{
    for (size_t i = 0; i < f->count; i++)
        if (http_text_equal(f->at[i].name, name) && n-- == 0)
            return f->at[i].value;
    return http_text_of(SECRET_MASK);
}

static size_t same_names_before(const struct request_edit *e, size_t at)
{
    size_t n = 0;
    for (size_t i = 0; i < at; i++)
        n += http_text_equal(http_text_of(e->fields[i].name), http_text_of(e->fields[at].name));
    return n;
}

static const char *edited_fields_write(struct text *t, const struct record_fields *f, const struct request_edit *e)
{
    unsigned hosts = 0;
    for (size_t i = 0; i < e->field_count; i++) {
        struct http_text name = http_text_of(e->fields[i].name), value = http_text_trim(http_text_of(e->fields[i].value));
        if (!http_token_valid(name))
            return "a header's name is not valid";
        if (!http_field_value_valid(value))
            return "a header's value is not valid";
        hosts += http_text_is(name, "host");
        if (secret_field(name) && http_text_equal(value, http_text_of(SECRET_MASK)))
            value = value_behind(f, name, same_names_before(e, i));
        field_write(t, name, value);
    }
    return hosts == 1 ? NULL : "there has to be one Host";
}

static const char *line_write(struct text *t, const struct record *r, const struct request_edit *e)
{
    struct http_text method = e->method != NULL ? http_text_of(e->method) : record_method(r);
    struct http_text path = e->path != NULL ? http_text_of(e->path) : record_target(r);
    if (!http_token_valid(method) || http_text_is(method, "connect"))
        return "the method is not valid";
    if (!http_target_valid(path) || (path.at[0] != '/' && !(path.len == 1 && path.at[0] == '*')))
        return "the path is not valid";
    text_add(t, method.at, method.len);
    text_put(t, " ");
    text_add(t, path.at, path.len);
    text_put(t, " HTTP/1.1\r\n");
    return NULL;
}

/* A length of nothing is said only where the method, or the request before, makes one expect it. */
static bool says_length(const struct record *r, const struct record_fields *f, size_t len)
{
    return len > 0 || record_field(f, "content-length").at != NULL || record_field(f, "transfer-encoding").at != NULL ||
           r->request.body_bytes > 0;
}

const char *resend_write(struct text *t, const struct record *r, const struct request_edit *e)
{
    struct record_fields fields;
    const char *why;
    if (r->request.head == NULL)
        return "nothing of the request was kept";
    if (r->upgraded)
        return "a connection of another protocol cannot be sent again";
    if (!e->has_body && (!r->request.whole || r->request.body_len < r->request.body_bytes))
        return "its body was not kept as a whole";
    record_request_fields(r, &fields);
    if ((why = line_write(t, r, e)) != NULL)
        return why;
    if (e->has_fields && (why = edited_fields_write(t, &fields, e)) != NULL)
        return why;
    for (size_t i = 0; !e->has_fields && i < fields.count; i++)
        field_write(t, fields.at[i].name, fields.at[i].value);
    const void *body = e->has_body ? e->body : r->request.body;
    size_t len = e->has_body ? e->body_len : r->request.body_len;
    if (says_length(r, &fields, len))
        text_format(t, "Content-Length: %zu\r\n", len);
    text_put(t, "Connection: close\r\n\r\n");
    if (len > 0)
        text_add(t, body, len);
    return t->failed ? "it is too large" : NULL;
}
