/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded queue of slices: a ring that doubles, with a power of two entries.
 *
 * Many tiny slices (a peer may send one byte a frame) would cost far more than their bytes, so a small slice is
 * appended to the last one where that one's chunk has room and no other holder, else copied when it pins much more
 * than its length.
 */
#include "base/chunk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define RING_FIRST 8
/* An empty queue keeps a ring of this size at most. */
#define RING_KEPT 64
/* A slice shorter than this is always copied: its entry and its chunk's head would cost more. */
#define SLICE_TINY 64
#define COPY_FIRST 256

static struct slice *ring_at(const struct slice_queue *q, size_t i)
{
    return &q->ring[(q->head + i) & (q->capacity - 1)];
}

void slice_queue_init(struct slice_queue *q, size_t max_bytes)
{
    *q = (struct slice_queue){.max_bytes = max_bytes};
}

void slice_queue_done(struct slice_queue *q)
{
    for (size_t i = 0; i < q->count; i++)
        slice_done(ring_at(q, i));
    free(q->ring);
    slice_queue_init(q, q->max_bytes);
}

static bool ring_grow(struct slice_queue *q)
{
    size_t capacity = q->capacity > 0 ? q->capacity * 2 : RING_FIRST;
    struct slice *ring = calloc(capacity, sizeof(*ring));
    if (ring == NULL)
        return false;
    for (size_t i = 0; i < q->count; i++)
        ring[i] = *ring_at(q, i);
    free(q->ring);
    q->ring = ring;
    q->capacity = capacity;
    q->head = 0;
    return true;
}

/* Writes behind the last slice, where nobody else can see. */
static bool append_to_last(struct slice_queue *q, const struct slice *s)
{
    if (q->count == 0)
        return false;
    struct slice *last = ring_at(q, q->count - 1);
    struct chunk *c = last->chunk;
    if (c == NULL || atomic_load_explicit(&c->refs, memory_order_acquire) != 1)
        return false;
    size_t used = (size_t)(last->data - c->data) + last->len;
    if (s->len > c->size - used)
        return false;
    memcpy(c->data + used, s->data, s->len);
    last->len += s->len;
    return true;
}

static bool is_wasteful(const struct slice *s)
{
    return s->chunk != NULL && s->len < SLICE_COMPACT && (s->len < SLICE_TINY || s->len < s->chunk->size / 4);
}

/* Replaces a wasteful slice by a copy with room for more; without memory it stays as it is. */
static void compact(struct slice *s)
{
    struct chunk *c = chunk_create(s->len * 2 > COPY_FIRST ? s->len * 2 : COPY_FIRST);
    if (c == NULL)
        return;
    memcpy(c->data, s->data, s->len);
    struct slice copy = slice_of(c, 0, s->len);
    slice_done(s);
    *s = copy;
}

bool slice_queue_push(struct slice_queue *q, struct slice s)
{
    if (s.len == 0) {
        slice_done(&s);
        return true;
    }
    if (q->bytes >= q->max_bytes || s.len > q->max_bytes - q->bytes)
        return false;
    if (s.len < SLICE_COMPACT && append_to_last(q, &s)) {
        q->bytes += s.len;
        slice_done(&s);
        return true;
    }
    if (q->count == q->capacity && !ring_grow(q))
        return false;
    if (is_wasteful(&s))
        compact(&s);
    q->bytes += s.len;
    *ring_at(q, q->count++) = s;
    return true;
}

struct slice *slice_queue_first(struct slice_queue *q)
{
    return q->count > 0 ? ring_at(q, 0) : NULL;
}

struct slice slice_queue_shift(struct slice_queue *q)
{
    if (q->count == 0)
        return SLICE_NONE;
    struct slice s = *ring_at(q, 0);
    q->head = (q->head + 1) & (q->capacity - 1);
    q->count--;
    q->bytes -= s.len;
    if (q->count == 0 && q->capacity > RING_KEPT) {
        free(q->ring);
        q->ring = NULL;
        q->capacity = q->head = 0;
    }
    return s;
}

/* Drops up to `n` bytes of the first slice; returns how many. */
static size_t skip_in_first(struct slice_queue *q, size_t n)
{
    struct slice *first = ring_at(q, 0);
    if (n < first->len) {
        slice_skip(first, n);
        q->bytes -= n;
        return n;
    }
    struct slice s = slice_queue_shift(q);
    n = s.len;
    slice_done(&s);
    return n;
}

void slice_queue_skip(struct slice_queue *q, size_t n)
{
    assert(n <= q->bytes);
    while (n > 0)
        n -= skip_in_first(q, n);
}

size_t slice_queue_take(struct slice_queue *q, void *dst, size_t max)
{
    uint8_t *at = dst;
    size_t left = max < q->bytes ? max : q->bytes, total = left;
    while (left > 0) {
        const struct slice *first = ring_at(q, 0);
        size_t n = left < first->len ? left : first->len;
        memcpy(at, first->data, n);
        skip_in_first(q, n);
        at += n;
        left -= n;
    }
    return total;
}

int slice_queue_iovec(const struct slice_queue *q, struct iovec *iov, int max)
{
    int n = 0;
    for (; n < max && (size_t)n < q->count; n++) {
        const struct slice *s = ring_at(q, (size_t)n);
        iov[n] = (struct iovec){(void *)(uintptr_t)s->data, s->len};
    }
    return n;
}
