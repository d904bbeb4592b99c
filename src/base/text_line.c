/* SPDX-License-Identifier: Apache-2.0 */
/* Lines for logs. */
#include "base/text_line.h"

#include <stdarg.h>
#include <string.h>

#include "base/utf8.h"

#define FORMATTED_MAX 512 /* of one text_line_format(): numbers and words of ours */

void text_line_init(struct text_line *l, char *buffer, size_t size)
{
    *l = (struct text_line){.at = buffer, .size = size};
}

void text_line_add(struct text_line *l, const char *bytes, size_t len)
{
    if (l->full || len > l->size - l->len) {
        l->full = true;
        return;
    }
    memcpy(l->at + l->len, bytes, len);
    l->len += len;
}

void text_line_put(struct text_line *l, const char *text) { text_line_add(l, text, strlen(text)); }

void text_line_format(struct text_line *l, const char *format, ...)
{
    char text[FORMATTED_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len > 0)
        text_line_add(l, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

void text_line_reserve(struct text_line *l, size_t reserve) { l->size -= reserve; }

void text_line_release(struct text_line *l, size_t reserve)
{
    l->size += reserve;
    l->full = false;
}

/* -- what strangers say -------------------------------------------------------------------------------------------- */

/* The code point of a well-formed sequence at `s` and its length; 0 for anything else. */
static size_t point_read(const unsigned char *s, size_t left, uint32_t *point)
{
    size_t len = s[0] < 0x80 ? 1 : utf8_sequence(s, left);
    *point = len < 2 ? s[0] : s[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++)
        *point = *point << 6 | (s[i] & 0x3f);
    return len;
}

/* Controls, line and paragraph separators, and what turns the direction of text around. */
static bool is_plain(uint32_t p)
{
    return p >= 0x20 && !(p >= 0x7f && p <= 0x9f) && !(p >= 0x2028 && p <= 0x202e) && !(p >= 0x2066 && p <= 0x2069);
}

/* `slashes`: the backslashes before it; two where one would be taken for the beginning of an escape. */
static void add_escaped(struct text_line *l, unsigned char byte, size_t slashes)
{
    static const char digits[] = "0123456789abcdef";
    char escaped[5] = {'\\', '\\', 'x', digits[byte >> 4], digits[byte & 15]};
    text_line_add(l, escaped + 2 - slashes, 3 + slashes);
}

static void add_text(struct text_line *l, const char *text, size_t left, bool quoted, size_t slashes)
{
    const unsigned char *s = (const unsigned char *)text;
    while (left > 0 && !l->full) {
        uint32_t point = 0;
        size_t len = point_read(s, left, &point);
        if (len == 0 || !is_plain(point)) {
            add_escaped(l, *s, slashes);
            len = 1;
        } else if (quoted && (point == '"' || point == '\\')) {
            text_line_add(l, (char[2]){'\\', (char)*s}, 2);
        } else {
            text_line_add(l, (const char *)s, len);
        }
        s += len;
        left -= len;
    }
}

void text_line_clean(struct text_line *l, const char *text, size_t len) { add_text(l, text, len, false, 1); }
void text_line_quoted(struct text_line *l, const char *text, size_t len) { add_text(l, text, len, true, 1); }
void text_line_json(struct text_line *l, const char *text, size_t len) { add_text(l, text, len, true, 2); }

/* -- times --------------------------------------------------------------------------------------------------------- */

void text_time(const struct timespec *t, char out[static TEXT_TIME_BYTES])
{
    struct tm tm;
    char seconds[24];
    if (gmtime_r(&t->tv_sec, &tm) == NULL || strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        snprintf(seconds, sizeof(seconds), "-");
    snprintf(out, TEXT_TIME_BYTES, "%.19s.%03uZ", seconds, (unsigned)(t->tv_nsec / 1000000) % 1000);
}
