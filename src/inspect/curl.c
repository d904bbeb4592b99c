/* SPDX-License-Identifier: Apache-2.0 */
/* A record as a command line. Visitors chose every byte of it: all of them are quoted, and none is one that a terminal obeys
 * when the line is pasted. */
#include <string.h>

#include "inspect/show_inner.h"

/* Within '...'. */
static void quoted(struct text *t, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\'')
            text_put(t, "'\\''");
        else
            text_add(t, bytes + i, 1);
    }
}

static void field_add(struct text *t, const struct http_field *f, const struct show *how)
{
    struct http_text value = show_value(f, how);
    text_put(t, " \\\n  -H '");
    quoted(t, f->name.at, f->name.len);
    text_add(t, value.len > 0 ? ": " : ";", value.len > 0 ? 2 : 1);
    quoted(t, value.at, value.len);
    text_put(t, "'");
}

/* A carriage return would become a newline where the line is pasted. */
static bool body_is_text(const struct record_message *m)
{
    return show_is_text(m->body, m->body_len, false) && memchr(m->body, '\r', m->body_len) == NULL;
}

/* Other bytes come from printf(1). */
static void body_add(struct text *t, const struct record_message *m)
{
    if (body_is_text(m)) {
        text_put(t, " \\\n  --data-raw '");
        quoted(t, (const char *)m->body, m->body_len);
        text_put(t, "'");
    } else
        text_put(t, " \\\n  --data-binary @-");
}

static void printf_add(struct text *t, const struct record_message *m)
{
    text_put(t, "printf '");
    for (size_t i = 0; i < m->body_len; i++)
        text_format(t, "\\%03o", m->body[i]);
    text_put(t, "' | ");
}

/* A target may have any bytes above 0x7f. */
static void url_add(struct text *t, const struct record *r, const struct record_fields *fields)
{
    struct text url;
    text_init(&url, 2 * HTTP_RESPONSE_HEAD_MAX);
    show_url(&url, r, fields);
    t->failed |= url.failed;
    text_put(t, "'");
    for (size_t i = 0; i < url.len; i++) {
        if ((unsigned char)url.at[i] >= 0x80)
            text_format(t, "%%%02X", (unsigned char)url.at[i]);
        else
            quoted(t, url.at + i, 1);
    }
    text_put(t, "'");
    text_done(&url);
}

static void method_add(struct text *t, const struct record *r, bool body)
{
    struct http_text method = record_method(r);
    if (r->to_head)
        text_put(t, "--head ");
    else if (body || method.len != 3 || memcmp(method.at, "GET", 3) != 0) {
        text_put(t, "-X '");
        quoted(t, method.at, method.len);
        text_put(t, "' ");
    }
}

static bool field_fits(const struct http_field *f)
{
    return show_is_text((const uint8_t *)f->value.at, f->value.len, false);
}

/* What is missing from the command. */
static void notes_add(struct text *t, const struct record *r, const struct record_fields *fields)
{
    bool fit = true;
    for (size_t i = 0; i < fields->count; i++)
        fit = fit && field_fits(&fields->at[i]);
    if (!fit)
        text_format(t, "# fields with bytes that are no text are left out\n");
    if (r->request.body_len < r->request.body_bytes && !r->upgraded)
        text_format(t, "# only the first bytes of the body were kept\n");
}

void show_curl(struct text *t, const struct record *r, const struct show *how)
{
    struct record_fields fields;
    bool body = r->request.body_len > 0 && !r->upgraded;
    record_request_fields(r, &fields);
    notes_add(t, r, &fields);
    if (body && !body_is_text(&r->request))
        printf_add(t, &r->request);
    text_format(t, "curl --globoff --path-as-is ");
    method_add(t, r, body);
    url_add(t, r, &fields);
    for (size_t i = 0; i < fields.count; i++)
        if (show_field_is_own(fields.at[i].name) && !http_text_is(fields.at[i].name, "host") && field_fits(&fields.at[i]))
            field_add(t, &fields.at[i], how);
    if (body)
        body_add(t, &r->request);
    text_put(t, "\n");
}
