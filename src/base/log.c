/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: one write(2) each, with nothing in them that could forge another. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_int highest = LOG_LEVEL_NONE;

static const char *const level_names[] = {
    [LOG_LEVEL_NONE] = "none", [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_INFO] = "info", [LOG_LEVEL_DEBUG] = "debug",
};

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&highest, (int)level, memory_order_relaxed);
}

bool log_wanted(enum log_level level)
{
    return level != LOG_LEVEL_NONE && (int)level <= atomic_load_explicit(&highest, memory_order_relaxed);
}

/* A line that is being built; one byte is kept for its end. */
struct line {
    char text[LOG_LINE_MAX];
    size_t len;
    bool full;
};

static void line_add(struct line *l, const char *bytes, size_t len)
{
    if (l->full || len > sizeof(l->text) - 1 - l->len) {
        l->full = true;
        return;
    }
    memcpy(l->text + l->len, bytes, len);
    l->len += len;
}

/* The code point of a well-formed sequence (RFC 3629) at `s` and its length; 0 for anything else. */
static size_t utf8_read(const unsigned char *s, uint32_t *point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = s[0] < 0x80             ? 1
                 : (s[0] & 0xe0) == 0xc0 ? 2
                 : (s[0] & 0xf0) == 0xe0 ? 3
                 : (s[0] & 0xf8) == 0xf0 ? 4
                                         : 0;
    if (len < 2) {
        *point = s[0];
        return len;
    }
    uint32_t p = s[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        p = p << 6 | (s[i] & 0x3f);
    }
    *point = p;
    return p < least[len] || p > 0x10ffff || (p >= 0xd800 && p <= 0xdfff) ? 0 : len;
}

/* Controls, line and paragraph separators, and what turns the direction of text around. */
static bool is_plain(uint32_t p)
{
    return p >= 0x20 && !(p >= 0x7f && p <= 0x9f) && !(p >= 0x2028 && p <= 0x202e) && !(p >= 0x2066 && p <= 0x2069);
}

static void line_add_escaped(struct line *l, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    char escaped[4] = {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    line_add(l, escaped, sizeof(escaped));
}

static void line_add_clean(struct line *l, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    while (*s != '\0' && !l->full) {
        uint32_t point = 0;
        size_t len = utf8_read(s, &point);
        if (len > 0 && is_plain(point)) {
            line_add(l, (const char *)s, len);
            s += len;
        } else {
            line_add_escaped(l, *s++);
        }
    }
}

static void line_write(struct line *l)
{
    l->text[l->len++] = '\n';
    ssize_t written = write(STDERR_FILENO, l->text, l->len);
    (void)written; /* there is nowhere to say that stderr is gone */
}

static void line_add_time(struct line *l)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    unsigned day = (unsigned)(now.tv_sec % 86400);
    char text[32];
    int len = snprintf(text, sizeof(text), "%02u:%02u:%02u.%03u ", day / 3600, day / 60 % 60, day % 60,
                       (unsigned)(now.tv_nsec / 1000000));
    line_add(l, text, (size_t)len);
}

__attribute__((format(printf, 2, 0))) static void line_add_format(struct line *l, const char *format, va_list args)
{
    char text[LOG_LINE_MAX];
    if (vsnprintf(text, sizeof(text), format, args) > 0)
        line_add_clean(l, text);
}

void log_write(enum log_level level, const char *subject, const char *format, ...)
{
    if (!log_wanted(level))
        return;
    int saved = errno;
    struct line line = {.len = 0};
    line_add_time(&line);
    line_add_clean(&line, level_names[level]);
    line_add_clean(&line, " ");
    if (subject != NULL) {
        line_add_clean(&line, subject);
        line_add_clean(&line, ": ");
    }
    va_list args;
    va_start(args, format);
    errno = saved; /* for %m */
    line_add_format(&line, format, args);
    va_end(args);
    line_write(&line);
    errno = saved;
}

void log_fatal(const char *program, const char *format, ...)
{
    int saved = errno;
    struct line line = {.len = 0};
    line_add_clean(&line, program);
    line_add_clean(&line, ": ");
    va_list args;
    va_start(args, format);
    errno = saved;
    line_add_format(&line, format, args);
    va_end(args);
    line_write(&line);
    errno = saved;
}
