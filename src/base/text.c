/* SPDX-License-Identifier: Apache-2.0 */
/* Text that pages are written into. */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

void text_init(struct text *t, size_t max) { *t = (struct text){.max = max}; }

void text_done(struct text *t)
{
    free(t->at);
    *t = (struct text){.max = t->max};
}

static bool text_reserve(struct text *t, size_t more)
{
    size_t size = t->size == 0 ? 512 : t->size;

    if (t->failed || more > t->max || t->len > t->max - more) {
        t->failed = true;
        return false;
    }
    while (size < t->len + more + 1)
        size *= 2;
    if (size == t->size)
        return true;
    char *at = realloc(t->at, size);
    if (at == NULL) {
        t->failed = true;
        return false;
    }
    t->at = at;
    t->size = size;
    return true;
}

void text_add(struct text *t, const char *bytes, size_t len)
{
    if (!text_reserve(t, len))
        return;
    if (len > 0)
        memcpy(t->at + t->len, bytes, len);
    t->len += len;
    t->at[t->len] = '\0';
}

void text_put(struct text *t, const char *s) { text_add(t, s, strlen(s)); }

void text_format(struct text *t, const char *format, ...)
{
    char line[1024];
    va_list ap;

    va_start(ap, format);
    int len = vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    if (len < 0 || (size_t)len >= sizeof(line))
        t->failed = true;
    else
        text_add(t, line, (size_t)len);
}

void text_add_html(struct text *t, const char *s)
{
    for (; *s != '\0'; s++) {
        switch (*s) {
        case '&':
            text_add(t, "&amp;", 5);
            break;
        case '<':
            text_add(t, "&lt;", 4);
            break;
        case '>':
            text_add(t, "&gt;", 4);
            break;
        case '"':
            text_add(t, "&quot;", 6);
            break;
        case '\'':
            text_add(t, "&#39;", 5);
            break;
        default:
            text_add(t, s, 1);
        }
    }
}

static void json_character(struct text *t, unsigned char c)
{
    if (c == '"' || c == '\\')
        text_format(t, "\\%c", c);
    else
        text_format(t, "\\u%04x", c);
}

/* What may stand as it is, also within HTML. */
static bool json_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

void text_add_json(struct text *t, const char *s)
{
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        if (json_plain(c) || c >= 0x80)
            text_add(t, s, 1);
        else
            json_character(t, c);
    }
}

void text_add_json_bytes(struct text *t, const void *bytes, size_t len)
{
    const char *at = bytes, *end = len > 0 ? at + len : at;
    while (at < end) {
        const char *from = at;
        while (at < end && json_plain((unsigned char)*at))
            at++;
        if (at > from)
            text_add(t, from, (size_t)(at - from));
        if (at == end)
            break;
        size_t sequence = (unsigned char)*at >= 0x80 ? utf8_sequence((const uint8_t *)at, (size_t)(end - at)) : 0;
        if (sequence > 0)
            text_add(t, at, sequence);
        else
            json_character(t, (unsigned char)*at);
        at += sequence > 0 ? sequence : 1;
    }
}

void text_add_base64(struct text *t, const void *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *at = bytes;
    for (; len > 0; at += 3, len -= len < 3 ? len : 3) {
        uint32_t three = (uint32_t)at[0] << 16 | (len > 1 ? (uint32_t)at[1] << 8 : 0) | (len > 2 ? at[2] : 0);
        const char four[4] = {digits[three >> 18], digits[three >> 12 & 63], len > 1 ? digits[three >> 6 & 63] : '=',
                              len > 2 ? digits[three & 63] : '='};
        text_add(t, four, sizeof(four));
    }
}
