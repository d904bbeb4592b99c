/* SPDX-License-Identifier: Apache-2.0 */
/* Notes: the mails that keep the shards' replicas of directory and routes alike. Private to this layer. */
#ifndef PEER_NOTE_H
#define PEER_NOTE_H

#include "peer/shard.h"

struct note {
    struct mail mail;
    void (*read)(struct hub_shard *s, const struct note *n); /* on each receiver */
    struct hub_shard *to;
    unsigned worker; /* the worker that the note is about */
    uint32_t session;
    uint64_t until_us;
    unsigned weight;
    struct offering *offering; /* NULL, or each copy has a reference */
    char id[NAME_MAX_BYTES + 1];
    char instance[INSTANCE_TEXT_BYTES + 1];
};

/* A note with the shard, the instance and the session that it is about. */
struct note note_about(const struct hub_shard *s, const char *instance, uint32_t session);
/* Sends copies of `n` to all other shards, or to those that have no link of their own. False: no memory for all. */
enum note_to { NOTE_TO_ALL, NOTE_TO_LINKLESS };
bool note_send(struct hub_shard *from, const struct note *n, enum note_to to);

#endif
