/* SPDX-License-Identifier: Apache-2.0 */
/* Text that pages are written into. */
#include "server/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    memcpy(t->at + t->len, bytes, len);
    t->len += len;
    t->at[t->len] = '\0';
}

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

void text_add_json(struct text *t, const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\')
            text_format(t, "\\%c", *s);
        else if ((unsigned char)*s < 0x20 || *s == 0x7f || *s == '<' || *s == '>' || *s == '&')
            text_format(t, "\\u%04x", (unsigned char)*s);
        else
            text_add(t, s, 1);
    }
}
