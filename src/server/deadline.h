/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines of one worker. All of a kind last equally long, so each kind is a list in the order of its ends: setting
 * one is a move to the end of a list, and one timer serves all. The worker's own.
 */
#ifndef SERVER_DEADLINE_H
#define SERVER_DEADLINE_H

#include <stdint.h>

#include "base/list.h"
#include "base/worker.h"

struct event;

enum deadline_kind {
    DEADLINE_HEAD,     /* the rest of a request's head, from its request line on; the first request line */
    DEADLINE_IDLE,     /* a visitor's connection between two requests */
    DEADLINE_CONTINUE, /* a service that was asked with Expect: 100-continue */
    DEADLINE_ANSWER,   /* the head of a service's answer, from the end of the request on */
    DEADLINE_STALL,    /* a body that does not move */
    DEADLINE_SILENCE,  /* a service that says nothing in the middle of its answer, as event streams do */
    DEADLINE_HOLD,     /* a visitor who waits for a client to come back */
    DEADLINE_UPGRADE,  /* the last bytes to an upgraded connection whose stream was cut */
    DEADLINE_STREAM,   /* an idle stream in the pool */
    DEADLINE_ARRIVAL,  /* a front proxy's head, the first TLS message, and where it leads */
    DEADLINE_HANDSHAKE, /* of TLS */
    DEADLINE_LINGER,   /* a TLS connection whose last word was said */
    DEADLINE_ACCEPT,   /* no descriptors are left: until it is tried again */
    DEADLINE_KINDS
};

struct deadline {
    struct list node;
    uint64_t at_us;
};

struct deadlines {
    struct worker *worker;
    struct event *timer;
    uint64_t armed_us;
    struct deadline_queue {
        struct list entries;
        uint64_t lasts_us;
        void (*expired)(struct deadline *d); /* `d` is not set any more */
    } queue[DEADLINE_KINDS];
};

/* 0 or ENOMEM. */
int deadlines_init(struct deadlines *ds, struct worker *w);
void deadlines_done(struct deadlines *ds);
/* Before any is set, and again: those that are set end so much sooner or later, too. */
void deadlines_kind(struct deadlines *ds, enum deadline_kind kind, uint64_t lasts_us,
                    void (*expired)(struct deadline *));

static inline void deadline_init(struct deadline *d) { list_init(&d->node); }
/* From now on; replaces what was set, whatever its kind. */
void deadline_set(struct deadlines *ds, enum deadline_kind kind, struct deadline *d);
static inline void deadline_clear(struct deadline *d) { list_remove(&d->node); }

#endif
