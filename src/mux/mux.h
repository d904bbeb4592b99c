/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mux: streams over the bytes of a session. Each stream has credit of its own, so a stalled reader stops only itself;
 * control frames go before data; data goes round-robin in quanta (mdm-tunnel-protocol(7), "Frames" and "Credit").
 * Either end opens. One owner, no thread, never blocks. Callbacks are made from the calls below.
 *
 * A stream object lives from mux_open()/`opened` until both directions have ended and its `ended` was called; after
 * `ended` the pointer is dead. The user calls nothing on the stream from inside `ended`.
 */
#ifndef MUX_MUX_H
#define MUX_MUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/chunk.h"
#include "wire/error.h"
#include "wire/frame.h"

struct mux;
struct mux_stream;

struct mux_stream_events {
    /* The other end connected the stream to its service (opener only). */
    void (*accepted)(void *ctx);
    /* Bytes arrived (takes references for what is kept); `fin`: the last ones. Bounded by the credit given. */
    void (*data)(void *ctx, const struct slice *bytes, bool fin);
    /* `bytes` more were taken out of the send queue: the user may send so many more. */
    void (*sent)(void *ctx, size_t bytes);
    /* Over: error_none when both directions finished, else why. Refusal by the other end also comes here. Called once, last. */
    void (*ended)(void *ctx, const struct error *reason);
};

struct mux_events {
    /* mux_pull() has something to give. Idempotent. */
    void (*wake)(void *ctx);
    /* The other end opens a stream. Set the events with mux_attach() before returning, then accept or refuse at any time. */
    void (*opened)(void *ctx, struct mux_stream *s, const struct open_head *head);
    /* The other end said what it offers. The list is valid during the call. */
    void (*services)(void *ctx, const struct service_entry *list, size_t count);
    /* The other end said its share among the instances of its client id. */
    void (*weight)(void *ctx, unsigned weight);
    /* The other end said what has become of a service's wish for a public port. Valid during the call. */
    void (*public_port)(void *ctx, const struct public_port *p);
    /* The other end takes no new streams. */
    void (*goaway)(void *ctx, const struct error *reason);
};

struct mux_config {
    bool opens_odd;         /* this side said HELLO first */
    size_t window_initial;  /* credit a stream starts with, each way (both sides use STREAM_WINDOW_INITIAL) */
    size_t window_max;      /* the credit may grow to this */
    unsigned streams_max;
    unsigned opens_max;     /* that the peer may open in a second, and at once; more are refused; 0: any number */
};

struct mux *mux_create(const struct mux_config *config, const struct mux_events *events, void *ctx);
/* Ends every stream with `reason` (its `ended` is called), then frees. */
void mux_free(struct mux **m, const struct error *reason);

/* -- the session's side -- */
size_t mux_pull(struct mux *m, uint8_t *dst, size_t max);
/* NULL, or the error that ends the session. `now_us` drives the growth of credit. */
const struct error *mux_push(struct mux *m, const struct slice *bytes, uint64_t now_us);
/* Non-NULL: the session has to end with it (no memory; the peer makes us answer and takes no answers). mux_push() says
 * the same, mux_pull() gives nothing any more. */
const struct error *mux_failed(const struct mux *m);
/* True while mux_pull() would give something. */
bool mux_has_output(const struct mux *m);

/* -- the user's side -- */
/* Opens a stream; data may follow at once. NULL and *why when not (limit, goaway, no memory). */
struct mux_stream *mux_open(struct mux *m, const struct open_head *head, const struct mux_stream_events *events,
                            void *ctx, const struct error **why);
void mux_attach(struct mux_stream *s, const struct mux_stream_events *events, void *ctx);
void mux_accept(struct mux_stream *s);
/* The stream is over at once; `ended` is not called. */
void mux_refuse(struct mux_stream *s, const struct error *reason);
/* Queues bytes (takes the reference) and, with `fin`, the end of this direction. At most window_initial bytes may be
 * queued that `sent` has not given back: more is the caller's bug. */
void mux_send(struct mux_stream *s, struct slice bytes, bool fin);
/* The user has consumed `n` bytes of what `data` brought: credit goes back to the other end. */
void mux_consumed(struct mux_stream *s, size_t n, uint64_t now_us);
/* Ends the stream at once, both ways; `ended` is not called. */
void mux_reset(struct mux_stream *s, const struct error *reason);
void mux_say_services(struct mux *m, const struct service_entry *list, size_t count);
void mux_say_weight(struct mux *m, unsigned weight);
void mux_say_public(struct mux *m, const struct public_port *p);
void mux_say_goaway(struct mux *m, const struct error *reason);

uint32_t mux_stream_id(const struct mux_stream *s);
unsigned mux_stream_count(const struct mux *m);

struct mux_stream_stats {
    bool answered;   /* the service was reached, or refused */
    size_t queued;   /* bytes that wait to be sent */
    uint64_t credit; /* bytes that may be sent */
    size_t unread;   /* bytes that were delivered and not consumed */
};
void mux_stream_stats(const struct mux_stream *s, struct mux_stream_stats *out);

/* Why a stream sends nothing now: rows for `status`. */
enum mux_blocked { MUX_BLOCKED_NOT, MUX_BLOCKED_NO_DATA, MUX_BLOCKED_CREDIT, MUX_BLOCKED_SESSION };
enum mux_blocked mux_stream_blocked(const struct mux_stream *s);
const char *mux_blocked_name(enum mux_blocked b);

#endif
