/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A round: something that every other shard has to apply, and a deed when all have. First member of what is to be told,
 * which is read-only while it is under way.
 */
#ifndef BROKER_ROUND_H
#define BROKER_ROUND_H

#include <stdatomic.h>
#include <stdbool.h>

struct broker_shard;
struct round;
struct round_mail;

struct round_kind {
    void (*apply)(struct broker_shard *at, struct round *r); /* on each other shard */
    void (*done)(struct round *r);                           /* on the shard it started from, when all have applied it */
    void (*release)(struct round *r);                        /* frees it; last, on any thread */
};

struct round {
    const struct round_kind *kind;
    struct broker_shard *home;
    struct round_mail *mails; /* one for each other shard */
    atomic_uint out;          /* mails that have not come back */
    atomic_bool broken;       /* a shard has stopped: done() is not called */
};

/* Makes the round's mails; false without memory (nothing to release then). */
bool round_init(struct round *r, const struct round_kind *kind, struct broker_shard *home);
/* Sends it round; takes it over. With one shard it is done at once. */
void round_start(struct round *r);
void round_done(struct round *r);

#endif
