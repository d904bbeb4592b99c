/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Book: the last records of a program, in the order of their numbers and in that of their last changes. Bounded in number and
 * bytes: the oldest make room. Any thread; all but create and free with the lock held, which nobody holds for longer than
 * it takes to copy what is there.
 */
#ifndef INSPECT_BOOK_H
#define INSPECT_BOOK_H

#include "inspect/record.h"

#define BOOK_MAGIC 0x424f4f4b

struct book_limits {
    size_t records, bytes; /* bytes: what the records take */
};

struct book {
    OBJECT_MAGIC;
    struct list by_number, by_change;
    struct book_limits limits;
    size_t count, bytes;
    uint64_t number, revision; /* the last ones given */
    struct book_lock *lock;
};

/* NULL without memory. */
struct book *book_create(const struct book_limits *limits);
/* After everybody has given back their records. */
void book_free(struct book **b);
void book_lock(struct book *b);
void book_unlock(struct book *b);

/* A new record that begins now, with a reference for the caller. NULL without memory. */
struct record *book_add(struct book *b, const char *service, const char *visitor, uint64_t replay_of);
/* Gives the reference back. *r becomes NULL; NULL is allowed. */
void book_give_back(struct book *b, struct record **r);
/* NULL: there is none with that number (any more). */
struct record *book_find(const struct book *b, uint64_t number);
/* It is not as it was: it gets the next revision. */
void book_change(struct book *b, struct record *r);
/* Takes `len` bytes of head; at most once for each message. False: it is not kept, or there is no memory. */
bool book_keep_head(struct book *b, struct record *r, struct record_message *m, const char *head, size_t len);
/* Counts bytes of body, and keeps the first ones. */
void book_keep_body(struct book *b, struct record *r, struct record_message *m, const void *bytes, size_t len);
/* A frame like `facts`, with facts->len bytes of payload: the last one of the record. */
void book_keep_frame(struct book *b, struct record *r, const struct record_frame *facts, const void *payload);
/* Its end, with the state DONE or CUT and the reason of a cut. */
void book_end(struct book *b, struct record *r, enum record_state state, const char *why);
/* Forgets all records. */
void book_clear(struct book *b);

#endif
