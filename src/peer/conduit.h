/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conduit: a stream as its user sees it, on the user's own worker, whichever worker owns the session. What the user
 * says travels as mail to the session's owner and back; bytes are never copied on the way (slices move).
 *
 * All calls and callbacks are on the worker that the conduit was made on. Callbacks come from the mailbox, never from
 * inside a call below. After `ended`, or after conduit_close(), no callback comes any more.
 */
#ifndef PEER_CONDUIT_H
#define PEER_CONDUIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/chunk.h"
#include "base/fingerprint.h"
#include "base/psk.h"
#include "mdm-tunnel/limits.h"
#include "wire/error.h"
#include "wire/frame.h"

struct conduit;

/* Who opened a stream to us. */
struct conduit_peer {
    struct fingerprint key;       /* all zero: the session is not encrypted, or by a pre-shared key */
    char psk[PSK_NAME_BYTES + 1]; /* that key's name; "": not by one */
    bool guest;                   /* a workstation, not a server */
    char name[NAME_MAX_BYTES + 1]; /* its client id, or its instance where none is known */
    /* The session that it came through, for hub_open_back(). */
    char instance[INSTANCE_TEXT_BYTES + 1];
    uint32_t session;
    unsigned owner; /* the session's worker */
};

struct conduit_events {
    /* The other end reached its service (opener only). */
    void (*accepted)(void *ctx);
    /* Something can be read, or the other end finished (conduit_read_finished). Comes once for what has come since. */
    void (*readable)(void *ctx);
    /* conduit_room() was 0 and has grown. */
    void (*writable)(void *ctx);
    /* Over: error_none after both directions finished, else the reason. What had arrived can still be read. */
    void (*ended)(void *ctx, const struct error *reason);
};

/* Bytes that arrived and were not taken yet; the conduit's, taken with slice_queue_*, then conduit_consumed(). */
struct slice_queue *conduit_input(struct conduit *c);
/* Gives credit back for `n` bytes that the user is done with (not: has taken). */
void conduit_consumed(struct conduit *c, size_t n);
/* The other end has finished its direction and the input is complete. */
bool conduit_read_finished(const struct conduit *c);
/* Bytes that conduit_write() takes now. */
size_t conduit_room(const struct conduit *c);
/* Sends (takes the reference); `fin` ends this direction. At most conduit_room() bytes. */
void conduit_write(struct conduit *c, struct slice bytes, bool fin);
/* For the side that was opened to. */
void conduit_accept(struct conduit *c);
void conduit_refuse(struct conduit **c, const struct error *reason);
/* Cuts the stream (both ways) with a reason unless it has ended, and frees the conduit. *c becomes NULL. */
void conduit_close(struct conduit **c, const struct error *reason);
/* Other events for the rest of its life: an idle stream goes from one user to the next. */
void conduit_set_events(struct conduit *c, const struct conduit_events *events, void *ctx);
/* Whether `ended` has come. */
const struct error *conduit_ended(const struct conduit *c); /* NULL: alive */
/* For the side that was opened to; valid as long as the conduit. */
const struct conduit_peer *conduit_peer(const struct conduit *c);
/* A number for log lines, unique in this program's life. */
unsigned conduit_number(const struct conduit *c);

#endif
