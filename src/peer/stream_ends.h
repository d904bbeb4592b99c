/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ends that a stream has inside this program, private to this layer: the conduit on its user's worker, and the
 * tap on the session's owner, where the stream comes out of the mux. What they say to each other are parcels.
 */
#ifndef PEER_STREAM_ENDS_H
#define PEER_STREAM_ENDS_H

#include "mux/mux.h"
#include "peer/shard.h"

struct conduit {
    OBJECT_MAGIC;
    struct list node; /* in its shard's */
    struct outbox out;
    struct hub_shard *shard; /* the user's */
    const struct conduit_events *events;
    void *ctx;
    struct slice_queue input;
    size_t room;     /* bytes that may be written */
    size_t consumed; /* bytes of credit that the tap was not told of yet */
    const struct error *ended;
    struct conduit_peer peer;
    unsigned number;
    bool fin_said, fin_heard;
    bool goodbye_heard;
    bool closed;     /* by its user: no callback any more */
    bool delivering; /* a parcel is being read: not freed now */
};
#define CONDUIT_MAGIC 0x6d636f6e

struct tap {
    OBJECT_MAGIC;
    struct list node; /* in its shard's */
    struct outbox out;
    struct hub_shard *shard;   /* the session's owner */
    struct mux_stream *stream; /* NULL: over, or not opened yet */
    const struct peer_session *through; /* valid while `stream` is, and if it was opened here */
    char service[NAME_MAX_BYTES + 1];
};
#define TAP_MAGIC 0x6d746170

/* The two ends of a new stream, in no list yet, made on the worker of `here`. False without memory. */
bool stream_ends_create(struct hub_shard *here, struct hub_shard *user, struct hub_shard *owner, struct conduit **c,
                        struct tap **t);
/* Each end takes its place in its shard, on its own worker. */
void conduit_settle(struct conduit *c);
void tap_settle(struct tap *t);
/* Frees without a goodbye: when nothing was said yet, or the workers have stopped. NULL is allowed. */
void conduit_free(struct conduit **c);
void tap_free(struct tap **t);

/* Of the ends' own files. */
struct conduit *conduit_create(struct hub_shard *here, struct hub_shard *user);
struct tap *tap_create(struct hub_shard *here, struct hub_shard *owner);
void conduit_deliver(struct worker *self, struct mail *m);
void tap_deliver(struct worker *self, struct mail *m);

/* The stream's events for mux_open() and mux_attach(); ctx is the tap. */
extern const struct mux_stream_events tap_stream_events;
/* The stream could not be opened. */
void tap_refused(struct tap *t, const struct error *why);

/* `peer` opens `stream` to us: makes both ends and sends the conduit to the worker that the program chooses. */
void stream_arrived(struct hub_shard *owner, struct mux_stream *stream, const struct open_head *head,
                    const struct conduit_peer *peer);

#endif
