/* SPDX-License-Identifier: Apache-2.0 */
/* A stream's life, and the table of streams. */
#include "mux/internal.h"

#include "base/counters.h"

#define BUCKETS_FIRST 16

/* -- the table: chained, at most one stream a bucket on average ------------------------------------------------------ */

/* Ids of one side are all odd or all even, and mostly one side opens. */
static size_t bucket_of(const struct mux *m, uint32_t id) { return (id >> 1) & (m->bucket_count - 1); }

static void table_link(struct mux *m, struct mux_stream *s)
{
    struct mux_stream **bucket = &m->buckets[bucket_of(m, s->id)];
    s->next_in_bucket = *bucket;
    *bucket = s;
}

static bool table_reserve(struct mux *m)
{
    if (m->count < m->bucket_count)
        return true;
    size_t old_count = m->bucket_count, new_count = old_count == 0 ? BUCKETS_FIRST : 2 * old_count;
    struct mux_stream **old = m->buckets, **buckets = calloc(new_count, sizeof(struct mux_stream *));
    if (buckets == NULL)
        return false;
    m->buckets = buckets;
    m->bucket_count = new_count;
    for (size_t i = 0; i < old_count; i++) {
        for (struct mux_stream *s = old[i], *next; s != NULL; s = next) {
            next = s->next_in_bucket;
            table_link(m, s);
        }
    }
    free(old);
    return true;
}

static void table_unlink(struct mux *m, struct mux_stream *s)
{
    struct mux_stream **at = &m->buckets[bucket_of(m, s->id)];
    while (*at != s)
        at = &(*at)->next_in_bucket;
    *at = s->next_in_bucket;
}

struct mux_stream *stream_find(const struct mux *m, uint32_t id)
{
    if (m->bucket_count == 0)
        return NULL;
    struct mux_stream *s = m->buckets[bucket_of(m, id)];
    while (s != NULL && s->id != id)
        s = s->next_in_bucket;
    return s;
}

struct mux_stream *stream_any(const struct mux *m)
{
    for (size_t i = 0; i < m->bucket_count; i++)
        if (m->buckets[i] != NULL)
            return m->buckets[i];
    return NULL;
}

bool stream_id_used(const struct mux *m, uint32_t id)
{
    bool ours = (id & 1) == (m->config.opens_odd ? 1u : 0u);
    return ours ? m->next_id == 0 || id < m->next_id : id <= m->peer_id;
}

/* -- life ------------------------------------------------------------------------------------------------------------ */

struct mux_stream *stream_create(struct mux *m, uint32_t id, bool ours)
{
    struct mux_stream *s;
    if (!table_reserve(m))
        return NULL;
    ALLOC_OBJECT(s, MUX_STREAM_MAGIC);
    if (s == NULL)
        return NULL;
    s->mux = m;
    s->id = id;
    s->ours = ours;
    list_init(&s->turn);
    list_init(&s->grant);
    slice_queue_init(&s->out, m->config.window_initial);
    credit_init(s);
    table_link(m, s);
    m->count++;
    ours ? m->pending_ours++ : m->pending_theirs++;
    counter_add(counters_self(), COUNTER_streams, 1);
    counter_add(counters_self(), COUNTER_streams_opened, 1);
    return s;
}

void stream_answered(struct mux_stream *s)
{
    if (s->answered)
        return;
    s->answered = true;
    s->ours ? s->mux->pending_ours-- : s->mux->pending_theirs--;
}

void stream_kill(struct mux_stream *s)
{
    struct mux *m = s->mux;
    mux_enter(m);
    s->dead = true;
    stream_answered(s);
    credit_done(s);
    table_unlink(m, s);
    m->count--;
    if (m->in.stream == s)
        m->in.stream = NULL;
    list_remove(&s->grant);
    stream_unschedule(s);
    list_append(&m->dead, &s->turn);
    slice_queue_done(&s->out);
    counter_sub(counters_self(), COUNTER_streams, 1);
    mux_leave(m);
}

void stream_end(struct mux_stream *s, const struct error *reason)
{
    const struct mux_stream_events *events = s->events;
    void *ctx = s->ctx;
    if (reason != &error_none)
        counter_add(counters_self(), COUNTER_streams_reset, 1);
    stream_kill(s);
    if (events != NULL)
        events->ended(ctx, reason);
}

void stream_end_if_finished(struct mux_stream *s)
{
    if (!s->dead && s->fin_sent && s->fin_received)
        stream_end(s, &error_none);
}

