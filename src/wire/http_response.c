/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a service's response (RFC 9112 4, 5, 6.3). */
#include <string.h>

#include "wire/http_chars.h"
#include "wire/http_field.h"

static const char version_start[] = "HTTP/1.";
#define VERSION_START_BYTES (sizeof(version_start) - 1)
/* "HTTP/1.1 200" */
#define STATUS_LINE_MIN (VERSION_START_BYTES + 5)

/* -- where the head ends ------------------------------------------------------------------------------------------- */

static bool is_http_so_far(const char *data, size_t len)
{
    return memcmp(data, version_start, len < VERSION_START_BYTES ? len : VERSION_START_BYTES) == 0;
}

/* -- the lines ----------------------------------------------------------------------------------------------------- */

static const char *status_line_parse(struct http_response *r, struct http_text line)
{
    const char *digits = line.at + VERSION_START_BYTES + 2;
    if (line.len < STATUS_LINE_MIN || !http_is_digit(digits[-2]) || digits[-1] != ' ')
        return "a status line that is not one";
    for (int i = 0; i < 3; i++)
        if (!http_is_digit(digits[i]))
            return "a status that is not three digits";
    r->minor_version = (unsigned)(digits[-2] - '0');
    r->status = (unsigned)((digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0'));
    r->reason = http_text_from(line, STATUS_LINE_MIN);
    if (r->status < 100)
        return "a status below 100";
    if (r->reason.len > 0 && r->reason.at[0] != ' ')
        return "a status that is not three digits";
    if (!http_field_value_valid(r->reason))
        return "a control byte in the status line";
    r->reason = http_text_trim(r->reason);
    return NULL;
}

static const char *line_end_fault(const struct http_lines *l)
{
    return l->lf_only ? "a line without an end" : "a line that ends with LF alone";
}

static const char *field_take(struct http_response *r, struct http_body_facts *body, struct http_text line)
{
    const char *why = NULL;
    if (r->field_count == HTTP_FIELDS_MAX)
        return "too many fields";
    struct http_field *f = &r->fields[r->field_count++];
    why = http_field_parse(line, f);
    if (why != NULL || !http_body_facts_add(body, f, &why))
        return why;
    return http_hops_add(&r->hops, f) ? NULL : "too many options in Connection";
}

static const char *fields_parse(struct http_response *r, struct http_body_facts *body, struct http_lines *l)
{
    struct http_text line;
    while (l->at < l->end) {
        if (!http_lines_next(l, &line))
            return line_end_fault(l);
        if (line.len == 0)
            break;
        const char *why = field_take(r, body, line);
        if (why != NULL)
            return why;
    }
    return NULL;
}

/* -- the body (RFC 9112 6.3) --------------------------------------------------------------------------------------- */

static const char *body_fault(const struct http_response *r, const struct http_body_facts *body)
{
    if (!body->chunked)
        return NULL;
    if (body->has_length)
        return "Transfer-Encoding and Content-Length";
    if (body->other_coding)
        return "a transfer coding that is not chunked";
    return r->minor_version == 0 ? "Transfer-Encoding in HTTP/1.0" : NULL;
}

static bool status_has_no_body(unsigned status)
{
    return status < 200 || status == 204 || status == 304;
}

static enum http_framing framing_of(const struct http_response *r, const struct http_body_facts *body, bool to_head)
{
    if (to_head || status_has_no_body(r->status))
        return HTTP_FRAMING_NONE;
    if (body->chunked)
        return HTTP_FRAMING_CHUNKED;
    return body->has_length ? HTTP_FRAMING_LENGTH : HTTP_FRAMING_CLOSE;
}

/* Services that announce a body with a 204 tend to send it. */
static bool body_is_dubious(const struct http_response *r, const struct http_body_facts *body)
{
    return r->status == 204 && (body->chunked || body->length > 0);
}

static bool keeps_alive(const struct http_response *r, const struct http_body_facts *body)
{
    if (r->hops.close || r->status == 101 || r->framing == HTTP_FRAMING_CLOSE || body_is_dubious(r, body))
        return false;
    return r->minor_version >= 1 || r->hops.keep_alive;
}

static const char *head_parse(struct http_response *r, const char *data, size_t len, bool to_head)
{
    struct http_lines lines;
    struct http_text line;
    struct http_body_facts body = {0};
    http_lines_init(&lines, data, len);
    if (!http_lines_next(&lines, &line))
        return line_end_fault(&lines);
    r->field_count = 0;
    http_hops_init(&r->hops);
    const char *why = status_line_parse(r, line);
    if (why == NULL)
        why = fields_parse(r, &body, &lines);
    if (why == NULL)
        why = body_fault(r, &body);
    if (why != NULL)
        return why;
    r->framing = framing_of(r, &body, to_head);
    r->has_content_length = body.has_length;
    r->content_length = body.length;
    r->keep_alive = keeps_alive(r, &body);
    return NULL;
}

enum http_parse http_response_parse(struct http_response *r, const char *data, size_t len, bool to_head,
                                    size_t *scanned, size_t *used, const char **why)
{
    if (len == 0)
        return HTTP_PARSE_MORE;
    if (!is_http_so_far(data, len)) {
        *why = "bytes that are not HTTP/1";
        return HTTP_PARSE_BAD;
    }
    size_t span = http_head_span(data, len, scanned);
    if (span > HTTP_RESPONSE_HEAD_MAX || (span == 0 && len >= HTTP_RESPONSE_HEAD_MAX)) {
        *why = "a head that is too large";
        return HTTP_PARSE_BAD;
    }
    if (span == 0)
        return HTTP_PARSE_MORE;
    const char *fault = head_parse(r, data, span, to_head);
    if (fault != NULL) {
        *why = fault;
        return HTTP_PARSE_BAD;
    }
    *used = span;
    return HTTP_PARSE_DONE;
}

bool http_response_passes(const struct http_response *r, const struct http_field *f)
{
    if (http_text_is(f->name, "upgrade"))
        return r->status == 101;
    if (http_field_hop_by_hop(f->name) || http_text_is(f->name, "content-length"))
        return false;
    return !http_hops_names(&r->hops, f->name);
}
