/* SPDX-License-Identifier: Apache-2.0 */
/* One timer for all deadlines of a worker. */
#include "server/deadline.h"

#include <errno.h>
#include <event2/event.h>

#include "base/clock.h"

static void deadlines_arm(struct deadlines *ds, uint64_t at_us)
{
    uint64_t now = worker_now_us(ds->worker), left = at_us > now ? at_us - now : 0;
    struct timeval tv = {(time_t)(left / US_PER_S), (suseconds_t)(left % US_PER_S)};

    ds->armed_us = at_us;
    event_add(ds->timer, &tv);
}

static void queue_expire(struct deadline_queue *q, uint64_t now)
{
    while (!list_empty(&q->entries)) {
        struct deadline *d = CONTAINER_OF(q->entries.next, struct deadline, node);
        if (d->at_us > now)
            return;
        deadline_clear(d);
        q->expired(d);
    }
}

static void deadlines_run(evutil_socket_t fd, short what, void *ctx)
{
    struct deadlines *ds = ctx;
    uint64_t next = CLOCK_NEVER;

    (void)fd, (void)what;
    ds->armed_us = CLOCK_NEVER;
    for (int i = 0; i < DEADLINE_KINDS; i++) {
        struct deadline_queue *q = &ds->queue[i];
        queue_expire(q, worker_now_us(ds->worker));
        if (list_empty(&q->entries))
            continue;
        uint64_t at = CONTAINER_OF(q->entries.next, struct deadline, node)->at_us;
        next = at < next ? at : next;
    }
    if (next < ds->armed_us)
        deadlines_arm(ds, next);
}

int deadlines_init(struct deadlines *ds, struct worker *w)
{
    *ds = (struct deadlines){.worker = w, .armed_us = CLOCK_NEVER};
    for (int i = 0; i < DEADLINE_KINDS; i++)
        list_init(&ds->queue[i].entries);
    ds->timer = event_new(worker_events(w), -1, 0, deadlines_run, ds);
    return ds->timer == NULL ? ENOMEM : 0;
}

void deadlines_done(struct deadlines *ds)
{
    if (ds->timer != NULL)
        event_free(ds->timer);
    ds->timer = NULL;
}

void deadlines_kind(struct deadlines *ds, enum deadline_kind kind, uint64_t lasts_us,
                    void (*expired)(struct deadline *))
{
    struct deadline_queue *q = &ds->queue[kind];

    LIST_FOREACH(node, &q->entries)
        CONTAINER_OF(node, struct deadline, node)->at_us += lasts_us - q->lasts_us;
    q->lasts_us = lasts_us;
    q->expired = expired;
    if (list_empty(&q->entries))
        return;
    uint64_t at_us = CONTAINER_OF(q->entries.next, struct deadline, node)->at_us;
    if (at_us < ds->armed_us)
        deadlines_arm(ds, at_us);
}

void deadline_set(struct deadlines *ds, enum deadline_kind kind, struct deadline *d)
{
    struct deadline_queue *q = &ds->queue[kind];

    list_remove(&d->node);
    d->at_us = worker_now_us(ds->worker) + q->lasts_us;
    list_append(&q->entries, &d->node);
    if (d->at_us < ds->armed_us)
        deadlines_arm(ds, d->at_us);
}
