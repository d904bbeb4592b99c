/* SPDX-License-Identifier: Apache-2.0 */
/* Parcels between conduit and tap. */
#include "peer/parcel.h"

#include <stdlib.h>

#include "base/object.h"
#include "mdm-tunnel/limits.h"

static void parcel_empty(struct parcel *p)
{
    for (unsigned i = 0; i < p->count; i++)
        slice_done(&p->slices[i]);
}

static void parcel_discard(struct mail *m)
{
    struct parcel *p = CONTAINER_OF(m, struct parcel, mail);
    parcel_empty(p);
    free(p);
}

void parcel_pool_init(struct parcel_pool *pool)
{
    list_init(&pool->free);
    pool->count = 0;
}

void parcel_pool_done(struct parcel_pool *pool)
{
    for (struct list *n; (n = list_shift(&pool->free)) != NULL;)
        free(CONTAINER_OF(n, struct parcel, mail.node));
    pool->count = 0;
}

static struct parcel *parcel_create(struct parcel_pool *pool)
{
    struct list *n = list_shift(&pool->free);
    if (n == NULL)
        return malloc(sizeof(struct parcel));
    pool->count--;
    return CONTAINER_OF(n, struct parcel, mail.node);
}

void parcel_release(struct parcel_pool *pool, struct parcel *p)
{
    parcel_empty(p);
    if (pool->count >= PARCELS_KEPT_MAX) {
        free(p);
        return;
    }
    list_append(&pool->free, &p->mail.node);
    pool->count++;
}

static void office_run(struct turn *t) { post_office_post(CONTAINER_OF(t, struct post_office, turn)); }

void post_office_init(struct post_office *office, struct worker *worker)
{
    parcel_pool_init(&office->pool);
    list_init(&office->waiting);
    turn_init(&office->turn, office_run);
    office->worker = worker;
}

void post_office_done(struct post_office *office)
{
    turn_cancel(&office->turn);
    parcel_pool_done(&office->pool);
}

bool outbox_init(struct outbox *o, struct parcel_pool *pool, void (*deliver)(struct worker *self, struct mail *m))
{
    *o = (struct outbox){.deliver = deliver, .goodbye = parcel_create(pool)};
    list_init(&o->node);
    return o->goodbye != NULL;
}

void outbox_address(struct outbox *o, struct post_office *office, struct worker *to_worker, void *to)
{
    o->office = office;
    o->to_worker = to_worker;
    o->to = to;
}

void outbox_done(struct outbox *o)
{
    list_remove(&o->node);
    if (o->parcel != NULL)
        parcel_discard(&o->parcel->mail);
    free(o->goodbye);
    o->parcel = o->goodbye = NULL;
}

static void outbox_post(struct outbox *o)
{
    struct parcel *p = o->parcel;
    o->parcel = NULL;
    list_remove(&o->node);
    worker_post(o->to_worker, &p->mail);
}

void post_office_post(struct post_office *office)
{
    while (!list_empty(&office->waiting))
        outbox_post(CONTAINER_OF(office->waiting.next, struct outbox, node));
}

/* Begins to gather in `p`. */
static void outbox_begin(struct outbox *o, struct parcel *p)
{
    *p = (struct parcel){.mail = {.deliver = o->deliver, .discard = parcel_discard}, .to = o->to};
    list_init(&p->mail.node);
    o->parcel = p;
    if (list_empty(&o->office->waiting))
        worker_at_turn(o->office->worker, TURN_WORK, &o->office->turn);
    list_append(&o->office->waiting, &o->node);
}

static bool outbox_gather(struct outbox *o)
{
    if (o->parcel != NULL)
        return true;
    struct parcel *p = parcel_create(&o->office->pool);
    if (p == NULL)
        return false;
    outbox_begin(o, p);
    return true;
}

bool outbox_data(struct outbox *o, struct slice bytes, bool fin)
{
    if (outbox_said_goodbye(o)) {
        slice_done(&bytes);
        return true;
    }
    if (o->parcel != NULL && o->parcel->count == PARCEL_SLICES)
        outbox_post(o);
    if (!outbox_gather(o)) {
        slice_done(&bytes);
        return false;
    }
    if (bytes.len > 0)
        o->parcel->slices[o->parcel->count++] = bytes;
    else
        slice_done(&bytes);
    o->parcel->fin |= fin;
    return true;
}

bool outbox_credit(struct outbox *o, size_t bytes)
{
    if (outbox_said_goodbye(o))
        return true;
    if (!outbox_gather(o))
        return false;
    o->parcel->credit += bytes;
    return true;
}

bool outbox_accepted(struct outbox *o)
{
    if (outbox_said_goodbye(o))
        return true;
    if (!outbox_gather(o))
        return false;
    o->parcel->accepted = true;
    return true;
}

void outbox_goodbye(struct outbox *o, const struct error *reason, bool refuse)
{
    assert(!outbox_said_goodbye(o));
    if (o->parcel == NULL) {
        outbox_begin(o, o->goodbye);
    } else {
        o->goodbye->count = 0;
        parcel_release(&o->office->pool, o->goodbye);
    }
    o->goodbye = NULL;
    o->parcel->reason = reason;
    o->parcel->refuse = refuse;
    outbox_post(o);
}
