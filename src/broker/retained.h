/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replica of the retained messages of the whole broker. Every shard sees every retained message, but not in the same
 * order: the one with the higher stamp stays, so all replicas become equal. A cleared topic is remembered for a while.
 */
#ifndef BROKER_RETAINED_H
#define BROKER_RETAINED_H

#include "broker/message.h"
#include "broker/trie.h"

struct retained {
    struct trie trie;
    size_t count; /* messages, without the graves */
    struct list graves;
    size_t grave_count;
    struct list expiring; /* messages that expire some time */
    uint64_t swept_us;
};

bool retained_init(struct retained *r, const uint64_t key[2]);
void retained_done(struct retained *r);
/* Whether there is room for a message of this topic. */
bool retained_has_room(const struct retained *r, struct mqtt_span topic);
/* Keeps `m` (takes a reference), or forgets the topic if its payload is empty. False: no memory, or full. */
bool retained_put(struct retained *r, struct message *m);

/* Drops what has expired; for when there is no room. Does so once a second at most. */
void retained_sweep(struct retained *r, uint64_t now_us);

typedef void retained_found_fn(void *ctx, const struct message *m);
/* Calls `found` for each message that matches the filter and has not expired. It must not change the store. */
void retained_match(struct retained *r, struct mqtt_span filter, uint64_t now_us, retained_found_fn *found, void *ctx);

#endif
