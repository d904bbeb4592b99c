/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chunk is a reference-counted block of bytes; a slice is a part of one and holds a reference. Bytes are written once,
 * by the chunk's only owner, before the first slice of them is handed on; after that they are read-only and may cross
 * threads (the count is atomic). A slice is a value: copying the struct moves the reference, slice_ref() makes another.
 */
#ifndef BASE_CHUNK_H
#define BASE_CHUNK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chunk {
    atomic_uint refs;
    uint32_t size; /* bytes at data */
    uint8_t data[];
};

struct slice {
    struct chunk *chunk; /* NULL: nothing is owned (static bytes, or empty) */
    const uint8_t *data;
    size_t len;
};

#define SLICE_NONE ((struct slice){NULL, NULL, 0})

/* One reference, contents undefined; NULL without memory. */
struct chunk *chunk_create(size_t size);
struct chunk *chunk_ref(struct chunk *c);
void chunk_unref(struct chunk *c); /* NULL is allowed */

/* A part of `c`; takes over the caller's reference. */
struct slice slice_of(struct chunk *c, size_t offset, size_t len);
/* A copy of `len` bytes in a chunk of its own; .data is NULL without memory. */
struct slice slice_copy(const void *data, size_t len);
/* Bytes that outlive everything (string constants): owns nothing. */
struct slice slice_static(const void *data, size_t len);
struct slice slice_ref(const struct slice *s);
/* Another reference to a part; `offset + len` is within `s`. */
struct slice slice_part(const struct slice *s, size_t offset, size_t len);
/* Drops the first `n` bytes (n <= len). */
void slice_skip(struct slice *s, size_t n);
void slice_done(struct slice *s); /* releases; *s becomes SLICE_NONE */

/*
 * Slices in order, with their total. Born with a maximum: push refuses beyond it. A slice smaller than
 * SLICE_COMPACT bytes that pins a much larger chunk is copied, so memory stays near `bytes`.
 */
struct slice_queue {
    struct slice *ring;
    size_t capacity, head, count;
    size_t bytes;     /* sum of lengths */
    size_t max_bytes; /* push refuses beyond it */
};

#define SLICE_COMPACT 2048

void slice_queue_init(struct slice_queue *q, size_t max_bytes);
void slice_queue_done(struct slice_queue *q);
/* Takes the reference and returns true; or (full, no memory) leaves `s` with the caller and returns false. */
bool slice_queue_push(struct slice_queue *q, struct slice s) __attribute__((warn_unused_result));
/* The first slice, still owned by the queue; NULL when empty. */
struct slice *slice_queue_first(struct slice_queue *q);
/* The first slice, now the caller's; len 0 and data NULL when empty. */
struct slice slice_queue_shift(struct slice_queue *q);
/* Drops `n` bytes from the front (n <= bytes). */
void slice_queue_skip(struct slice_queue *q, size_t n);
/* Copies up to `max` bytes from the front to `dst` and drops them; returns how many. */
size_t slice_queue_take(struct slice_queue *q, void *dst, size_t max);

struct iovec;
/* Fills up to `max` entries with the front of the queue, for writev(2); returns how many. */
int slice_queue_iovec(const struct slice_queue *q, struct iovec *iov, int max);

#endif