/* -- sending --------------------------------------------------------------------------------------------------------- */

static bool stream_can_send(const struct mux_stream *s)
{
    if (s->dead || s->fin_sent)
        return false;
    return s->out.bytes > 0 ? s->send_credit > 0 : s->fin_queued;
}

/* A small answer does not wait for a turn of each bulk stream; what has just had its turn does. */
static bool stream_is_fresh(const struct mux_stream *s)
{
    const struct mux *m = s->mux;
    return s->served_at == 0 || m->data_sent - s->served_at >= (uint64_t)m->sending * FRAME_DATA_QUANTUM;
}

void stream_unschedule(struct mux_stream *s)
{
    if (list_empty(&s->turn))
        return;
    list_remove(&s->turn);
    s->mux->sending--;
}

void stream_schedule(struct mux_stream *s)
{
    struct mux *m = s->mux;
    if (s->dead)
        return;
    if (!stream_can_send(s)) {
        stream_unschedule(s);
    } else if (list_empty(&s->turn)) {
        list_append(stream_is_fresh(s) ? &m->fresh : &m->ready, &s->turn);
        m->sending++;
        mux_wake(m);
    }
}

void mux_send(struct mux_stream *s, struct slice bytes, bool fin)
{
    CHECK_OBJECT(s, MUX_STREAM_MAGIC);
    assert(!s->fin_queued && bytes.len <= s->out.max_bytes - s->out.bytes);
    if (s->dead || bytes.len == 0) {
        slice_done(&bytes);
    } else if (!slice_queue_push(&s->out, bytes)) {
        slice_done(&bytes);
        control_say_code(s->mux, FRAME_RESET, s->id, &error_no_memory);
        stream_end(s, &error_no_memory);
        return;
    }
    s->fin_queued = fin;
    stream_schedule(s);
}

/* -- opening and ending, as the user wants --------------------------------------------------------------------------- */

void mux_attach(struct mux_stream *s, const struct mux_stream_events *events, void *ctx)
{
    CHECK_OBJECT(s, MUX_STREAM_MAGIC);
    s->events = events;
    s->ctx = ctx;
}

void mux_accept(struct mux_stream *s)
{
    CHECK_OBJECT(s, MUX_STREAM_MAGIC);
    assert(!s->ours);
    if (s->answered)
        return;
    stream_answered(s);
    control_say(s->mux, FRAME_ACCEPT, s->id, NULL, 0);
}

void mux_refuse(struct mux_stream *s, const struct error *reason)
{
    CHECK_OBJECT(s, MUX_STREAM_MAGIC);
    assert(!s->ours);
    if (s->answered) {
        mux_reset(s, reason);
        return;
    }
    control_say_code(s->mux, FRAME_REFUSE, s->id, reason);
    counter_add(counters_self(), COUNTER_streams_refused, 1);
    stream_kill(s);
}

void mux_reset(struct mux_stream *s, const struct error *reason)
{
    CHECK_OBJECT(s, MUX_STREAM_MAGIC);
    if (s->dead)
        return;
    control_say_code(s->mux, FRAME_RESET, s->id, reason);
    counter_add(counters_self(), COUNTER_streams_reset, 1);
    stream_kill(s);
}

/* -- to look at ------------------------------------------------------------------------------------------------------ */

uint32_t mux_stream_id(const struct mux_stream *s)
{
    CHECK_OBJECT(s, MUX_STREAM_MAGIC);
    return s->id;
}

void mux_stream_stats(const struct mux_stream *s, struct mux_stream_stats *out)
{
    CHECK_OBJECT(s, MUX_STREAM_MAGIC);
    *out = (struct mux_stream_stats){s->answered, s->out.bytes, s->send_credit, s->credit.held};
}

enum mux_blocked mux_stream_blocked(const struct mux_stream *s)
{
    CHECK_OBJECT(s, MUX_STREAM_MAGIC);
    if (s->fin_sent)
        return MUX_BLOCKED_NOT;
    if (stream_can_send(s))
        return MUX_BLOCKED_SESSION;
    return s->out.bytes > 0 ? MUX_BLOCKED_CREDIT : MUX_BLOCKED_NO_DATA;
}

const char *mux_blocked_name(enum mux_blocked b)
{
    static const char *const names[] = {[MUX_BLOCKED_NOT] = "not",
                                        [MUX_BLOCKED_NO_DATA] = "no data",
                                        [MUX_BLOCKED_CREDIT] = "credit",
                                        [MUX_BLOCKED_SESSION] = "session"};
    return names[b];
}
