/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two ends of a stream inside this program (conduit and tap, each on its own worker) say to each other. An end
 * gathers in its outbox what it has to say during a turn; at the turn's end it leaves as one mail, a parcel, in order.
 *
 * Each end says goodbye exactly once, as its last word, and is freed only after it has also heard the other's: so no
 * parcel is ever delivered to an end that is gone, and nothing is locked or counted. The parcel for the goodbye is kept
 * from the start: saying it needs no memory.
 */
#ifndef PEER_PARCEL_H
#define PEER_PARCEL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/chunk.h"
#include "base/worker.h"
#include "wire/error.h"

#define PARCEL_SLICES 5

struct parcel {
    struct mail mail;
    void *to;                   /* the end that gets it */
    size_t credit;              /* to a tap: bytes consumed; to a conduit: bytes sent */
    const struct error *reason; /* goodbye; NULL: not yet */
    bool accepted, fin, refuse;
    unsigned char count;
    struct slice slices[PARCEL_SLICES];
};

/* Parcels of one shard that wait for their next use. */
struct parcel_pool {
    struct list free;
    unsigned count;
};

void parcel_pool_init(struct parcel_pool *pool);
void parcel_pool_done(struct parcel_pool *pool);
/* Back to the pool of the worker that got it; releases the slices that were not taken. */
void parcel_release(struct parcel_pool *pool, struct parcel *p);

/* The outboxes of one shard that have gathered something, and the hook that posts for them. */
struct post_office {
    struct parcel_pool pool;
    struct list waiting;
    struct turn turn;
    struct worker *worker;
};

void post_office_init(struct post_office *office, struct worker *worker);
void post_office_done(struct post_office *office);
/* Posts all that was gathered, now. */
void post_office_post(struct post_office *office);

struct outbox {
    struct list node; /* in the office's waiting list while `parcel` is not NULL */
    struct post_office *office;
    struct worker *to_worker;
    void *to; /* an address: never followed on this side */
    void (*deliver)(struct worker *self, struct mail *m);
    struct parcel *parcel;  /* being gathered */
    struct parcel *goodbye; /* NULL: said */
};

/* `pool`: of the worker that calls. False without memory. The address must be told before anything is said. */
bool outbox_init(struct outbox *o, struct parcel_pool *pool, void (*deliver)(struct worker *self, struct mail *m))
    __attribute__((warn_unused_result));
void outbox_done(struct outbox *o);
/* `office`: of the worker that will speak. */
void outbox_address(struct outbox *o, struct post_office *office, struct worker *to_worker, void *to);

/*
 * Each adds to the parcel that is being gathered. False: no memory, and nothing was added (the slice is released all
 * the same); the speaker then says goodbye. After the goodbye all is dropped, and true.
 */
bool outbox_data(struct outbox *o, struct slice bytes, bool fin) __attribute__((warn_unused_result));
bool outbox_credit(struct outbox *o, size_t bytes) __attribute__((warn_unused_result));
bool outbox_accepted(struct outbox *o) __attribute__((warn_unused_result));
/* The last word: posted at once, after all that was gathered. */
void outbox_goodbye(struct outbox *o, const struct error *reason, bool refuse);
static inline bool outbox_said_goodbye(const struct outbox *o) { return o->goodbye == NULL; }

#endif
