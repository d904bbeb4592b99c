/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker is a thread with an event loop (libevent) and a mailbox. Every object has exactly one owner worker, and only
 * that worker touches it; what crosses is a mail. Mail to oneself takes the same way.
 *
 * One turn of the loop:
 *   1. socket events and timers that are due run;
 *   2. mail is delivered and TURN_WORK hooks run, until neither has anything left (bounded rounds);
 *   3. TURN_FLUSH hooks run: streams that have something to say are packed into envelopes;
 *   4. TURN_WRITE hooks run: what was queued for sockets is written;
 *   5. mail posted to other workers during the turn leaves: one lock and at most one wake for each receiver.
 */
#ifndef BASE_WORKER_H
#define BASE_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct event_base;
struct worker;

/* Intrusive. The mailbox owns it from the post until deliver() or discard() is called; those own it then. */
struct mail {
    struct list node;
    void (*deliver)(struct worker *self, struct mail *m); /* on the receiving worker */
    void (*discard)(struct mail *m);                      /* instead, when the receiver has stopped; any thread */
};

enum turn_phase { TURN_WORK, TURN_FLUSH, TURN_WRITE, TURN_PHASES };

/* A hook at the end of the turn; embedded in the object that wants it. */
struct turn {
    struct list node;
    void (*run)(struct turn *t);
};

/* `name` (copied, 15 bytes are shown) names the thread; `index` counts the program's workers from 0. NULL without memory. */
struct worker *worker_create(const char *name, unsigned index);
/*
 * Starts the thread, which takes no signals. 0 or an errno. Objects for the worker may be made before, by the starting
 * thread.
 */
int worker_start(struct worker *w);
/*
 * Asks the loop to end after a last turn; any thread, idempotent, never blocks. Mail that the calling thread (if it is
 * no worker) posted before is still delivered.
 */
void worker_close(struct worker *w);
/* Closes, waits for the thread to end (not from the worker itself), discards the mail left, cancels the turns left. */
void worker_stop(struct worker *w);
/* Stops first where that is missing. Workers that post to each other are all stopped before one of them is freed. */
void worker_free(struct worker **w);

/* CPU time of its thread so far, microseconds; any thread, between start and stop. */
uint64_t worker_cpu_us(const struct worker *w);
unsigned worker_index(const struct worker *w);
/* The calling thread's worker; NULL on a thread that is none. */
struct worker *worker_self(void);
/*
 * For events of the worker's own objects; the worker only, or any one thread before the start and after the stop. Event
 * timers have milliseconds and may fire up to 4 ms early by worker_now_us(): a timer says "look at the deadlines now".
 */
struct event_base *worker_events(struct worker *w);
/* Monotonic microseconds, read once a turn; the worker only. */
uint64_t worker_now_us(struct worker *w);

/*
 * Posts mail; any thread, never blocks. Mail from one thread to one worker arrives in order.
 * worker_post() always takes it: for what a credit or a handshake already bounds (data, closing, replies).
 * worker_post_new() refuses (false; `m` stays the caller's) when WORKER_MAIL_MAX mails wait: for new work.
 */
void worker_post(struct worker *to, struct mail *m);
bool worker_post_new(struct worker *to, struct mail *m) __attribute__((warn_unused_result));

/* Runs `t->run` once at the end of this turn; asking again before it ran changes nothing. The worker only. */
void turn_init(struct turn *t, void (*run)(struct turn *t));
void worker_at_turn(struct worker *w, enum turn_phase phase, struct turn *t);
void turn_cancel(struct turn *t);

#endif
