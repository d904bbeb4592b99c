/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session: ordered, resumable bytes between two peers over any carrier of messages that may lose, repeat or reorder
 * them (mdm-tunnel-protocol(7), "Sessions"). It keeps every unacknowledged envelope, asks again for what is missing, and goes
 * on after the carrier was lost, for `grace`. What is in flight is bounded by an adaptive window (docs/architecture.md).
 *
 * Pure state machine: one owner, no thread, no clock of its own (time is an argument), never blocks. Callbacks are made
 * from the calls below (but session_create) and may not free the session; they may call session_wake and session_close.
 *
 * A session that has heard nothing for twice `idle_us` goes AWAY by itself and asks with HELLO; so does the user's
 * session_carrier_lost(). A HELLO that arrives says that the carrier is back. After `grace` AWAY it ends (session_lost).
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/chunk.h"
#include "wire/error.h"

struct session;

struct session_events {
    /* -- towards the carrier -- */
    /* Bytes of one envelope that surely fit now; 0: full, session_writable() will be called. */
    size_t (*room)(void *ctx);
    /* Sends one envelope (takes the reference, whatever happens). Losing it is allowed. */
    void (*send)(void *ctx, struct slice envelope);
    /* -- towards the user (the mux) -- */
    /* Writes up to `max` bytes that are to be sent at `dst`; returns how many, 0 when there is nothing to say. */
    size_t (*pull)(void *ctx, uint8_t *dst, size_t max);
    /* Bytes that arrived, in order, once (the callee takes references for what it keeps). Non-NULL ends the session. */
    const struct error *(*push)(void *ctx, const struct slice *bytes);
    /* The handshake is done; called once. */
    void (*up)(void *ctx);
    /* The session is over, for ever; called once, last. */
    void (*ended)(void *ctx, const struct error *reason);
    /* session_flush() is wanted at the end of this turn. Idempotent. */
    void (*wake)(void *ctx);
};

struct session_config {
    uint32_t id;          /* random, not 0; 0: answer the first HELLO (responder) */
    size_t max_envelope;  /* bytes with head: the smaller one of both sides counts */
    size_t window_max;    /* bytes unacknowledged at most */
    unsigned envelopes_max; /* envelopes unacknowledged at most; 0: no bound but the window */
    bool sealed;          /* the user encrypts its bytes: both sides do, or there is no session */
    uint64_t grace_us;    /* how long the carrier may be away */
    uint64_t idle_us;     /* heartbeat: an ACK is sent when nothing was sent for this long; twice this long without any
                             received byte means the way is dead (session_stalled becomes true); 0: none */
};

enum session_state { SESSION_NEW, SESSION_HELLO_SENT, SESSION_UP, SESSION_AWAY, SESSION_ENDED };

/* NULL without memory. `events` and `ctx` must outlive the session. */
struct session *session_create(const struct session_config *config, const struct session_events *events, void *ctx,
                               uint64_t now_us);
void session_free(struct session **s);

/* An envelope for this session arrived (its head was valid). Ignored when it is not for this id. */
void session_receive(struct session *s, const struct slice *envelope, uint64_t now_us);
/* The user has something to say. */
void session_wake(struct session *s);
/* Packs what there is to say into envelopes and sends them, as room and window allow. At the end of a turn. */
void session_flush(struct session *s, uint64_t now_us);
/* The carrier has room again. */
void session_writable(struct session *s);
/* The carrier is gone (nothing is sent any more) / is back (both sides say HELLO and resend what is missing). Idempotent;
 * `back` without `lost` before it says that what was on the way may be gone. */
void session_carrier_lost(struct session *s, uint64_t now_us);
void session_carrier_back(struct session *s, uint64_t now_us);
/* When session_tick() wants to be called next; CLOCK_NEVER if not at all. Changes only inside the calls of this header. */
uint64_t session_deadline(const struct session *s);
void session_tick(struct session *s, uint64_t now_us);
/* Says BYE (best effort) and ends; `ended` is called. Idempotent. */
void session_close(struct session *s, const struct error *reason, uint64_t now_us);

/* The envelope that tells a peer that there will be no such session (unknown to a RESUME, too many): .data is NULL without
 * memory. An answer to HELLO only: envelopes of unknown sessions are ignored. */
struct slice session_refusal(uint32_t id, const struct error *reason);

enum session_state session_state(const struct session *s);
uint32_t session_id(const struct session *s);
bool session_stalled(const struct session *s);

struct session_stats {
    uint64_t window, in_flight; /* bytes */
    uint64_t rtt_us, rtt_min_us;
    uint64_t rate;              /* delivered bytes a second */
    uint64_t sent, resent, received, duplicates;
    bool window_full;           /* that is what sending waits for */
};
void session_stats(const struct session *s, struct session_stats *out);

#endif
