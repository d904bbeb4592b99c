/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Record: one request and its answer as they passed, with what was kept of their bodies, and the frames where it became a
 * WebSocket. Records are in a book (inspect/book.h), whose lock guards them.
 */
#ifndef INSPECT_RECORD_H
#define INSPECT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "mdm-tunnel/limits.h"
#include "wire/http_request.h"

#define RECORD_MAGIC 0x5245434f

enum record_state {
    RECORD_OPEN, /* the answer is not complete */
    RECORD_DONE,
    RECORD_CUT, /* it never will be: `why` */
};

/* As it passed. */
struct record_message {
    char *head; /* heap, with its empty line; NULL: none */
    uint32_t head_len;
    uint8_t *body; /* heap: the first bytes of it, without chunked coding */
    uint32_t body_len, body_size;
    uint64_t body_bytes; /* all that passed */
    bool whole;          /* its end has passed */
};

struct record_frame {
    struct list node;
    int64_t time_us; /* since 1970 */
    uint64_t bytes;  /* of its payload */
    bool from_service, fin, compressed, whole;
    uint8_t opcode; /* RFC 6455 5.2 */
    uint16_t len;   /* what is kept of its payload, unmasked */
    uint8_t payload[];
};

struct record {
    OBJECT_MAGIC;
    struct list by_number, by_change; /* the book's */
    unsigned refs;
    bool kept; /* in the book; else nothing is added any more */
    uint64_t number, revision;
    uint64_t replay_of; /* the number of the one that was sent again; 0: a visitor's */
    size_t cost;        /* bytes of memory */
    char service[NAME_MAX_BYTES + 1], visitor[64];
    int64_t time_us; /* since 1970: the first byte of the request */
    uint64_t began_us, sent_us, first_us, ended_us; /* CLOCK_MONOTONIC: its first byte, its last one (0: not yet), the
                                                       answer's first (0) and last one (0) */
    enum record_state state;
    char why[160];
    bool to_head, upgraded, websocket;
    unsigned status; /* 0: no answer yet */
    struct record_message request, response;
    struct list frames;
    unsigned frames_kept;
    uint64_t frames_seen;
};

/* Its request line; empty before the head has come. */
struct http_text record_method(const struct record *r);
struct http_text record_target(const struct record *r);

/* The fields of a message's head, which point into it. */
struct record_fields {
    size_t count;
    struct http_field at[HTTP_FIELDS_MAX];
};
void record_request_fields(const struct record *r, struct record_fields *out);
void record_response_fields(const struct record *r, struct record_fields *out);
/* The value of the first one; .at NULL: none. */
struct http_text record_field(const struct record_fields *f, const char *lower_case);

/* Microseconds to the end, or to `now_us` while it is open. */
uint64_t record_duration_us(const struct record *r, uint64_t now_us);

#endif
