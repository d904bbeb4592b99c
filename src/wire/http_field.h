/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a head or of trailers (RFC 9112 2.2, 5), for the parsers of this folder. */
#ifndef WIRE_HTTP_FIELD_H
#define WIRE_HTTP_FIELD_H

#include "wire/http.h"

/* Bytes of a head with its empty line; 0 when that has not come yet. *scanned starts at 0 and is kept from call to call. */
size_t http_head_span(const char *data, size_t len, size_t *scanned);

/* Lines that are all there: each ends with CRLF, or, when the first one does so (`lf_only`), each with LF alone. */
struct http_lines {
    const char *at, *end;
    bool lf_only;
};

void http_lines_init(struct http_lines *l, const char *data, size_t len);
/* The next line without its end. False when its end is not the right one; there must be one (at < end). */
bool http_lines_next(struct http_lines *l, struct http_text *line);

/* "name: value"; NULL, or why not. */
const char *http_field_parse(struct http_text line, struct http_field *out);

/* What a message says of its body (RFC 9112 6): starts as zeroes, is fed with every field, and asked at the end. */
struct http_body_facts {
    bool has_length;
    bool chunked;      /* there is a Transfer-Encoding */
    bool other_coding; /* and it is not exactly `chunked` */
    uint64_t length;
};
/* False (with the reason in *why) when Content-Length is not valid or not unique. */
bool http_body_facts_add(struct http_body_facts *b, const struct http_field *f, const char **why);

#endif
