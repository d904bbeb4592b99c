/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upstream: a stream to a service that speaks HTTP, used by one exchange at a time and kept idle in between, as any
 * proxy keeps connections. The pool is one worker's own; its bounds are IDLE_STREAMS_*.
 */
#ifndef SERVER_UPSTREAM_H
#define SERVER_UPSTREAM_H

#include <stdbool.h>

#include "peer/conduit.h"
#include "peer/hub.h"
#include "server/deadline.h"

struct exchange;
struct front;

#define UPSTREAM_MAGIC 0x75707374
#define POOL_BUCKETS 256

struct upstream {
    OBJECT_MAGIC;
    struct front *front;
    struct conduit *conduit;
    struct exchange *exchange; /* NULL: idle */
    struct lane *lane;         /* idle: where */
    struct list lane_node;
    struct deadline deadline;
    bool accepted; /* the service has the stream's bytes, or may have them */
    bool sole;   /* for one request only */
    bool reused; /* has served another exchange before: it may have ended meanwhile */
    struct hub_choice at;
    char client[64], service[64];
};

struct pool {
    struct list bucket[POOL_BUCKETS]; /* lanes with idle streams, one a service of an instance */
    unsigned idle;
};

void pool_init(struct pool *p);
/* Closes the idle streams to a client, or (NULL) all. */
void pool_drop(struct pool *p, const char *client, const struct error *reason);

/* An idle stream for `ex`, or NULL. The one that was idle for the shortest time is taken. */
struct upstream *upstream_reuse(struct front *f, struct exchange *ex, const struct hub_choice *at, const char *service);
/* A new stream; NULL and *why. */
struct upstream *upstream_open(struct front *f, struct exchange *ex, const struct hub_choice *at,
                               const struct open_head *head, const struct error **why);
/* Between two exchanges: into the pool, or closed when it is full. *u becomes NULL. */
void upstream_keep(struct upstream **u);
/* Ends it (a stream that has not finished is reset with `reason`). *u becomes NULL; NULL is allowed. */
void upstream_close(struct upstream **u, const struct error *reason);
/* The stream goes to another user, who sets its events; *u becomes NULL. */
struct conduit *upstream_release(struct upstream **u);
void upstream_expired(struct deadline *d);

#endif
