/* SPDX-License-Identifier: Apache-2.0 */
/* One writer for both formats. */
#include "base/line_fields.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"

bool line_format_parse(const char *text, enum line_format *out)
{
    *out = strcmp(text, "json") == 0 ? LINE_JSON : LINE_TEXT;
    return *out == LINE_JSON || strcmp(text, "text") == 0;
}

void line_cut(struct text_line *l, line_escape_fn *escape, const char *text, size_t len, size_t max)
{
    size_t left = l->size - l->len, kept = left > max ? left - max : 0;
    text_line_reserve(l, kept);
    escape(l, text, len);
    text_line_release(l, kept);
}

void line_begin(struct text_line *l, enum line_format format, const struct timespec *at, const char *kind)
{
    char when[TEXT_TIME_BYTES];
    text_time(at, when);
    text_line_format(l, format == LINE_JSON ? "{\"time\":\"%s\",\"kind\":\"%s\"" : "%s %s", when, kind);
}

static void name_put(struct text_line *l, enum line_format format, const char *name)
{
    text_line_format(l, format == LINE_JSON ? ",\"%s\":" : " %s=", name);
}

void line_text(struct text_line *l, enum line_format format, const char *name, const char *text, size_t len, size_t max)
{
    if (len == 0)
        return;
    name_put(l, format, name);
    text_line_put(l, "\"");
    line_cut(l, format == LINE_JSON ? text_line_json : text_line_quoted, text, len, max);
    text_line_put(l, "\"");
}

void line_number(struct text_line *l, enum line_format format, const char *name, uint64_t number)
{
    name_put(l, format, name);
    text_line_format(l, "%" PRIu64, number);
}

void line_seconds(struct text_line *l, enum line_format format, const char *name, uint64_t us)
{
    name_put(l, format, name);
    text_line_format(l, "%" PRIu64 ".%06" PRIu64, us / US_PER_S, us % US_PER_S);
}

void line_end(struct text_line *l, enum line_format format) { text_line_put(l, format == LINE_JSON ? "}\n" : "\n"); }

struct timespec line_time_before(uint64_t us)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t at_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - (int64_t)us * 1000;
    return (struct timespec){.tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000};
}
