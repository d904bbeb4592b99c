/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of the access log: what one request was, or one connection that was upgraded or passed through, at its end. Pure. What a
 * visitor said is escaped and cut, so that a line is a line and its fields are its fields.
 */
#ifndef SERVER_ACCESS_LINE_H
#define SERVER_ACCESS_LINE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/text_line.h"

enum access_format { ACCESS_COMBINED, ACCESS_JSON };

/* A time that did not come. */
#define ACCESS_NEVER UINT64_MAX

/* Texts are the caller's; NULL or "": there is none. */
struct access_entry {
    struct timespec began;
    const char *kind;     /* "http"; of a connection "ws", "tcp", "tls" */
    const char *visitor;  /* address */
    const char *user;     /* whose password or token was right */
    const char *client, *service;
    unsigned number;      /* of the stream; 0: none was opened */
    const char *method, *target, *version, *host, *referer, *agent; /* of a request */
    unsigned status;      /* 0: none was said */
    bool secure;
    uint64_t bytes_in, bytes_out; /* bodies: from the visitor, to the visitor */
    uint64_t queue_us;    /* from its first line until a stream was opened or taken for it */
    uint64_t connect_us;  /* from then until the client had a connection to its service */
    uint64_t first_us;    /* from its first line until the service's answer began */
    uint64_t total_us;
    const char *error;    /* why it did not go well: the name in the protocol's table */
};

/* Combined Log Format with the service, the seconds it took, and the error behind it; or a JSON object. Ends in '\n'. */
void access_line_write(struct text_line *out, enum access_format format, const struct access_entry *e);

#endif
