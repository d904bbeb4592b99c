/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 message heads, body framing and chunked coding as bytes <-> structs (RFC 9110, RFC 9112). Strict: what two
 * parsers could read differently is an error. Pure: no allocation, no sockets; structs point into the caller's buffer.
 */
#ifndef WIRE_HTTP_H
#define WIRE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mdm-tunnel/limits.h"

struct http_text {
    const char *at;
    size_t len;
};

struct http_field {
    struct http_text name, value; /* value without surrounding white space */
};

/* -- grammar (RFC 9110 5.1, 5.5, 5.6.2; RFC 9112 3.2) -------------------------------------------------------------- */

bool http_token_valid(struct http_text t);
/* field-content and spaces/tabs; no CR, LF, NUL or other control bytes. May be empty. */
bool http_field_value_valid(struct http_text t);
/* origin-form, absolute-form or "*": no control bytes, no space, no '#', not empty; bytes above 0x7f are allowed through. */
bool http_target_valid(struct http_text t);
bool http_text_is(struct http_text t, const char *lower_case); /* ASCII case-insensitive */
struct http_text http_text_of(const char *s);

/* Walks a comma list (RFC 9110 5.6.1): `*rest` starts as the value; false at its end. Empty elements are skipped. */
bool http_list_next(struct http_text *rest, struct http_text *element);
bool http_list_has(struct http_text value, const char *lower_case);

/* Connection, Keep-Alive, Proxy-Connection, TE, Trailer?, Transfer-Encoding, Upgrade: RFC 9110 7.6.1 (not Trailer). */
bool http_field_hop_by_hop(struct http_text name);

/* Content-Length: one decimal number, or equal ones in a list/in several fields (RFC 9112 6.3 says: refuse if unequal). */
bool http_content_length_parse(struct http_text value, uint64_t *out);

/* -- a service's response ------------------------------------------------------------------------------------------ */

enum http_framing {
    HTTP_FRAMING_NONE,    /* no body: HEAD, 1xx, 204, 304 */
    HTTP_FRAMING_LENGTH,
    HTTP_FRAMING_CHUNKED,
    HTTP_FRAMING_CLOSE,   /* until the service closes */
};

struct http_response {
    unsigned minor_version; /* HTTP/1.x */
    unsigned status;        /* 100..999 */
    struct http_text reason;
    size_t field_count;
    struct http_field fields[HTTP_FIELDS_MAX];
    enum http_framing framing;
    uint64_t content_length; /* HTTP_FRAMING_LENGTH; also known (has_content_length) for HEAD and 304 */
    bool has_content_length;
    bool keep_alive;         /* the connection may serve another request after this message */
};

enum http_parse { HTTP_PARSE_DONE, HTTP_PARSE_MORE, HTTP_PARSE_BAD };

/*
 * Parses the head of a response to a request whose method was HEAD (`to_head`) or another. DONE: *used bytes were the
 * head. MORE: the head is not complete (call again with more from the same start; linear in all because *scanned keeps
 * how far the end was looked for; start it at 0). BAD: not a response we may pass on; *why says it in words.
 */
enum http_parse http_response_parse(struct http_response *r, const char *data, size_t len, bool to_head,
                                    size_t *scanned, size_t *used, const char **why);

/* -- chunked coding (RFC 9112 7.1) ---------------------------------------------------------------------------------- */

enum http_chunked_state { HTTP_CHUNKED_SIZE, HTTP_CHUNKED_DATA, HTTP_CHUNKED_DATA_END, HTTP_CHUNKED_TRAILER, HTTP_CHUNKED_DONE };

struct http_chunked {
    enum http_chunked_state state;
    uint64_t left;      /* of the chunk that is being read */
    size_t line_len;    /* collected in `line` */
    char line[HTTP_CHUNK_LINE_MAX];
    size_t trailer_len; /* collected in the caller's trailer buffer */
};

void http_chunked_init(struct http_chunked *c);
/*
 * Eats from the front of `data`: either gives a span of body (*body_len > 0 at *body, inside `data`), or eats framing.
 * Returns the bytes eaten, or -1 (bad). Trailer lines (CRLF kept, final empty line not) are appended to `trailer`;
 * beyond `trailer_max` it is bad. Call until data is used up or state is HTTP_CHUNKED_DONE.
 */
long http_chunked_eat(struct http_chunked *c, const char *data, size_t len, const char **body, size_t *body_len,
                      char *trailer, size_t trailer_max);
/* Parses collected trailer lines into fields; false when not valid. Framing and hop-by-hop fields are left out. */
bool http_trailer_parse(const char *trailer, size_t len, struct http_field *fields, size_t max, size_t *count);
/* Writes "HEX\r\n" to out; returns its length. The chunk's data and "\r\n" follow. */
size_t http_chunk_head(uint64_t len, char out[static 20]);

/* -- Host (RFC 9110 7.2, RFC 3986 3.2) ------------------------------------------------------------------------------ */

struct http_authority {
    struct http_text host; /* without port, brackets kept for IPv6; a trailing dot is dropped */
    unsigned port;         /* 0: none said */
};
bool http_authority_parse(struct http_text value, struct http_authority *out);

#endif
