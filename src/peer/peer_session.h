/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session with a mux to one instance of a peer, on its owner worker; private to this layer. It binds the session to
 * the link (below), the mux to the taps (above), and both to the worker's turn and timer.
 */
#ifndef PEER_PEER_SESSION_H
#define PEER_PEER_SESSION_H

#include "mux/mux.h"
#include "peer/shard.h"
#include "seal/seal.h"
#include "session/session.h"

struct peer_session {
    OBJECT_MAGIC;
    struct list node;         /* in its shard's sessions */
    struct list waiting_node; /* in its shard's waiting while the link has no room */
    struct hub_shard *shard;
    struct session *session;
    struct seal *seal; /* between session and mux; NULL: not encrypted */
    struct mux *mux;
    const struct seal_peer *proof; /* the seal's: what the peer has proven */
    char name[NAME_MAX_BYTES + 1]; /* client id, or the instance where none is known */
    char instance[INSTANCE_TEXT_BYTES + 1];
    uint32_t id;
    char *topic; /* where its envelopes go */
    struct turn flush;
    struct event timer;
    uint64_t timer_us;    /* when the timer is set to; CLOCK_NEVER: it is not */
    uint64_t up_until_us; /* the handshake must be done by then */
    uint64_t former_until_us; /* another process runs in the peer's place: it must be up then; CLOCK_NEVER: none does */
    uint64_t idle_until_us;   /* without a stream it ends then (hub_config.linger_us); CLOCK_NEVER: it is needed */
    uint64_t up_us;           /* since when it is up */
    uint64_t bytes_to, bytes_from;
    const struct error *ended;
    bool first;            /* we have said HELLO */
    bool named;            /* `name` is a client id */
    bool up;               /* streams flow: keys are proven and admitted, here and there */
    bool absent;           /* its presence was cleared */
    bool carried;          /* what the session was last told of its carrier */
    bool inside;           /* a call into the session is being made */
    struct list questions; /* struct question that wait for what the peer offers */
    unsigned question_count;
    struct offering *offering; /* what the peer offers; NULL: it has not said yet */
};
#define PEER_SESSION_MAGIC 0x6d707365

/* The session with `instance` of client `id` that is owned here, made if there is none. NULL and *why. */
struct peer_session *peer_session_open(struct hub_shard *s, const char *id, const char *instance,
                                       const struct error **why);
/* Answers a peer's HELLO for a session that is not known here. NULL and *why. */
struct peer_session *peer_session_answer(struct hub_shard *s, const char *instance, uint32_t id,
                                         const struct error **why);
/* After the workers have stopped, before taps are freed. */
void peer_session_free(struct peer_session **ps);

/* Each of these may end the session and free it. */
void peer_session_receive(struct peer_session *ps, const struct slice *envelope);
void peer_session_writable(struct peer_session *ps);
/* Whether the instance is there (its presence). */
void peer_session_presence(struct peer_session *ps, bool there);
/* The link of the shard has come or gone. */
void peer_session_carrier(struct peer_session *ps);
/* Another process has come to the peer's place, so it has probably ended: it is asked, and has a moment to answer. */
void peer_session_former(struct peer_session *ps);
void peer_session_end(struct peer_session *ps, const struct error *reason);

/* Asks again whether the peer is admitted, and what is to be made of its offer. */
void peer_session_review(struct peer_session *ps);

void peer_session_goaway(struct peer_session *ps);
/* Says what the shard offers, if the session is up. */
void peer_session_offer(struct peer_session *ps);

#endif
