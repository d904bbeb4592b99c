/* SPDX-License-Identifier: Apache-2.0 */
/* Conduit: the user's end of a stream. */
#include "peer/conduit.h"

#include "peer/stream_ends.h"

/* Credit is given back in steps of this many bytes, or with whatever else there is to say: the other end's window is
 * many times larger, so what is held back never stops it. */
#define CREDIT_STEP (STREAM_WINDOW_INITIAL / 8)

#define conduit_tell(c, event, ...)                                            \
    do {                                                                       \
        if (!(c)->closed && (c)->events != NULL && (c)->events->event != NULL) \
            (c)->events->event((c)->ctx, ##__VA_ARGS__);                       \
    } while (0)

/* -- life ---------------------------------------------------------------------------------------------------------- */

struct conduit *conduit_create(struct hub_shard *here, struct hub_shard *user)
{
    struct conduit *c;
    ALLOC_OBJECT(c, CONDUIT_MAGIC);
    if (c == NULL)
        return NULL;
    list_init(&c->node);
    c->shard = user;
    c->room = STREAM_WINDOW_INITIAL;
    slice_queue_init(&c->input, STREAM_WINDOW_MAX);
    if (!outbox_init(&c->out, &here->office.pool, tap_deliver))
        conduit_free(&c);
    return c;
}

void conduit_settle(struct conduit *c)
{
    c->number = c->shard->numbers++ * c->shard->hub->shard_count + c->shard->index + 1;
    list_append(&c->shard->conduits, &c->node);
}

void conduit_free(struct conduit **cp)
{
    struct conduit *c;
    if (*cp == NULL)
        return;
    TAKE_OBJECT(c, cp, CONDUIT_MAGIC);
    list_remove(&c->node);
    outbox_done(&c->out);
    slice_queue_done(&c->input);
    FREE_OBJECT(c);
}

/* Frees what nobody refers to any more: neither the user, nor a parcel on its way. */
static void conduit_release(struct conduit *c)
{
    if (c->closed && c->goodbye_heard && outbox_said_goodbye(&c->out) && !c->delivering)
        conduit_free(&c);
}

static void conduit_goodbye(struct conduit *c, const struct error *reason, bool refuse)
{
    if (!outbox_said_goodbye(&c->out))
        outbox_goodbye(&c->out, reason, refuse);
}

static void conduit_leave(struct conduit *c, const struct error *reason, bool refuse)
{
    assert(!c->closed);
    c->closed = true;
    slice_queue_done(&c->input);
    conduit_goodbye(c, reason, refuse);
    conduit_release(c);
}

/* -- what the tap says --------------------------------------------------------------------------------------------- */

/* The slices become the conduit's; false: no memory, or more than the credit allows. */
static bool conduit_take_input(struct conduit *c, struct parcel *p)
{
    for (unsigned i = 0; i < p->count; i++) {
        if (!slice_queue_push(&c->input, p->slices[i]))
            return false;
        p->slices[i] = SLICE_NONE;
    }
    return true;
}

static void conduit_read(struct conduit *c, struct parcel *p)
{
    bool was_full = c->room == 0;
    if (c->closed)
        return;
    c->room += p->credit;
    c->fin_heard |= p->fin;
    if (!conduit_take_input(c, p)) {
        conduit_goodbye(c, &error_no_memory, false);
        return;
    }
    if (p->accepted)
        conduit_tell(c, accepted);
    if (p->count > 0 || p->fin)
        conduit_tell(c, readable);
    if (was_full && p->credit > 0)
        conduit_tell(c, writable);
}

void conduit_deliver(struct worker *self, struct mail *m)
{
    struct parcel *p = CONTAINER_OF(m, struct parcel, mail);
    struct conduit *c = p->to;
    const struct error *reason = p->reason;
    (void)self;
    CHECK_OBJECT(c, CONDUIT_MAGIC);
    c->delivering = true;
    conduit_read(c, p);
    parcel_release(&c->shard->office.pool, p);
    if (reason != NULL) {
        c->goodbye_heard = true;
        c->ended = reason;
        conduit_goodbye(c, reason, false);
        conduit_tell(c, ended, reason);
    }
    c->delivering = false;
    conduit_release(c);
}

/* -- what the user says -------------------------------------------------------------------------------------------- */

struct slice_queue *conduit_input(struct conduit *c)
{
    CHECK_OBJECT(c, CONDUIT_MAGIC);
    return &c->input;
}

static void conduit_say_consumed(struct conduit *c)
{
    size_t n = c->consumed;
    if (n == 0)
        return;
    c->consumed = 0;
    if (!outbox_credit(&c->out, n))
        conduit_goodbye(c, &error_no_memory, false);
}

void conduit_consumed(struct conduit *c, size_t n)
{
    CHECK_OBJECT(c, CONDUIT_MAGIC);
    c->consumed += n;
    if (c->consumed >= CREDIT_STEP)
        conduit_say_consumed(c);
}

bool conduit_read_finished(const struct conduit *c) { return c->fin_heard; }
size_t conduit_room(const struct conduit *c) { return c->room; }

void conduit_write(struct conduit *c, struct slice bytes, bool fin)
{
    CHECK_OBJECT(c, CONDUIT_MAGIC);
    assert(bytes.len <= c->room && !c->fin_said);
    c->room -= bytes.len;
    c->fin_said = fin;
    if (!outbox_data(&c->out, bytes, fin))
        conduit_goodbye(c, &error_no_memory, false);
    conduit_say_consumed(c);
}

void conduit_accept(struct conduit *c)
{
    CHECK_OBJECT(c, CONDUIT_MAGIC);
    if (!outbox_accepted(&c->out))
        conduit_goodbye(c, &error_no_memory, false);
}

void conduit_refuse(struct conduit **cp, const struct error *reason)
{
    struct conduit *c;
    TAKE_OBJECT(c, cp, CONDUIT_MAGIC);
    conduit_leave(c, reason, true);
}

void conduit_close(struct conduit **cp, const struct error *reason)
{
    struct conduit *c;
    TAKE_OBJECT(c, cp, CONDUIT_MAGIC);
    conduit_leave(c, reason, false);
}

void conduit_set_events(struct conduit *c, const struct conduit_events *events, void *ctx)
{
    CHECK_OBJECT(c, CONDUIT_MAGIC);
    c->events = events;
    c->ctx = ctx;
}

const struct error *conduit_ended(const struct conduit *c) { return c->ended; }
const struct conduit_peer *conduit_peer(const struct conduit *c) { return &c->peer; }
unsigned conduit_number(const struct conduit *c) { return c->number; }
