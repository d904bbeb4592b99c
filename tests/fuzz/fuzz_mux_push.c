/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile bytes into a mux whose users answer, refuse, reset and consume as the input says. Input: steps, each a byte
 * that says what to do; a push takes the length from a second byte.
 */
#include "mux/mux.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mdm-tunnel/limits.h"

#define WINDOW 4096
#define STREAMS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t zeros[WINDOW];

struct user {
    struct fuzz *fuzz;
    struct mux_stream *stream;
    size_t held, queued;
    bool fin, fin_sent;
};

struct fuzz {
    struct mux *mux;
    struct user users[STREAMS];
    unsigned next;
    uint8_t mood; /* the last step: callbacks follow it */
    uint64_t now_us;
};

static void on_accepted(void *ctx) { assert(((struct user *)ctx)->stream != NULL); }

static void on_data(void *ctx, const struct slice *bytes, bool fin)
{
    struct user *u = ctx;
    assert(u->stream != NULL && !u->fin);
    u->held += bytes->len;
    u->fin = fin;
    assert(u->held <= 4 * WINDOW);
    for (size_t i = 0; i < bytes->len; i++)
        u->fuzz->now_us += bytes->data[i] & 1; /* reads every byte */
    if ((u->fuzz->mood & 0x70) == 0x70) {
        mux_reset(u->stream, &error_cancelled);
        u->stream = NULL;
    }
}

static void on_sent(void *ctx, size_t bytes)
{
    struct user *u = ctx;
    assert(u->stream != NULL && bytes <= u->queued);
    u->queued -= bytes;
}

static void on_ended(void *ctx, const struct error *reason)
{
    struct user *u = ctx;
    assert(u->stream != NULL && reason != NULL);
    assert(reason != &error_none || (u->fin && u->fin_sent));
    u->stream = NULL;
}

static const struct mux_stream_events stream_events = {
    .accepted = on_accepted, .data = on_data, .sent = on_sent, .ended = on_ended};

static struct user *user_new(struct fuzz *f)
{
    for (unsigned i = 0; i < STREAMS; i++) {
        struct user *u = &f->users[f->next++ % STREAMS];
        if (u->stream == NULL) {
            *u = (struct user){.fuzz = f};
            return u;
        }
    }
    return NULL;
}

static void on_wake(void *ctx) { assert(ctx != NULL); }

static void on_opened(void *ctx, struct mux_stream *s, const struct open_head *head)
{
    struct fuzz *f = ctx;
    struct user *u = user_new(f);
    assert(strlen(head->service) <= NAME_MAX_BYTES && u != NULL);
    u->stream = s;
    mux_attach(s, &stream_events, u);
    if ((f->mood & 0x30) == 0x10)
        mux_accept(s);
    if ((f->mood & 0x30) == 0x20) {
        mux_refuse(s, &error_service_refused);
        u->stream = NULL;
    }
}

static void on_services(void *ctx, const struct service_entry *list, size_t count)
{
    assert(ctx != NULL && count <= SERVICES_MAX);
    for (size_t i = 0; i < count; i++)
        assert(memchr(list[i].name, 0, sizeof(list[i].name)) != NULL);
}

static void on_weight(void *ctx, unsigned weight) { assert(ctx != NULL && weight <= UINT16_MAX); }
static void on_public(void *ctx, const struct public_port *p)
{
    assert(ctx != NULL && memchr(p->service, 0, sizeof(p->service)) != NULL && memchr(p->host, 0, sizeof(p->host)) != NULL);
}

static void on_goaway(void *ctx, const struct error *reason) { assert(ctx != NULL && reason != &error_none); }

static const struct mux_events mux_events = {
    .wake = on_wake, .opened = on_opened, .services = on_services, .weight = on_weight,
    .public_port = on_public, .goaway = on_goaway};

static void fuzz_pull(struct fuzz *f, size_t max)
{
    uint8_t buffer[1024];
    bool said = mux_has_output(f->mux);
    size_t len = mux_pull(f->mux, buffer, max);
    assert(len <= max && said == (len > 0));
}

static void fuzz_user(struct fuzz *f, struct user *u, uint8_t step)
{
    if (u->stream == NULL) {
        struct open_head head = {.kind = STREAM_KIND_TCP, .service = "x"};
        const struct error *why = NULL;
        *u = (struct user){.fuzz = f};
        u->stream = mux_open(f->mux, &head, &stream_events, u, &why);
        assert(u->stream != NULL || why != NULL);
    } else if (step & 1) {
        mux_consumed(u->stream, u->held, f->now_us);
        u->held = 0;
    } else if (!u->fin_sent && u->queued < WINDOW) {
        size_t len = step & 2 ? WINDOW - u->queued : 1;
        u->queued += len;
        u->fin_sent = (step & 4) != 0;
        mux_send(u->stream, slice_static(zeros, len), u->fin_sent);
    }
}

static void fuzz_push(struct fuzz *f, const uint8_t *data, size_t len)
{
    struct slice bytes = slice_copy(data, len);
    const struct error *why = mux_push(f->mux, &bytes, f->now_us);
    slice_done(&bytes);
    assert(why == mux_failed(f->mux));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mux_config config = {
        .window_initial = WINDOW, .window_max = 4 * WINDOW, .streams_max = STREAMS};
    struct fuzz f = {.mux = mux_create(&config, &mux_events, &f)};
    while (size >= 2) {
        uint8_t step = data[0];
        f.mood = step;
        f.now_us += 1000;
        if (step & 0x80) {
            size_t len = data[1] < size - 2 ? data[1] : size - 2;
            fuzz_push(&f, data + 2, len);
            data += len;
            size -= len;
        } else if (step & 0x40) {
            fuzz_pull(&f, 1 + (data[1] << (step & 2)));
        } else {
            fuzz_user(&f, &f.users[data[1] % STREAMS], step);
        }
        data += 2;
        size -= 2;
    }
    assert(mux_stream_count(f.mux) <= STREAMS);
    mux_free(&f.mux, &error_session_closed);
    for (unsigned i = 0; i < STREAMS; i++)
        assert(f.users[i].stream == NULL);
    return 0;
}
