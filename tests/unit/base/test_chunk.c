/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks, slices and their queue. */
#include "base/chunk.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "tap.h"

static struct slice filled(size_t chunk_size, size_t offset, size_t len, uint8_t first)
{
    struct chunk *c = chunk_create(chunk_size);
    for (size_t i = 0; i < chunk_size; i++)
        c->data[i] = (uint8_t)(first + i);
    return slice_of(c, offset, len);
}

static void slices_count_references(void)
{
    struct slice all = filled(100, 0, 100, 0);
    struct slice part = slice_part(&all, 10, 20), again = slice_ref(&part);
    OK_INT(atomic_load(&all.chunk->refs), 3);
    OK_INT(part.data[0], 10);
    OK_INT(part.len, 20);
    slice_skip(&part, 5);
    OK_INT(part.data[0], 15);
    OK_INT(part.len, 15);
    slice_done(&part);
    OK(part.chunk == NULL && part.data == NULL && part.len == 0);
    slice_done(&all);
    OK_INT(atomic_load(&again.chunk->refs), 1);
    OK_INT(again.data[19], 29);
    slice_done(&again);
    slice_done(&again);
    chunk_unref(NULL);
    OK(chunk_create((size_t)UINT32_MAX + 1) == NULL);
    OK(chunk_create(SIZE_MAX) == NULL);
}

static void slices_without_a_chunk(void)
{
    struct slice s = slice_static("constant", 8), part = slice_part(&s, 3, 2);
    OK(part.chunk == NULL && memcmp(part.data, "st", 2) == 0);
    slice_done(&part);
    slice_done(&s);
    struct slice empty = slice_copy(NULL, 0), none = SLICE_NONE;
    OK(empty.data != NULL && empty.len == 0);
    struct slice part_of_none = slice_part(&none, 0, 0);
    slice_skip(&part_of_none, 0);
    OK(part_of_none.data == NULL);
    slice_done(&empty);
}

static void queue_keeps_order_and_totals(void)
{
    struct slice_queue q;
    slice_queue_init(&q, 1000000);
    OK(slice_queue_first(&q) == NULL);
    uint8_t next = 0, expected = 0;
    for (unsigned round = 0; round < 200; round++) {
        size_t len = 2048 + round * 7;
        OK(slice_queue_push(&q, filled(len, 0, len, next)));
        next = (uint8_t)(next + len);
        if (round % 3 == 2) {
            struct slice s = slice_queue_shift(&q);
            for (size_t i = 0; i < s.len; i++)
                if (s.data[i] != expected++)
                    OK(!"order");
            slice_done(&s);
        }
    }
    while (q.bytes > 0) {
        uint8_t copy[777];
        size_t n = slice_queue_take(&q, copy, sizeof(copy));
        OK(n > 0);
        for (size_t i = 0; i < n; i++)
            if (copy[i] != expected++)
                OK(!"order");
    }
    OK_INT(expected, next);
    OK_INT(q.count, 0);
    OK_INT(slice_queue_take(&q, &next, 1), 0);
    struct slice none = slice_queue_shift(&q);
    OK(none.data == NULL && none.len == 0);
    slice_queue_done(&q);
}

static void queue_refuses_beyond_its_maximum(void)
{
    struct slice_queue q;
    slice_queue_init(&q, 5000);
    struct slice s = filled(3000, 0, 3000, 0), more = slice_ref(&s);
    OK(slice_queue_push(&q, s));
    OK(!slice_queue_push(&q, more));
    OK_INT(more.len, 3000);
    OK_INT(q.bytes, 3000);
    more.len = 2000;
    OK(slice_queue_push(&q, more));
    struct slice byte = slice_copy("x", 1);
    OK(!slice_queue_push(&q, byte));
    slice_done(&byte);
    OK(slice_queue_push(&q, slice_copy("", 0)));
    OK_INT(q.count, 2);
    slice_queue_skip(&q, 3001);
    OK_INT(q.bytes, 1999);
    OK_INT(slice_queue_first(&q)->len, 1999);
    OK_INT(slice_queue_first(&q)->data[0], 1);
    slice_queue_done(&q);
    OK_INT(q.bytes, 0);
    OK_INT(q.max_bytes, 5000);
}

static void queue_of_zero_bytes_refuses(void)
{
    struct slice_queue q;
    slice_queue_init(&q, 0);
    struct slice s = slice_copy("x", 1);
    OK(!slice_queue_push(&q, s));
    slice_done(&s);
    slice_queue_done(&q);
}

/* A peer that sends byte by byte must not cost much more than its bytes. */
static void tiny_slices_are_collected(void)
{
    struct slice_queue q;
    slice_queue_init(&q, 100000);
    struct slice big = filled(65536, 0, 65536, 0);
    for (size_t i = 0; i < 10000; i++)
        OK(slice_queue_push(&q, slice_part(&big, i, 1)));
    OK_INT(atomic_load(&big.chunk->refs), 1);
    OK_INT(q.bytes, 10000);
    OK(q.count <= 10000 / 64);
    slice_done(&big);
    size_t wrong = 0;
    for (size_t i = 0; i < 10000; i++) {
        uint8_t byte;
        wrong += slice_queue_take(&q, &byte, 1) != 1 || byte != (uint8_t)i;
    }
    OK_INT(wrong, 0);
    slice_queue_done(&q);
}

