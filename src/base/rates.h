/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates: how often something may happen, for very many keys that strangers choose (addresses). One table for the whole
 * program, of a fixed size, without a lock: each key has a place in a set of eight and a time before which it has used
 * up what it may (GCRA). When a set is full the one that has least to wait for is forgotten: a flood of keys makes the
 * limit looser for those that share a set with it, and never stricter.
 */
#ifndef BASE_RATES_H
#define BASE_RATES_H

#include <stddef.h>
#include <stdint.h>

struct rates;

/* `key` is random. NULL without memory. */
struct rates *rates_create(const uint64_t key[static 2]);
void rates_free(struct rates **r);
/*
 * One more for `what`, of which there may be `burst` at once and `per_1000_s` in 1000 s (both not 0): 0, or how long it
 * has to wait in microseconds, and is not counted then. Any thread.
 */
uint64_t rates_take(struct rates *r, const void *what, size_t len, uint32_t per_1000_s, uint32_t burst, uint64_t now_us);

#endif
