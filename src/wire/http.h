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

/* -- grammar (RFC 9110 5.1, 5.5, 5.6) ------------------------------------------------------------------------------ */

bool http_token_valid(struct http_text t);
/* Spaces, tabs and visible or non-ASCII bytes; no CR, LF, NUL or other control bytes. May be empty. */
bool http_field_value_valid(struct http_text t);
bool http_text_is(struct http_text t, const char *lower_case); /* ASCII case-insensitive */
bool http_text_equal(struct http_text a, struct http_text b);  /* ASCII case-insensitive */
struct http_text http_text_of(const char *s);
struct http_text http_text_trim(struct http_text t); /* without spaces and tabs around it */

/*
 * Walks a comma list (RFC 9110 5.6.1): `*rest` starts as the value; false at its end. Empty elements are skipped,
 * commas in a quoted-string do not count.
 */
bool http_list_next(struct http_text *rest, struct http_text *element);
bool http_list_has(struct http_text value, const char *lower_case);

/* Lengths are refused beyond this: others read them as signed. */
#define HTTP_LENGTH_MAX ((uint64_t)INT64_MAX)
/* Content-Length: one decimal number, or equal ones in a list (RFC 9112 6.3); no empty elements. */
bool http_content_length_parse(struct http_text value, uint64_t *out);

/* -- fields for one hop only (RFC 9110 7.6.1) ---------------------------------------------------------------------- */

/* Connection, Keep-Alive, Proxy-Connection, TE, Transfer-Encoding, Upgrade. Not Trailer. */
bool http_field_hop_by_hop(struct http_text name);

/*
 * What the Connection fields of a message say. Other fields that they name are for this hop too, but for Host and
 * Content-Length: a visitor must not be able to make us lose those.
 */
struct http_hops {
    bool close, keep_alive, upgrade;
    size_t count;
    struct http_text named[HTTP_CONNECTION_OPTIONS_MAX];
};

void http_hops_init(struct http_hops *h);
/* To be called with every field (others than Connection say nothing); false when too many are named. */
bool http_hops_add(struct http_hops *h, const struct http_field *f);
bool http_hops_names(const struct http_hops *h, struct http_text name);

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
    struct http_hops hops;
};

enum http_parse { HTTP_PARSE_DONE, HTTP_PARSE_MORE, HTTP_PARSE_BAD };

/*
 * Parses the head of a response to a request whose method was HEAD (`to_head`) or another. DONE: *used bytes were the
 * head, and *r points into them. MORE: the head is not complete (call again with more from the same start; linear in
 * all because *scanned keeps how far the end was looked for; start it at 0). BAD: not a response we may pass on, said
 * as soon as the first bytes are not HTTP's; *why (a constant) says it in words. *r is worth nothing but after DONE.
 *
 * Lines end with CRLF. A head in which every line ends with LF alone is taken too, as small devices write them (RFC
 * 9112 2.2): nobody behind us sees it, because the visitor's head is written anew. A mixture is BAD.
 */
enum http_parse http_response_parse(struct http_response *r, const char *data, size_t len, bool to_head,
                                    size_t *scanned, size_t *used, const char **why);

/* Whether a field of a final response goes on to the visitor: it is not for one hop, and not about framing, which is
 * decided anew from `framing` and `content_length`. A 101 keeps its Upgrade. */
bool http_response_passes(const struct http_response *r, const struct http_field *f);

/* -- chunked coding (RFC 9112 7.1) --------------------------------------------------------------------------------- */

enum http_chunked_state {
    HTTP_CHUNKED_SIZE,
    HTTP_CHUNKED_DATA,
    HTTP_CHUNKED_DATA_END,
    HTTP_CHUNKED_TRAILER,
    HTTP_CHUNKED_DONE,
};

struct http_chunked {
    enum http_chunked_state state;
    uint64_t left;      /* of the chunk that is being read */
    size_t line_len;    /* collected in `line`; of a trailer line: seen so far */
    char line[HTTP_CHUNK_LINE_MAX];
    size_t trailer_len; /* collected in the caller's trailer buffer */
};

void http_chunked_init(struct http_chunked *c);
/*
 * Eats from the front of `data`: either gives a span of body (*body_len > 0 at *body, inside `data`), or eats framing
 * (*body_len is 0). Returns the bytes eaten, or -1 (bad). Trailer lines (CRLF kept, final empty line not) are appended
 * to `trailer`; beyond `trailer_max` it is bad. Call until data is used up or state is HTTP_CHUNKED_DONE. Lines end
 * with CRLF; chunk extensions are dropped (RFC 9112 7.1.1).
 */
long http_chunked_eat(struct http_chunked *c, const char *data, size_t len, const char **body, size_t *body_len,
                      char *trailer, size_t trailer_max);
/*
 * Parses collected trailer lines into fields; false when not valid or more than `max`. What must not come in a trailer
 * (RFC 9110 6.5.1) and fields for one hop are left out.
 */
bool http_trailer_parse(const char *trailer, size_t len, struct http_field *fields, size_t max, size_t *count);
/*
 * Writes "HEX\r\n" to out (no NUL); returns its length. The chunk's data and "\r\n" follow; after a length of 0 the
 * trailer lines and "\r\n".
 */
size_t http_chunk_head(uint64_t len, char out[static 20]);

/* -- Host and target (RFC 9110 7.2, RFC 9112 3.2, RFC 3986 3.2) ---------------------------------------------------- */

struct http_authority {
    struct http_text host; /* without port, brackets kept for IPv6; a trailing dot is dropped */
    unsigned port;         /* 0: none said */
};
/* A DNS name ('_' allowed), an IPv4 address or an IPv6 address in brackets, and perhaps a port. No user information, no
 * percent-encoding: it is there to be looked up. `out` is untouched on failure. */
bool http_authority_parse(struct http_text value, struct http_authority *out);

enum http_target_form { HTTP_TARGET_ORIGIN, HTTP_TARGET_ABSOLUTE, HTTP_TARGET_ASTERISK };

struct http_target {
    enum http_target_form form;
    struct http_text scheme, authority; /* HTTP_TARGET_ABSOLUTE: not empty, the authority not parsed */
    struct http_text path;              /* and query, as they came; absolute: may be empty or start with '?' */
};
/* No control bytes, no space, no '#', not empty; bytes above 0x7f are let through. `out` is untouched on failure. */
bool http_target_parse(struct http_text t, struct http_target *out);
bool http_target_valid(struct http_text t);

#endif
