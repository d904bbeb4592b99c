/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One direction of a carrier of messages, in virtual time: delay, jitter (which reorders), a rate, a bounded queue, loss,
 * repeats and cuts, all from a seed. For the tests of the session and of what stands on it.
 */
#ifndef TESTS_CARRIER_H
#define TESTS_CARRIER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/chunk.h"
#include "base/clock.h"

struct carrier_message {
    struct slice bytes;
    uint64_t at_us;
};

struct carrier {
    uint64_t delay_us, jitter_us;
    uint64_t rate;     /* bytes a second; 0: any */
    size_t capacity;   /* bytes that wait at most; 0: any */
    unsigned loss_ppm, repeat_ppm;
    bool cut;          /* everything is lost */
    bool was_full;     /* room() said so */
    unsigned drop_next; /* so many of the next messages are lost */
    uint64_t *random;
    uint64_t free_us;  /* the line is busy until then */
    size_t waiting;
    struct carrier_message *list; /* by time */
    size_t head, count, size;
    unsigned sent;
};

static inline uint64_t random_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint64_t random_below(uint64_t *state, uint64_t n) { return n == 0 ? 0 : random_next(state) % n; }

static inline size_t carrier_room(struct carrier *c)
{
    size_t room = c->capacity == 0 ? 1 << 20 : c->waiting < c->capacity ? c->capacity - c->waiting : 0;
    if (room >= 4096)
        return room;
    c->was_full = true;
    return 0;
}

static inline void carrier_insert(struct carrier *c, struct slice bytes, uint64_t at_us)
{
    if (c->head + c->count == c->size) {
        size_t size = c->count * 2 + 64;
        struct carrier_message *list = malloc(size * sizeof(*list));
        if (c->count > 0)
            memcpy(list, c->list + c->head, c->count * sizeof(*list));
        free(c->list);
        c->list = list;
        c->size = size;
        c->head = 0;
    }
    size_t i = c->head + c->count++;
    for (; i > c->head && c->list[i - 1].at_us > at_us; i--)
        c->list[i] = c->list[i - 1];
    c->list[i] = (struct carrier_message){bytes, at_us};
    c->waiting += bytes.len;
}

/* Takes the reference. */
static inline void carrier_send(struct carrier *c, struct slice bytes, uint64_t now_us)
{
    c->sent++;
    bool lost = c->cut || random_below(c->random, 1000000) < c->loss_ppm;
    if (c->drop_next > 0) {
        c->drop_next--;
        lost = true;
    }
    if (lost) {
        slice_done(&bytes);
        return;
    }
    uint64_t start_us = now_us > c->free_us ? now_us : c->free_us;
    c->free_us = c->rate == 0 ? start_us : start_us + bytes.len * US_PER_S / c->rate;
    uint64_t at_us = c->free_us + c->delay_us;
    if (random_below(c->random, 1000000) < c->repeat_ppm)
        carrier_insert(c, slice_ref(&bytes), at_us + random_below(c->random, c->jitter_us + 1000));
    carrier_insert(c, bytes, at_us + random_below(c->random, c->jitter_us));
}

static inline uint64_t carrier_next_us(const struct carrier *c)
{
    return c->count == 0 ? CLOCK_NEVER : c->list[c->head].at_us;
}

/* The first message, whose time has come; now the caller's. */
static inline struct slice carrier_take(struct carrier *c)
{
    struct slice bytes = c->list[c->head].bytes;
    c->head++;
    c->count--;
    c->waiting -= bytes.len;
    return bytes;
}

static inline void carrier_drop_all(struct carrier *c)
{
    while (c->count > 0) {
        struct slice bytes = carrier_take(c);
        slice_done(&bytes);
    }
    c->free_us = 0;
}

static inline void carrier_done(struct carrier *c)
{
    carrier_drop_all(c);
    free(c->list);
    c->list = NULL;
    c->head = c->count = c->size = 0;
}

#endif
