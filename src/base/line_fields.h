/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields of a line in a log of lines: "TIME KIND name="text" name=17 ..." or a JSON object with the same names. What a stranger said
 * is escaped and cut for itself, so that a line is a line and its fields are its fields. Pure but for line_time_before().
 */
#ifndef BASE_LINE_FIELDS_H
#define BASE_LINE_FIELDS_H

#include "base/text_line.h"

enum line_format { LINE_TEXT, LINE_JSON };

/* False: it is neither "text" nor "json". */
bool line_format_parse(const char *text, enum line_format *out);

/* `kind` is ours, as are the names of fields: words without spaces. */
void line_begin(struct text_line *l, enum line_format format, const struct timespec *at, const char *kind);
/* Takes `max` bytes of the line at most; "" is left out. */
void line_text(struct text_line *l, enum line_format format, const char *name, const char *text, size_t len, size_t max);
void line_number(struct text_line *l, enum line_format format, const char *name, uint64_t number);
/* As seconds with six decimals. */
void line_seconds(struct text_line *l, enum line_format format, const char *name, uint64_t us);
void line_end(struct text_line *l, enum line_format format);

/* A time that is `us` ago. */
struct timespec line_time_before(uint64_t us);

/* For other formats: `text` as `escape` writes it takes `max` bytes at most. */
typedef void line_escape_fn(struct text_line *l, const char *text, size_t len);
void line_cut(struct text_line *l, line_escape_fn *escape, const char *text, size_t len, size_t max);

#endif
