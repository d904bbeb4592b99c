/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credit of what comes: given back in halves of the window, and grown while the peer says that credit is what stops it
 * and the user keeps up.
 */
#include "mux/internal.h"

#include "base/bytes.h"
#include "base/clock.h"

/* A user that takes longer than this for half a window gains nothing from a larger one. */
#define GROW_WITHIN_US (1 * US_PER_S)

void credit_init(struct mux_stream *s)
{
    uint32_t window = (uint32_t)s->mux->config.window_initial;
    s->credit = (struct credit){.window = window, .allowed = window};
    s->send_credit = window;
}

void credit_done(struct mux_stream *s) { s->mux->window_extra -= s->credit.window - s->mux->config.window_initial; }

const struct error *credit_use(struct mux_stream *s, size_t len, bool peer_blocked)
{
    struct credit *c = &s->credit;
    if (len > c->allowed)
        return &error_window_overrun;
    c->allowed -= (uint32_t)len;
    if (c->granted_us == 0)
        c->granted_us = s->mux->now_us;
    s->peer_blocked |= peer_blocked;
    return NULL;
}

/* The window doubles, as far as the stream's and the session's maximum allow. */
static void credit_grow(struct mux_stream *s)
{
    struct mux *m = s->mux;
    struct credit *c = &s->credit;
    size_t more = c->window, left = m->config.window_max - c->window, extra = STREAM_WINDOW_EXTRA_MAX - m->window_extra;
    more = more < left ? more : left;
    more = more < extra ? more : extra;
    m->window_extra += more;
    c->window += (uint32_t)more;
    c->owed += (uint32_t)more;
}

void mux_consumed(struct mux_stream *s, size_t n, uint64_t now_us)
{
    CHECK_OBJECT(s, MUX_STREAM_MAGIC);
    struct credit *c = &s->credit;
    assert(n <= c->held);
    s->mux->now_us = now_us;
    c->held -= (uint32_t)n;
    c->owed += (uint32_t)n;
    if (s->dead || s->fin_received || c->owed < c->window / 2 || !list_empty(&s->grant))
        return;
    if (s->peer_blocked && c->held <= c->window / 4 && now_us - c->granted_us < GROW_WITHIN_US)
        credit_grow(s);
    list_append(&s->mux->grants, &s->grant);
    mux_wake(s->mux);
}

void credit_say(struct mux_stream *s)
{
    struct credit *c = &s->credit;
    uint8_t more[4];
    struct bytes_writer w;
    bytes_writer_init(&w, more, sizeof(more));
    bytes_write_u32(&w, c->owed);
    c->allowed += c->owed;
    c->owed = 0;
    c->granted_us = s->mux->now_us;
    s->peer_blocked = false;
    control_say(s->mux, FRAME_WINDOW, s->id, more, sizeof(more));
}
