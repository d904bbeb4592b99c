/* SPDX-License-Identifier: Apache-2.0 */
/* Reference-counted blocks of bytes, and parts of them. */
#include "base/chunk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct chunk *chunk_create(size_t size)
{
    if (size > UINT32_MAX - sizeof(struct chunk))
        return NULL;
    struct chunk *c = malloc(sizeof(*c) + size);
    if (c == NULL)
        return NULL;
    atomic_init(&c->refs, 1);
    c->size = (uint32_t)size;
    return c;
}

struct chunk *chunk_ref(struct chunk *c)
{
    /* Relaxed: who makes a reference already holds one. */
    unsigned refs = atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    assert(refs > 0 && refs < UINT32_MAX);
    return c;
}

void chunk_unref(struct chunk *c)
{
    if (c == NULL)
        return;
    /* Every holder's reads happen before the last holder's free. */
    unsigned refs = atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel);
    assert(refs > 0);
    if (refs == 1)
        free(c);
}

struct slice slice_of(struct chunk *c, size_t offset, size_t len)
{
    assert(offset <= c->size && len <= c->size - offset);
    return (struct slice){c, c->data + offset, len};
}

struct slice slice_copy(const void *data, size_t len)
{
    struct chunk *c = chunk_create(len);
    if (c == NULL)
        return SLICE_NONE;
    if (len > 0)
        memcpy(c->data, data, len);
    return slice_of(c, 0, len);
}

struct slice slice_static(const void *data, size_t len)
{
    return (struct slice){NULL, data, len};
}

struct slice slice_ref(const struct slice *s)
{
    if (s->chunk != NULL)
        chunk_ref(s->chunk);
    return *s;
}

struct slice slice_part(const struct slice *s, size_t offset, size_t len)
{
    assert(offset <= s->len && len <= s->len - offset);
    struct slice part = slice_ref(s);
    if (offset > 0)
        part.data += offset;
    part.len = len;
    return part;
}

void slice_skip(struct slice *s, size_t n)
{
    assert(n <= s->len);
    if (n > 0)
        s->data += n;
    s->len -= n;
}

void slice_done(struct slice *s)
{
    chunk_unref(s->chunk);
    *s = SLICE_NONE;
}
