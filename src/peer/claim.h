/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims: presence says that an instance is some client, and nothing is proven. Anybody who may publish can say so; so a
 * claim counts for nothing until a session with the instance has come up and the program has admitted its key for the id.
 * Then it becomes an entry of every shard's directory, and the claim is over.
 *
 * A claim waits on the shard that would own the session; it is tried at once, and again with growing pauses when that
 * failed. Bounded by INSTANCES_MAX. Private to this layer.
 */
#ifndef PEER_CLAIM_H
#define PEER_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/table.h"

struct hub_shard;

struct claims {
    struct table by_name; /* "ID/INSTANCE" */
    struct list all;
};

/* False without memory. */
bool claims_init(struct claims *c);
void claims_done(struct claims *c);

/* Presence said so; `delay_us`: when it is tried first. When it is said again after failures, the pauses begin anew. */
void claim_add(struct hub_shard *s, const char *id, const char *instance, uint64_t delay_us);
/* Proven, or its presence is gone. */
void claim_remove(struct hub_shard *s, const char *id, const char *instance);
/* Its session has ended before anything was proven. */
void claim_failed(struct hub_shard *s, const char *id, const char *instance);
/* All are tried again at once: who is admitted may have changed. */
void claims_retry(struct hub_shard *s);
/* The link is gone: what is still there will say so again. */
void claims_clear(struct hub_shard *s);

#endif
