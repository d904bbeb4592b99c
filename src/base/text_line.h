/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line that is built in a buffer and cut where that ends, never within a character or an escape. What a stranger says is
 * added escaped, so that nothing in it looks like another line or another field. No allocation, no I/O; the caller's own.
 */
#ifndef BASE_TEXT_LINE_H
#define BASE_TEXT_LINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

struct text_line {
    char *at;
    size_t len, size;
    bool full; /* something did not fit: nothing is added any more */
};

/* "2026-11-26T11:43:47.123Z" and its NUL (RFC 3339). */
#define TEXT_TIME_BYTES 25

/* `size`: of the buffer; nothing behind it is written. */
void text_line_init(struct text_line *l, char *buffer, size_t size);
/* As it is, all or nothing. */
void text_line_add(struct text_line *l, const char *bytes, size_t len);
void text_line_put(struct text_line *l, const char *text);
void text_line_format(struct text_line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Control bytes, what is no UTF-8, and what turns the direction of text around, as \xNN. */
void text_line_clean(struct text_line *l, const char *text, size_t len);
/* The same for between double quotes: a quote is \" and a backslash \\. */
void text_line_quoted(struct text_line *l, const char *text, size_t len);
/* The text of text_line_clean() as what stands between the quotes of a JSON string (RFC 8259): always valid. */
void text_line_json(struct text_line *l, const char *text, size_t len);
/* What has to stand behind a text that may have been cut: `reserve` bytes are taken from the size, and given back. */
void text_line_reserve(struct text_line *l, size_t reserve);
void text_line_release(struct text_line *l, size_t reserve);

/* UTC with milliseconds. */
void text_time(const struct timespec *t, char out[static TEXT_TIME_BYTES]);

#endif