static void a_small_slice_lets_its_chunk_go(void)
{
    struct slice_queue q;
    slice_queue_init(&q, 100000);
    struct slice big = filled(65536, 0, 65536, 0);
    OK(slice_queue_push(&q, slice_part(&big, 100, SLICE_COMPACT - 1)));
    OK_INT(atomic_load(&big.chunk->refs), 1);
    OK(slice_queue_push(&q, slice_part(&big, 100, SLICE_COMPACT)));
    OK_INT(atomic_load(&big.chunk->refs), 2);
    slice_done(&big);
    slice_queue_done(&q);
}

/* Bytes that somebody else can see are never written over. */
static void shared_chunks_are_not_appended_to(void)
{
    struct slice_queue q;
    slice_queue_init(&q, 100000);
    struct slice all = filled(3000, 0, 3000, 0);
    OK(slice_queue_push(&q, slice_part(&all, 0, 2900)));
    OK(slice_queue_push(&q, slice_copy("abc", 3)));
    OK_INT(all.data[2900], (uint8_t)2900);
    OK_INT(q.count, 2);
    slice_done(&all);
    slice_queue_skip(&q, 2900);
    struct slice held = slice_ref(slice_queue_first(&q));
    OK(slice_queue_push(&q, slice_copy("def", 3)));
    OK_INT(held.len, 3);
    uint8_t out[6];
    OK_INT(slice_queue_take(&q, out, sizeof(out)), 6);
    OK(memcmp(out, "abcdef", 6) == 0);
    OK(memcmp(held.data, "abc", 3) == 0);
    slice_done(&held);
    slice_queue_done(&q);
}

static void static_bytes_are_not_appended_to(void)
{
    struct slice_queue q;
    slice_queue_init(&q, 100);
    OK(slice_queue_push(&q, slice_static("abc", 3)));
    OK(slice_queue_push(&q, slice_copy("def", 3)));
    OK(slice_queue_push(&q, slice_copy("ghi", 3)));
    OK_INT(q.count, 2);
    uint8_t out[9];
    OK_INT(slice_queue_take(&q, out, sizeof(out)), 9);
    OK(memcmp(out, "abcdefghi", 9) == 0);
    slice_queue_done(&q);
}

static void queue_fills_iovec(void)
{
    struct slice_queue q;
    struct iovec iov[4];
    slice_queue_init(&q, 100000);
    OK_INT(slice_queue_iovec(&q, iov, 4), 0);
    for (uint8_t i = 0; i < 7; i++)
        OK(slice_queue_push(&q, filled(3000u + i, 0, 3000u + i, i)));
    slice_queue_skip(&q, 3000 + 10);
    OK_INT(slice_queue_iovec(&q, iov, 4), 4);
    OK_INT(iov[0].iov_len, 3001 - 10);
    OK_INT(((uint8_t *)iov[0].iov_base)[0], 11);
    OK_INT(iov[3].iov_len, 3004);
    OK_INT(slice_queue_iovec(&q, iov, 0), 0);
    slice_queue_done(&q);
}

static void an_emptied_queue_gives_its_ring_back(void)
{
    struct slice_queue q;
    slice_queue_init(&q, 10000000);
    for (unsigned i = 0; i < 1000; i++)
        OK(slice_queue_push(&q, filled(2048, 0, 2048, 0)));
    slice_queue_skip(&q, q.bytes);
    OK_INT(q.capacity, 0);
    OK(slice_queue_push(&q, slice_copy("x", 1)));
    OK_INT(q.bytes, 1);
    slice_queue_done(&q);
}

static void *drop_references(void *arg)
{
    struct slice *s = arg;
    unsigned sum = 0;
    for (unsigned i = 0; i < 10000; i++) {
        struct slice copy = slice_ref(s);
        sum += copy.data[i % 100];
        slice_done(&copy);
    }
    slice_done(s);
    return sum > 0 ? NULL : arg;
}

static void references_cross_threads(void)
{
    struct slice all = filled(100, 0, 100, 1), each[4];
    pthread_t threads[4];
    for (unsigned i = 0; i < 4; i++) {
        each[i] = slice_ref(&all);
        pthread_create(&threads[i], NULL, drop_references, &each[i]);
    }
    slice_done(&all);
    for (unsigned i = 0; i < 4; i++) {
        void *result;
        pthread_join(threads[i], &result);
        OK(result == NULL);
    }
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"slices count references", slices_count_references},
        {"slices without a chunk", slices_without_a_chunk},
        {"a queue keeps order and totals", queue_keeps_order_and_totals},
        {"a queue refuses beyond its maximum", queue_refuses_beyond_its_maximum},
        {"a queue of zero bytes refuses", queue_of_zero_bytes_refuses},
        {"tiny slices are collected", tiny_slices_are_collected},
        {"a small slice lets its chunk go", a_small_slice_lets_its_chunk_go},
        {"shared chunks are not appended to", shared_chunks_are_not_appended_to},
        {"static bytes are not appended to", static_bytes_are_not_appended_to},
        {"a queue fills an iovec", queue_fills_iovec},
        {"an emptied queue gives its ring back", an_emptied_queue_gives_its_ring_back},
        {"references cross threads", references_cross_threads},
    };
    return TAP_RUN(cases);
}
