/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a request once more, line by line. */
#include "wire/http_head_edit.h"

#include <string.h>

#include "base/bytes.h"
#include "wire/http_chars.h"

/* Cuts the first line off `rest`, its CRLF included; false at the end and at the empty line. */
static bool line_next(struct http_text *rest, struct http_text *line)
{
    const char *end = rest->len == 0 ? NULL : memmem(rest->at, rest->len, "\r\n", 2);
    if (end == NULL || end == rest->at)
        return false;
    *line = (struct http_text){rest->at, (size_t)(end + 2 - rest->at)};
    *rest = http_text_from(*rest, line->len);
    return true;
}

static struct http_text name_of(struct http_text line)
{
    const char *colon = memchr(line.at, ':', line.len);
    return (struct http_text){line.at, colon == NULL ? 0 : (size_t)(colon - line.at)};
}

static struct http_text value_of(struct http_text line)
{
    struct http_text name = name_of(line);
    if (name.len == 0)
        return (struct http_text){"", 0};
    return http_text_trim((struct http_text){name.at + name.len + 1, line.len - name.len - 3});
}

unsigned http_head_find(struct http_text head, const char *lower_case, struct http_text *value)
{
    struct http_text line;
    unsigned count = 0;
    if (!line_next(&head, &line))
        return 0;
    while (line_next(&head, &line)) {
        if (!http_text_is(name_of(line), lower_case))
            continue;
        *value = value_of(line);
        count++;
    }
    return count;
}

bool http_edit_drops(const struct http_edit *e, struct http_text name)
{
    bool drops = false;
    for (size_t i = 0; i < e->set_count; i++)
        drops |= http_text_equal(e->set[i].name, name);
    for (size_t i = 0; i < e->remove_count; i++)
        drops |= http_text_equal(e->remove[i], name);
    return drops;
}

static void write_field(struct bytes_writer *w, struct http_text name, struct http_text value)
{
    bytes_write(w, name.at, name.len);
    bytes_write(w, ": ", 2);
    bytes_write(w, value.at, value.len);
    bytes_write(w, "\r\n", 2);
}

/* METHOD SP TARGET SP VERSION; what is left of the path begins with a slash. */
static void write_line(struct bytes_writer *w, struct http_text line, size_t strip)
{
    const char *blank = memchr(line.at, ' ', line.len);
    size_t method = blank == NULL ? line.len : (size_t)(blank + 1 - line.at);
    if (strip == 0 || line.len - method <= strip) {
        bytes_write(w, line.at, line.len);
        return;
    }
    struct http_text rest = http_text_from(line, method + strip);
    bytes_write(w, line.at, method);
    if (rest.at[0] != '/')
        bytes_write(w, "/", 1);
    bytes_write(w, rest.at, rest.len);
}

void http_head_edit(struct bytes_writer *w, struct http_text head, const struct http_edit *e)
{
    struct http_text line;
    if (line_next(&head, &line))
        write_line(w, line, e->strip);
    while (line_next(&head, &line)) {
        struct http_text name = name_of(line);
        if (e->host.len > 0 && http_text_is(name, "host"))
            write_field(w, name, e->host);
        else if (!http_edit_drops(e, name))
            bytes_write(w, line.at, line.len);
    }
    for (size_t i = 0; i < e->set_count; i++)
        write_field(w, e->set[i].name, e->set[i].value);
    bytes_write(w, "\r\n", 2);
}

/* -- Authorization ------------------------------------------------------------------------------------------------- */

/* What follows "SCHEME " in any case. */
static bool scheme_strip(struct http_text *value, const char *lower_case)
{
    size_t len = strlen(lower_case);
    struct http_text scheme = {value->at, len};
    if (value->len <= len || value->at[len] != ' ' || !http_text_is(scheme, lower_case))
        return false;
    *value = http_text_trim(http_text_from(*value, len));
    return value->len > 0;
}

bool http_bearer_parse(struct http_text value, struct http_text *token)
{
    if (!scheme_strip(&value, "bearer") || memchr(value.at, ' ', value.len) != NULL)
        return false;
    *token = value;
    return true;
}

static int digit_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* RFC 4648 4; the padding may be missing. Bytes written, or -1. */
static long base64_decode(struct http_text text, char *out, size_t size)
{
    size_t len = 0, bits = 0;
    unsigned pending = 0;
    for (unsigned pads = 0; pads < 2 && text.len > 0 && text.at[text.len - 1] == '='; pads++)
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        int value = digit_value(text.at[i]);
        if (value < 0)
            return -1;
        pending = pending << 6 | (unsigned)value;
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        if (len == size)
            return -1;
        out[len++] = (char)(pending >> bits & 0xff);
    }
    return text.len % 4 == 1 ? -1 : (long)len;
}

bool http_basic_parse(struct http_text value, char *out, size_t size, const char **user, const char **password)
{
    if (!scheme_strip(&value, "basic"))
        return false;
    long len = base64_decode(value, out, size - 1);
    if (len < 0 || memchr(out, '\0', (size_t)len) != NULL)
        return false;
    out[len] = '\0';
    char *colon = strchr(out, ':');
    if (colon == NULL)
        return false;
    *colon = '\0';
    *user = out;
    *password = colon + 1;
    return true;
}
