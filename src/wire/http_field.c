/* SPDX-License-Identifier: Apache-2.0 */
/* Lines, fields, and what fields say of the body. */
#include "wire/http_field.h"

#include <string.h>

#include "wire/http_chars.h"

void http_lines_init(struct http_lines *l, const char *data, size_t len)
{
    const char *lf = len > 0 ? memchr(data, '\n', len) : NULL;
    *l = (struct http_lines){data, data + len, lf != NULL && (lf == data || lf[-1] != '\r')};
}

bool http_lines_next(struct http_lines *l, struct http_text *line)
{
    const char *lf = memchr(l->at, '\n', (size_t)(l->end - l->at));
    if (lf == NULL)
        return false;
    *line = (struct http_text){l->at, (size_t)(lf - l->at)};
    l->at = lf + 1;
    if (l->lf_only)
        return true;
    if (line->len == 0 || line->at[line->len - 1] != '\r')
        return false;
    line->len--;
    return true;
}

static const char *name_fault(struct http_text name)
{
    if (name.len == 0)
        return "a field without a name";
    return http_is_blank(name.at[name.len - 1]) ? "white space before a colon" : "a field name that is not a token";
}

const char *http_field_parse(struct http_text line, struct http_field *out)
{
    if (line.len > 0 && http_is_blank(line.at[0]))
        return "a folded line";
    const char *colon = line.len > 0 ? memchr(line.at, ':', line.len) : NULL;
    if (colon == NULL)
        return "a line that is not a field";
    out->name = (struct http_text){line.at, (size_t)(colon - line.at)};
    out->value = http_text_trim(http_text_from(line, out->name.len + 1));
    if (!http_token_valid(out->name))
        return name_fault(out->name);
    if (!http_field_value_valid(out->value))
        return "a control byte in a field";
    return NULL;
}

bool http_body_facts_add(struct http_body_facts *b, const struct http_field *f, const char **why)
{
    uint64_t length;
    if (http_text_is(f->name, "transfer-encoding")) {
        if (b->chunked || !http_text_is(f->value, "chunked"))
            b->other_coding = true;
        b->chunked = true;
        return true;
    }
    if (!http_text_is(f->name, "content-length"))
        return true;
    if (!http_content_length_parse(f->value, &length)) {
        *why = "a Content-Length that is not a number";
        return false;
    }
    if (b->has_length && b->length != length) {
        *why = "two values of Content-Length";
        return false;
    }
    b->has_length = true;
    b->length = length;
    return true;
}

/* -- where a head ends --------------------------------------------------------------------------------------------- */

/* Whether the line that ends with the LF at `lf` is empty. */
static bool ends_empty_line(const char *data, size_t lf)
{
    if (lf >= 1 && data[lf - 1] == '\n')
        return true;
    return lf >= 2 && data[lf - 1] == '\r' && data[lf - 2] == '\n';
}

size_t http_head_span(const char *data, size_t len, size_t *scanned)
{
    while (*scanned < len) {
        const char *lf = memchr(data + *scanned, '\n', len - *scanned);
        if (lf == NULL) {
            *scanned = len;
            break;
        }
        size_t at = (size_t)(lf - data);
        if (ends_empty_line(data, at))
            return at + 1;
        *scanned = at + 1;
    }
    return 0;
}
