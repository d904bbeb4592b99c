/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a request, from bytes (RFC 9112 3, 5). */
#include <string.h>

#include "wire/http_chars.h"
#include "wire/http_field.h"
#include "wire/http_request.h"

/* The part of `line` up to the first space, which is taken away, too. */
static struct http_text word_shift(struct http_text *line)
{
    const char *space = memchr(line->at, ' ', line->len);
    struct http_text word = {line->at, space == NULL ? line->len : (size_t)(space - line->at)};
    *line = http_text_from(*line, word.len + (space != NULL));
    return word;
}

static const char *request_line_parse(struct http_request *r, struct http_text line)
{
    static const char version[] = "HTTP/1.";
    r->method = word_shift(&line);
    r->target = word_shift(&line);
    if (!http_token_valid(r->method))
        return "a method that is not a token";
    if (r->target.len == 0 || !http_text_all(r->target, HTTP_CHAR_TARGET))
        return "a target that is not one";
    if (line.len != sizeof(version) || memcmp(line.at, version, sizeof(version) - 1) != 0 ||
        !http_is_digit(line.at[sizeof(version) - 1]))
        return "a version that is not HTTP/1";
    r->minor_version = (unsigned)(line.at[sizeof(version) - 1] - '0');
    return NULL;
}

static const char *head_parse(struct http_request *r, struct http_field *fields, size_t field_max, const char *data,
                              size_t len)
{
    struct http_lines lines;
    struct http_text line;
    http_lines_init(&lines, data, len);
    if (!http_lines_next(&lines, &line) || lines.lf_only)
        return "a line that ends with LF alone";
    const char *why = request_line_parse(r, line);
    r->fields = fields;
    r->field_count = 0;
    while (why == NULL && lines.at < lines.end) {
        if (!http_lines_next(&lines, &line))
            return "a line that ends with LF alone";
        if (line.len == 0)
            break;
        if (r->field_count == field_max)
            return "too many fields";
        why = http_field_parse(line, &fields[r->field_count++]);
    }
    return why;
}

enum http_parse http_request_parse(struct http_request *r, struct http_field *fields, size_t field_max, const char *data,
                                   size_t len, size_t max, size_t *scanned, size_t *used, const char **why)
{
    size_t span = http_head_span(data, len, scanned);
    if (span > max || (span == 0 && len >= max)) {
        *why = "a head that is too large";
        return HTTP_PARSE_BAD;
    }
    if (span == 0)
        return HTTP_PARSE_MORE;
    const char *fault = head_parse(r, fields, field_max, data, span);
    if (fault != NULL) {
        *why = fault;
        return HTTP_PARSE_BAD;
    }
    *used = span;
    return HTTP_PARSE_DONE;
}
