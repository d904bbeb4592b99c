/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TXT records, asked for without waiting: c-ares in a worker's loop. What resolvers answer is anybody's; here it is taken apart, and
 * whoever asked sees each record's text, one after the other. All calls on the worker, or before it runs and after it has stopped.
 */
#ifndef SERVER_TXT_LOOKUP_H
#define SERVER_TXT_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>

struct txt_lookups;
struct worker;

enum txt_result {
    TXT_FOUND,  /* a record is what was looked for */
    TXT_NONE,   /* there is none, says a name server */
    TXT_FAILED, /* nobody has said */
};

struct txt_question {
    const char *name; /* copied */
    /* Whether this record is it: `len` bytes, its strings put together. */
    bool (*is)(void *ctx, const char *text, size_t len);
    /* Once, unless the lookups are freed first; maybe before txt_ask() returns. `why`: words for TXT_NONE and TXT_FAILED. */
    void (*done)(void *ctx, enum txt_result result, const char *why);
    void *ctx; /* outlives the answer */
};

/* `servers`: "ADDRESS[:PORT],..." of resolvers; NULL: the system's, as they are now. NULL and *why. */
struct txt_lookups *txt_lookups_create(struct worker *w, const char *servers, const char **why);
/* Nobody gets an answer any more. NULL is allowed. */
void txt_lookups_free(struct txt_lookups **l);
/* The caller bounds how many are under way. Without memory `done` hears of TXT_FAILED. */
void txt_ask(struct txt_lookups *l, const struct txt_question *q);

#endif
