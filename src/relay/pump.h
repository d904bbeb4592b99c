/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pump: between a local socket and its conduit. Bytes go through as they come, half-close and abort in both directions
 * included:
 *
 *     socket                       other end
 *     bytes           ->           data             stops at conduit_room() 0
 *     end             ->           fin
 *     reset           ->           reset (pump.cut_reason)
 *     bytes           <-           data             credit goes back when the kernel has taken them
 *     shutdown        <-           fin              after all that came before
 *     reset           <-           any other end
 *
 * A part of a connection's object, which owns it; everything is on one worker. The owner hands the conduit's events on
 * (pump_readable, pump_writable, pump_ended). Each function may end the pump: `done` is called once, as the last thing,
 * with the socket and the conduit closed, and may free the pump. Less than 1 KiB each when idle.
 */
#ifndef RELAY_PUMP_H
#define RELAY_PUMP_H

#include <event2/event_struct.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/chunk.h"
#include "base/object.h"
#include "base/worker.h"
#include "peer/conduit.h"

#define PUMP_MAGIC 0x70756d70

/* What the pumps of one worker share. */
struct pump_room {
    struct worker *worker;
    struct chunk *scratch; /* LOCAL_READ_BYTES to read into; NULL: made when needed; the owner releases it */
};

/* What has passed, for other threads to read. */
struct pump_meter {
    atomic_ullong to, from; /* the socket */
};

/* Somebody who looks at what passes, and keeps none of it. */
struct pump_tap {
    void (*to)(void *ctx, const void *bytes, size_t len); /* the socket has taken them */
    void (*from)(void *ctx, const void *bytes, size_t len);
    void (*from_finished)(void *ctx);
};

struct pump {
    OBJECT_MAGIC;
    struct pump_room *room;
    struct conduit *conduit;
    void (*done)(void *ctx, const struct error *reason); /* error_none: both directions have finished */
    void *ctx;
    const struct error *cut_reason; /* what the other end is told when the socket is reset */
    uint64_t linger_us; /* the socket takes no more, though more comes: how long its own bytes are still passed on */
    int fd;             /* -1: not yet, or done with */
    uint64_t bytes_to, bytes_from; /* the socket */
    struct pump_meter *meter;      /* NULL: none; set after pump_init() */
    const struct pump_tap *tap;    /* likewise */
    void *tap_ctx;
    uint64_t moved_us;             /* when the last byte moved */
    bool started;      /* there is, or was, a socket */
    bool answering;    /* that was from the socket */
    bool reading;      /* false: there is no room, or nothing more to read */
    bool read_done;    /* the socket has finished, and the other end knows */
    bool write_done;   /* the other end has finished, and the socket knows, or does not want to */
    bool write_broken; /* the socket takes no more: what comes is dropped */
    bool reset;        /* it said so with a reset: an end of its own bytes is none */
    bool lingering;    /* `writable` is a timer */
    struct event readable, writable;
};

/* Takes the conduit over; no socket yet: what comes waits in the conduit. */
void pump_init(struct pump *p, struct pump_room *room, struct conduit *c, const struct error *cut_reason,
               uint64_t linger_us, void (*done)(void *ctx, const struct error *reason), void *ctx);
/* The connected, non-blocking socket, the pump's from now on: what has come already is written at once. */
void pump_start(struct pump *p, int fd);
/* The conduit's news, for its events. */
void pump_readable(struct pump *p);
void pump_writable(struct pump *p);
void pump_ended(struct pump *p, const struct error *reason);
/* Cuts both ways (politely with error_none): the stream ends with `reason`. */
void pump_cut(struct pump *p, const struct error *reason);
/* Closes both directions politely; the stream ends when the other end agrees. */
void pump_finish(struct pump *p);
/* All that came was written, and the socket said the last word. */
bool pump_is_quiet(const struct pump *p);

#endif
