/* SPDX-License-Identifier: Apache-2.0 */
/* A growing text with a maximum and a sticky error, and escaping for what our pages and their interfaces are written in. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
    char *at; /* heap, NUL-terminated once something was added */
    size_t len, size, max;
    bool failed; /* over the maximum, or no memory: what is there is not complete */
};

void text_init(struct text *t, size_t max);
void text_done(struct text *t);
/* `bytes` may be NULL where there are none, here and below. */
void text_add(struct text *t, const char *bytes, size_t len);
void text_put(struct text *t, const char *s);
void text_format(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* HTML: & < > " '. */
void text_add_html(struct text *t, const char *s);
/* The inside of a JSON string. Bytes above 0x7f are taken as they are. */
void text_add_json(struct text *t, const char *s);
/* The same of any bytes: those that are not UTF-8 are written as the characters of ISO 8859-1. */
void text_add_json_bytes(struct text *t, const void *bytes, size_t len);
/* With padding (RFC 4648 4). */
void text_add_base64(struct text *t, const void *bytes, size_t len);

#endif
