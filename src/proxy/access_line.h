/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of the proxy's access log: what one session of MQTT was, or one request of HTTP, at its end. Pure. All that a client said is
 * escaped and cut.
 */
#ifndef PROXY_ACCESS_LINE_H
#define PROXY_ACCESS_LINE_H

#include <stdbool.h>

#include "base/line_fields.h"
#include "wire/http.h"

/* Texts are the caller's; len 0: there is none, and nothing is said. */
struct proxy_access {
    struct timespec began;
    const char *kind;     /* "mqtt", "http" */
    const char *address, *listener;
    struct http_text version;     /* "3.1", "3.1.1", "5"; "HTTP/1.1"; none before CONNECT */
    struct http_text client, user, certificate; /* its id; its name; the certificate's common name */
    struct http_text method, host, target; /* of a request */
    bool answered;
    unsigned code;        /* of CONNACK, or HTTP's status */
    uint64_t messages_up, messages_down; /* PUBLISH; of MQTT only */
    uint64_t bytes_up, bytes_down;       /* all of a session; bodies of HTTP; frames */
    uint64_t total_us;
    const char *end;      /* why it ended; "": it was answered */
};

/* Ends in '\n'. */
void proxy_access_write(struct text_line *out, enum line_format format, const struct proxy_access *a);

#endif
