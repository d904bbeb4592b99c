/* SPDX-License-Identifier: Apache-2.0 */
/* Classes of bytes in HTTP/1.1, for the parsers of this folder. */
#ifndef WIRE_HTTP_CHARS_H
#define WIRE_HTTP_CHARS_H

#include "wire/http.h"

enum http_char {
    HTTP_CHAR_TOKEN = 0x01,  /* tchar (RFC 9110 5.6.2) */
    HTTP_CHAR_VALUE = 0x02,  /* field-vchar, SP, HTAB (RFC 9110 5.5) */
    HTTP_CHAR_TARGET = 0x04, /* what may stand in a request target; looser than RFC 3986, as browsers are */
    HTTP_CHAR_HOST = 0x08,   /* letters, digits, '-', '.', '_' */
    HTTP_CHAR_SCHEME = 0x10, /* RFC 3986 3.1, but for the first */
};

extern const uint8_t http_chars[256]; /* sets of enum http_char */

static inline bool http_char_is(char c, enum http_char class)
{
    return (http_chars[(uint8_t)c] & class) != 0;
}

/* No early exit: what is checked is short, and nearly always right. */
static inline bool http_text_all(struct http_text t, enum http_char class)
{
    unsigned all = class;
    for (size_t i = 0; i < t.len; i++)
        all &= http_chars[(uint8_t)t.at[i]];
    return all == class;
}

static inline char http_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline bool http_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline bool http_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The part of `t` from `offset` (<= len) on. */
static inline struct http_text http_text_from(struct http_text t, size_t offset)
{
    return (struct http_text){t.at + offset, t.len - offset};
}

#endif
