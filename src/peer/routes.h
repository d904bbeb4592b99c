/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes: which worker owns the sessions of an instance, so that an envelope finds its session wherever it arrives.
 * Each shard has a replica of its own, kept by message. Pure.
 */
#ifndef PEER_ROUTES_H
#define PEER_ROUTES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/table.h"
#include "mdm-tunnel/limits.h"

struct peer_session;

struct route {
    struct list node;
    uint32_t session;
    unsigned weight; /* what the instance said in that session; 1 at first */
    unsigned owner;            /* worker index */
    struct peer_session *here; /* on the owner's own replica; NULL elsewhere */
};

struct routes {
    uint64_t key[2];
    struct table peers, places; /* by instance; by its place */
    struct list all;
};

/* False without memory. */
bool routes_init(struct routes *r, const uint64_t key[static 2]);
void routes_done(struct routes *r);
/* False without memory. Adding what is there changes nothing. */
bool routes_add(struct routes *r, const char *instance, uint32_t session, unsigned owner, struct peer_session *here)
    __attribute__((warn_unused_result));
/* What the instance said of its share; 1 when it has said nothing. */
void routes_weigh(struct routes *r, const char *instance, uint32_t session, unsigned weight);
unsigned routes_weight(const struct routes *r, const char *instance);
void routes_remove(struct routes *r, const char *instance, uint32_t session);
const struct route *routes_find(const struct routes *r, const char *instance, uint32_t session);
/* All routes of an instance, oldest first (a list of struct route); NULL: none. */
const struct list *routes_of(const struct routes *r, const char *instance);
/* The sessions with an instance that this shard owns; returns how many, at most ROUTES_HERE_MAX. */
#define ROUTES_HERE_MAX (SESSIONS_PER_INSTANCE_MAX + 1)
unsigned routes_here(const struct routes *r, const char *instance, struct peer_session *out[static ROUTES_HERE_MAX]);
/* The sessions that this shard owns with other instances in the same place, FORMER_SESSIONS_MAX at most. */
unsigned routes_former(const struct routes *r, const char *instance,
                       struct peer_session *out[static FORMER_SESSIONS_MAX]);
/* Wherever they are owned. */
unsigned routes_count(const struct routes *r, const char *instance);

#endif
