/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pace: keeps one request or upgraded connection within the bandwidth of its service and its client. Who moves bytes says
 * so afterwards, and waits when the pace says so until it is called: others that share the bandwidth get their turn in
 * between. One worker's own.
 */
#ifndef SERVER_PACE_H
#define SERVER_PACE_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>

#include "server/edge.h"

struct worker;

struct pace_way {
    struct event timer;
    bool waiting;
    void (*go)(void *ctx);
    void *ctx;
};

struct pace {
    struct worker *worker;
    const struct edge_rules *rules; /* outlives it */
    struct pace_way way[METER_WAYS];
};

/* NULL without memory. */
struct pace *pace_create(struct worker *w, const struct edge_rules *rules);
void pace_free(struct pace **p); /* NULL is allowed */
/* Whom to call when a way is free again. */
void pace_on_go(struct pace *p, enum meter_way way, void (*go)(void *ctx), void *ctx);

/* For all below NULL is no limit. How many bytes to move at once, `max` at most. */
size_t pace_portion(const struct pace *p, enum meter_way way, size_t max);
/* So many were moved. True: wait until `go` is called. */
bool pace_moved(struct pace *p, enum meter_way way, size_t bytes);
bool pace_waits(const struct pace *p, enum meter_way way);

#endif
