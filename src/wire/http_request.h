/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A visitor's request on its way to a service: is it one that we may pass on (RFC 9112 3, 5, 6), and its head as the
 * service gets it. Pure: no allocation; everything points into what the caller has.
 *
 *     const struct error *e = http_request_check(&request, &facts, &why);
 *     if (e == NULL)
 *         http_request_write(&writer, &request, &facts, &visitor);     then look at writer.failed
 */
#ifndef WIRE_HTTP_REQUEST_H
#define WIRE_HTTP_REQUEST_H

#include "wire/error.h"
#include "wire/http.h"

struct bytes_writer;

/* As it came: any HTTP server may have parsed it, nothing of it is trusted. */
struct http_request {
    struct http_text method, target; /* the target raw, not decoded */
    unsigned minor_version;          /* HTTP/1.x */
    const struct http_field *fields; /* in their order */
    size_t field_count;
};

/*
 * Reads a request's head from the start of what came. MORE: call again with more bytes (*scanned starts at 0); DONE: the
 * head takes *used bytes, `fields` (room for `field_max`) has its fields, everything points into `data`; BAD: *why, also
 * beyond `max` bytes or `field_max` fields. Every line ends with CRLF. What the fields mean is http_request_check()'s.
 */
enum http_parse http_request_parse(struct http_request *r, struct http_field *fields, size_t field_max, const char *data,
                                   size_t len, size_t max, size_t *scanned, size_t *used, const char **why);

/* What the request says. The caller may change it before the head is written: another framing, no upgrade. */
struct http_request_facts {
    struct http_text host;           /* the Host field */
    struct http_authority authority; /* the same, parsed */
    struct http_target target;
    enum http_framing framing;       /* NONE, LENGTH or CHUNKED */
    uint64_t content_length;         /* HTTP_FRAMING_LENGTH */
    bool upgrade;                    /* asks for another protocol (h2c does not count: it would pass by every check) */
    bool expect_continue;            /* Expect: 100-continue */
    struct http_hops hops;
};

/*
 * NULL, or error_bad_request, error_method_not_allowed (CONNECT), error_not_implemented (a transfer coding other than
 * `chunked`), error_headers_too_large (more than HTTP_FIELDS_MAX fields); *why (a constant) says it in words, and
 * `facts` is worth nothing then. Refused is whatever two servers could read differently: no or several Hosts,
 * Content-Length twice with different values or together with Transfer-Encoding, names that are not tokens, control
 * bytes, an absolute-form target that is not for Host.
 */
const struct error *http_request_check(const struct http_request *r, struct http_request_facts *facts,
                                       const char **why);

/* Where the request came from: for X-Forwarded-* and Forwarded (RFC 7239). */
struct http_visitor {
    struct http_text address; /* without port and brackets; empty when there is none (a unix socket) */
    struct http_text scheme;  /* "http", "https" */
    unsigned port;            /* of ours that the visitor spoke to; 0: as Host or the scheme says */
    bool trusted;             /* a proxy of ours: what it says of who stands behind it is kept and added to */
};

/*
 * Writes the head, empty line included, for a request that http_request_check() took. `w` fails when it does not fit.
 * Fields keep their order, case and number, but: fields for one hop are left out (`TE: trailers` and, for an upgrade,
 * Upgrade stay); Content-Length or Transfer-Encoding stands once, as `facts` say, where the first of them stood, else
 * last. What the visitor says in Forwarded and X-Forwarded-* is dropped unless it is trusted; then the lists are added
 * to, and -Proto, -Host and -Port stay as they are. An absolute-form target becomes origin-form.
 */
void http_request_write(struct bytes_writer *w, const struct http_request *r, const struct http_request_facts *facts,
                        const struct http_visitor *v);

#endif
