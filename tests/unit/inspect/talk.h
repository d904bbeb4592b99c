/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's conversation, cut into pieces of any size. */
#ifndef TESTS_UNIT_INSPECT_TALK_H
#define TESTS_UNIT_INSPECT_TALK_H

#include "inspect/capture.h"

struct talk {
    char way; /* '>' to the service, '<' from it, '.' the service has finished */
    const char *bytes;
    size_t len; /* 0: as long as the string */
};

/* The whole conversation, in pieces of at most `step` bytes; then the connection ends because of `why`. */
static inline void talk_play(struct book *b, const struct talk *talk, size_t count, size_t step, const char *why)
{
    struct capture *c = capture_create(b, "shop", "192.0.2.1");
    for (size_t i = 0; i < count; i++) {
        size_t len = talk[i].len > 0 ? talk[i].len : strlen(talk[i].bytes);
        if (talk[i].way == '.')
            capture_finished(c);
        for (size_t at = 0, n; at < len; at += n) {
            n = len - at < step ? len - at : step;
            if (talk[i].way == '>')
                capture_request(c, talk[i].bytes + at, n);
            else
                capture_response(c, talk[i].bytes + at, n);
        }
    }
    capture_end(&c, why);
}

static inline struct record *talk_record(struct book *b, uint64_t number)
{
    return book_find(b, b->number - b->count + number);
}

#endif
