/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A round: something that every other shard has to apply, and a deed when all have. First member of what is to be told,
 * which is read-only while it is under way.
 */
#ifndef BROKER_ROUND_H
#define BROKER_ROUND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct broker_shard;
struct round;
struct round_mail;

struct round_kind {
    void (*apply)(struct broker_shard *at, struct round *r); /* on each other shard */
    void (*done)(struct round *r);                           /* at home, when all have applied it */
    void (*release)(struct round *r);                        /* frees it; last, on any thread */
};

struct round {
    const struct round_kind *kind;
    struct broker_shard *home;
    struct round_mail *mails; /* one for each other shard */
    size_t weight;            /* bytes that it counts for in each shard's `inbound` */
    atomic_uint out;          /* mails that have not come back */
    atomic_bool broken;       /* a shard has stopped: done() is not called */
};

/* Whether all other shards can take another `weight` bytes: for what clients can ask for as often as they like. */
bool round_fits(const struct broker_shard *home, size_t weight);
/* Makes the round's mails; false without memory (nothing to release then). */
bool round_init(struct round *r, const struct round_kind *kind, struct broker_shard *home, size_t weight);
/* Sends it round; takes it over. With one shard it is done at once. */
void round_start(struct round *r);
void round_done(struct round *r);

#endif
