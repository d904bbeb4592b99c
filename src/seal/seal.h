/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seal: TLS 1.3 between the bytes of a session (below) and its user (above), so that whoever carries the session reads
 * and changes nothing (mdm-tunnel-protocol(7), "Encryption"). It has the user's two functions of a session, pull and
 * push, on both sides: a session without encryption is wired without it.
 *
 *     session_events.pull -> seal_pull() -> seal_events.pull        session_events.push -> seal_push() -> seal_events.push
 *
 * Both ends prove something (seal/context.h); whether that is enough, the user decides in `proven`. The names of both ends
 * are a part of the handshake: it fails when somebody passes on what was meant for another.
 *
 * Pure: one owner, no thread, no time, no sockets, never blocks. Callbacks are made from the calls below.
 */
#ifndef SEAL_SEAL_H
#define SEAL_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/chunk.h"
#include "base/fingerprint.h"
#include "seal/context.h"
#include "wire/error.h"

struct seal;

/* Longest text that names the ends. */
#define SEAL_NAMES_MAX 200

struct seal_events {
    /* As in session_events: plain bytes. */
    size_t (*pull)(void *ctx, uint8_t *dst, size_t max);
    const struct error *(*push)(void *ctx, const struct slice *bytes);
    /* The peer has proven this; called once, before any plain byte goes either way. Non-NULL ends the session. */
    const struct error *(*proven)(void *ctx, const struct seal_peer *peer);
    /* seal_pull() has something to give. Idempotent. */
    void (*wake)(void *ctx);
};

/*
 * `initiator`: this end said HELLO first. `names`: 1 to SEAL_NAMES_MAX bytes, the same on both ends or they will not
 * agree. `id`: the client that the initiator wants to talk to, for whom it offers a pre-shared key if it has one; NULL: the
 * first that it has. NULL without memory. The context must outlive the seal.
 */
struct seal *seal_create(const struct seal_context *c, bool initiator, const char *names, const char *id,
                         const struct seal_events *events, void *ctx);
void seal_free(struct seal **s);
/* Responder, before the first push: the initiator may have said `names` instead; seal_peer.other says that it did. */
void seal_accept_other(struct seal *s, const char *names);

/* Writes up to `max` bytes of records at `dst`; returns how many, 0 when there is nothing to say or no room for it. */
size_t seal_pull(struct seal *s, uint8_t *dst, size_t max);
/* Bytes that arrived, in order. NULL, or the error that ends the session. */
const struct error *seal_push(struct seal *s, const struct slice *bytes);
/* Non-NULL: the session has to end with it; seal_pull() gives nothing any more. */
const struct error *seal_failed(const struct seal *s);
/* Whether plain bytes flow. */
bool seal_established(const struct seal *s);

#endif
