/* SPDX-License-Identifier: Apache-2.0 */
/* Tap: the end of a stream where it comes out of the mux, on the session's owner. */
#include "peer/stream_ends.h"

struct tap *tap_create(struct hub_shard *here, struct hub_shard *owner)
{
    struct tap *t;
    ALLOC_OBJECT(t, TAP_MAGIC);
    if (t == NULL)
        return NULL;
    list_init(&t->node);
    t->shard = owner;
    if (!outbox_init(&t->out, &here->office.pool, conduit_deliver))
        tap_free(&t);
    return t;
}

void tap_settle(struct tap *t) { list_append(&t->shard->taps, &t->node); }

void tap_free(struct tap **tp)
{
    struct tap *t;
    if (*tp == NULL)
        return;
    TAKE_OBJECT(t, tp, TAP_MAGIC);
    list_remove(&t->node);
    outbox_done(&t->out);
    FREE_OBJECT(t);
}

static void tap_goodbye(struct tap *t, const struct error *reason)
{
    if (!t->shard->stopped && !outbox_said_goodbye(&t->out))
        outbox_goodbye(&t->out, reason, false);
}

void tap_refused(struct tap *t, const struct error *why) { tap_goodbye(t, why); }

/* -- what the mux says --------------------------------------------------------------------------------------------- */

static struct tap *tap_of(void *ctx)
{
    struct tap *t = ctx;
    CHECK_OBJECT(t, TAP_MAGIC);
    return t;
}

/* Without memory the conduit is told goodbye; its answer then resets the stream. */
static void tap_said(struct tap *t, bool said)
{
    if (!said)
        tap_goodbye(t, &error_no_memory);
}

static void tap_accepted(void *ctx)
{
    struct tap *t = tap_of(ctx);
    tap_said(t, outbox_accepted(&t->out));
}

static void tap_data(void *ctx, const struct slice *bytes, bool fin)
{
    struct tap *t = tap_of(ctx);
    tap_said(t, outbox_data(&t->out, bytes->len > 0 ? slice_ref(bytes) : SLICE_NONE, fin));
}

static void tap_sent(void *ctx, size_t bytes)
{
    struct tap *t = tap_of(ctx);
    tap_said(t, outbox_credit(&t->out, bytes));
}

static void tap_ended(void *ctx, const struct error *reason)
{
    struct tap *t = tap_of(ctx);
    t->stream = NULL;
    tap_goodbye(t, reason);
}

const struct mux_stream_events tap_stream_events = {
    .accepted = tap_accepted, .data = tap_data, .sent = tap_sent, .ended = tap_ended};

/* -- what the conduit says ----------------------------------------------------------------------------------------- */

static void tap_send(struct tap *t, struct parcel *p)
{
    for (unsigned i = 0; i < p->count && t->stream != NULL; i++) {
        struct slice bytes = p->slices[i];
        p->slices[i] = SLICE_NONE;
        mux_send(t->stream, bytes, p->fin && i + 1u == p->count);
    }
    if (p->fin && p->count == 0)
        mux_send(t->stream, SLICE_NONE, true);
}

/* Each call may end the stream. */
static void tap_read(struct tap *t, struct parcel *p)
{
    if (t->stream != NULL && p->accepted)
        mux_accept(t->stream);
    if (t->stream != NULL && p->credit > 0)
        mux_consumed(t->stream, p->credit, worker_now_us(t->shard->worker));
    if (t->stream != NULL)
        tap_send(t, p);
}

static void tap_goodbye_heard(struct tap *t, const struct error *reason, bool refuse)
{
    struct mux_stream *stream = t->stream;
    t->stream = NULL;
    if (stream != NULL && refuse)
        mux_refuse(stream, reason);
    else if (stream != NULL)
        mux_reset(stream, reason);
    tap_goodbye(t, reason);
    tap_free(&t);
}

void tap_deliver(struct worker *self, struct mail *m)
{
    struct parcel *p = CONTAINER_OF(m, struct parcel, mail);
    struct tap *t = p->to;
    const struct error *reason = p->reason;
    bool refuse = p->refuse;
    (void)self;
    CHECK_OBJECT(t, TAP_MAGIC);
    tap_read(t, p);
    parcel_release(&t->shard->office.pool, p);
    if (reason != NULL)
        tap_goodbye_heard(t, reason, refuse);
}
