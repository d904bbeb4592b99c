/* SPDX-License-Identifier: Apache-2.0 */
/* Chunked coding, in any pieces (RFC 9112 7.1). */
#include <string.h>

#include "wire/http_chars.h"
#include "wire/http_field.h"

/* -- a chunk's head ------------------------------------------------------------------------------------------------ */

static int hex_digit(char c)
{
    if (http_is_digit(c))
        return c - '0';
    c = http_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "SIZE [;extensions]" without its CRLF. White space before an extension, or instead of one, is let through. */
static bool size_parse(struct http_text line, uint64_t *out)
{
    uint64_t n = 0;
    size_t i = 0;
    for (; i < line.len; i++) {
        int digit = hex_digit(line.at[i]);
        if (digit < 0)
            break;
        if (n > HTTP_LENGTH_MAX >> 4)
            return false;
        n = n << 4 | (unsigned)digit;
    }
    struct http_text rest = http_text_trim(http_text_from(line, i));
    if (i == 0 || (rest.len > 0 && rest.at[0] != ';') || !http_field_value_valid(rest))
        return false;
    *out = n;
    return true;
}

static bool size_line_take(struct http_chunked *c, struct http_text line)
{
    if (line.len < 2 || line.at[line.len - 2] != '\r')
        return false;
    line.len -= 2;
    if (!size_parse(line, &c->left))
        return false;
    c->line_len = 0;
    c->state = c->left > 0 ? HTTP_CHUNKED_DATA : HTTP_CHUNKED_TRAILER;
    return true;
}

/* A line that is there in one piece is read where it stands. */
static long size_eat(struct http_chunked *c, const char *data, size_t len)
{
    const char *lf = memchr(data, '\n', len);
    size_t eaten = lf == NULL ? len : (size_t)(lf - data) + 1;
    if (eaten > sizeof(c->line) - c->line_len)
        return -1;
    struct http_text line = {data, eaten};
    if (lf == NULL || c->line_len > 0) {
        memcpy(c->line + c->line_len, data, eaten);
        c->line_len += eaten;
        line = (struct http_text){c->line, c->line_len};
    }
    return lf == NULL || size_line_take(c, line) ? (long)eaten : -1;
}

/* -- data and what ends it ----------------------------------------------------------------------------------------- */

static long data_eat(struct http_chunked *c, const char *data, size_t len, const char **body, size_t *body_len)
{
    *body = data;
    *body_len = c->left < len ? (size_t)c->left : len;
    c->left -= *body_len;
    if (c->left == 0)
        c->state = HTTP_CHUNKED_DATA_END;
    return (long)*body_len;
}

static long data_end_eat(struct http_chunked *c, const char *data, size_t len)
{
    size_t eaten = 0;
    for (; eaten < len && c->line_len < 2; eaten++, c->line_len++)
        if (data[eaten] != "\r\n"[c->line_len])
            return -1;
    if (c->line_len == 2) {
        c->line_len = 0;
        c->state = HTTP_CHUNKED_SIZE;
    }
    return (long)eaten;
}

/* -- trailers ------------------------------------------------------------------------------------------------------ */

/* The CR of the final empty line is not kept, so a line that starts with CR ends everything. */
static long final_line_eat(struct http_chunked *c, char first)
{
    if (first != "\r\n"[c->line_len])
        return -1;
    c->line[0] = '\r';
    if (++c->line_len == 2)
        c->state = HTTP_CHUNKED_DONE;
    return 1;
}

static long trailer_eat(struct http_chunked *c, const char *data, size_t len, char *trailer, size_t trailer_max)
{
    if (c->line_len == 0 ? data[0] == '\r' : c->line[0] == '\r')
        return final_line_eat(c, data[0]);
    const char *lf = memchr(data, '\n', len);
    size_t eaten = lf == NULL ? len : (size_t)(lf - data) + 1;
    if (c->trailer_len > trailer_max || eaten > trailer_max - c->trailer_len)
        return -1;
    if (c->line_len == 0)
        c->line[0] = data[0];
    memcpy(trailer + c->trailer_len, data, eaten);
    c->trailer_len += eaten;
    c->line_len += eaten;
    if (lf == NULL)
        return (long)eaten;
    if (c->line_len < 2 || trailer[c->trailer_len - 2] != '\r')
        return -1;
    c->line_len = 0;
    return (long)eaten;
}

void http_chunked_init(struct http_chunked *c)
{
    c->state = HTTP_CHUNKED_SIZE;
    c->left = 0;
    c->line_len = c->trailer_len = 0;
}

long http_chunked_eat(struct http_chunked *c, const char *data, size_t len, const char **body, size_t *body_len,
                      char *trailer, size_t trailer_max)
{
    *body = NULL;
    *body_len = 0;
    if (len == 0)
        return 0;
    switch (c->state) {
    case HTTP_CHUNKED_SIZE:
        return size_eat(c, data, len);
    case HTTP_CHUNKED_DATA:
        return data_eat(c, data, len, body, body_len);
    case HTTP_CHUNKED_DATA_END:
        return data_end_eat(c, data, len);
    case HTTP_CHUNKED_TRAILER:
        return trailer_eat(c, data, len, trailer, trailer_max);
    case HTTP_CHUNKED_DONE:
        break;
    }
    return 0;
}

/* Framing, routing, authentication and how to read the content: too late in a trailer (RFC 9110 6.5.1). */
static bool trailer_forbidden(struct http_text name)
{
    static const char *const names[] = {
        "authorization", "content-encoding", "content-length", "content-range", "content-type",
        "host",          "set-cookie",       "trailer",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (http_text_is(name, names[i]))
            return true;
    return http_field_hop_by_hop(name);
}

bool http_trailer_parse(const char *trailer, size_t len, struct http_field *fields, size_t max, size_t *count)
{
    struct http_lines lines = {trailer, len > 0 ? trailer + len : trailer, .lf_only = false};
    struct http_text line;
    struct http_field f;
    size_t n = 0;
    while (lines.at < lines.end) {
        if (!http_lines_next(&lines, &line) || http_field_parse(line, &f) != NULL)
            return false;
        if (trailer_forbidden(f.name))
            continue;
        if (n == max)
            return false;
        fields[n++] = f;
    }
    *count = n;
    return true;
}

size_t http_chunk_head(uint64_t len, char out[static 20])
{
    size_t digits = 1;
    while (digits < 16 && len >> (4 * digits) != 0)
        digits++;
    for (size_t i = 0; i < digits; i++)
        out[i] = "0123456789abcdef"[len >> (4 * (digits - 1 - i)) & 15];
    out[digits] = '\r';
    out[digits + 1] = '\n';
    return digits + 2;
}
