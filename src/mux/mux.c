/* SPDX-License-Identifier: Apache-2.0 */
/* The mux's life, and what is said about no stream or before there is one. */
#include "mux/internal.h"

#include "base/bytes.h"

struct mux *mux_create(const struct mux_config *config, const struct mux_events *events, void *ctx)
{
    assert(config->window_initial <= config->window_max && config->window_max <= STREAM_WINDOW_MAX);
    struct mux *m;
    ALLOC_OBJECT(m, MUX_MAGIC);
    if (m == NULL)
        return NULL;
    m->config = *config;
    m->events = events;
    m->ctx = ctx;
    m->next_id = config->opens_odd ? 1 : 2;
    list_init(&m->fresh);
    list_init(&m->ready);
    list_init(&m->grants);
    list_init(&m->dead);
    return m;
}

void mux_free(struct mux **m, const struct error *reason)
{
    struct mux *old;
    TAKE_OBJECT(old, m, MUX_MAGIC);
    assert(old->busy == 0);
    old->closing = reason;
    for (struct mux_stream *s; (s = stream_any(old)) != NULL;)
        stream_end(s, reason);
    free(old->buckets);
    free(old->in.collected);
    slice_done(&old->services);
    control_done(&old->control);
    FREE_OBJECT(old);
}

void mux_enter(struct mux *m) { m->busy++; }

void mux_leave(struct mux *m)
{
    if (--m->busy > 0)
        return;
    for (struct list *node; (node = list_shift(&m->dead)) != NULL;) {
        struct mux_stream *s = CONTAINER_OF(node, struct mux_stream, turn);
        FREE_OBJECT(s);
    }
}

void mux_wake(struct mux *m)
{
    if (m->closing == NULL)
        m->events->wake(m->ctx);
}

/* NULL: a stream may be opened. */
static const struct error *open_forbidden(const struct mux *m)
{
    if (m->closing != NULL)
        return m->closing;
    if (m->goaway_heard != NULL)
        return m->goaway_heard;
    if (m->count >= m->config.streams_max || m->pending_ours >= STREAMS_PENDING_MAX || m->next_id == 0 ||
        m->control.len > MUX_CONTROL_MAX / 2)
        return &error_limit;
    return NULL;
}

struct mux_stream *mux_open(struct mux *m, const struct open_head *head, const struct mux_stream_events *events,
                            void *ctx, const struct error **why)
{
    CHECK_OBJECT(m, MUX_MAGIC);
    uint8_t payload[512];
    size_t len = open_head_encode(head, payload, sizeof(payload));
    const struct error *no = len == 0 ? &error_unknown_service : open_forbidden(m);
    struct mux_stream *s = no == NULL ? stream_create(m, m->next_id, true) : NULL;
    if (s == NULL) {
        *why = no != NULL ? no : &error_no_memory;
        return NULL;
    }
    m->next_id = m->next_id > UINT32_MAX - 2 ? 0 : m->next_id + 2;
    mux_attach(s, events, ctx);
    control_say(m, FRAME_OPEN, s->id, payload, len);
    return s;
}

void mux_say_services(struct mux *m, const struct service_entry *list, size_t count)
{
    CHECK_OBJECT(m, MUX_MAGIC);
    /* What does not fit in one frame is left out from the end; whoever makes the list sees to it that all does. */
    while (services_size(list, count) > FRAME_SERVICES_MAX)
        count--;
    size_t len = services_size(list, count);
    struct chunk *c = chunk_create(FRAME_HEAD_BYTES + len);
    if (c == NULL) {
        m->failed = &error_no_memory;
        return;
    }
    services_encode(list, count, c->data + FRAME_HEAD_BYTES, len);
    struct frame f = {.type = FRAME_SERVICES, .length = (uint32_t)len};
    frame_encode(&f, c->data);
    slice_done(&m->services);
    m->services = slice_of(c, 0, FRAME_HEAD_BYTES + len);
    mux_wake(m);
}

void mux_say_weight(struct mux *m, unsigned weight)
{
    uint8_t payload[2];
    struct bytes_writer w;
    CHECK_OBJECT(m, MUX_MAGIC);
    bytes_writer_init(&w, payload, sizeof(payload));
    bytes_write_u16(&w, (uint16_t)weight);
    control_say(m, FRAME_WEIGHT, 0, payload, sizeof(payload));
}

void mux_say_public(struct mux *m, const struct public_port *p)
{
    uint8_t payload[FRAME_PUBLIC_MAX];
    CHECK_OBJECT(m, MUX_MAGIC);
    control_say(m, FRAME_PUBLIC, 0, payload, public_port_encode(p, payload));
}

void mux_say_goaway(struct mux *m, const struct error *reason)
{
    CHECK_OBJECT(m, MUX_MAGIC);
    if (m->goaway_said != NULL)
        return;
    m->goaway_said = reason;
    control_say_code(m, FRAME_GOAWAY, 0, reason);
}

const struct error *mux_failed(const struct mux *m)
{
    CHECK_OBJECT(m, MUX_MAGIC);
    return m->failed;
}

unsigned mux_stream_count(const struct mux *m)
{
    CHECK_OBJECT(m, MUX_MAGIC);
    return m->count;
}
