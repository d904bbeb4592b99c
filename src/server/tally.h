/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tally: what visitors asked of each service, on one worker: answers by status, how long they took, bytes. Only the worker
 * touches it. Bounded: visitors cannot make rows (a row is for a service that a stream was opened to), and beyond
 * TALLY_ROWS_MAX all is counted in one row without names.
 */
#ifndef SERVER_TALLY_H
#define SERVER_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/table.h"
#include "mdm-tunnel/limits.h"

#define TALLY_CLASSES 6 /* 1xx to 5xx; 0: none, the visitor was cut off */
#define TALLY_BUCKETS 11

/* Upper bounds in microseconds; above the last one: +Inf. */
extern const uint64_t tally_bounds_us[TALLY_BUCKETS];

struct tally_row {
    char client[NAME_MAX_BYTES + 1], service[NAME_MAX_BYTES + 1]; /* "": the row of all others */
    uint64_t answers[TALLY_CLASSES];
    uint64_t within[TALLY_BUCKETS + 1]; /* answers that took no longer than the bound, and longer than the one before */
    uint64_t sum_us;
    uint64_t bytes_up, bytes_down; /* of bodies, as visitors see them */
};

struct tally {
    uint64_t key[2];
    struct table rows;
    struct tally_row others;
};

/* False without memory. */
bool tally_init(struct tally *t, const uint64_t key[static 2]);
void tally_done(struct tally *t);
/* `client`, `service` "": none was met. `status` 0: no answer. */
void tally_add(struct tally *t, const char *client, const char *service, unsigned status, uint64_t took_us, uint64_t up, uint64_t down);
/* Adds what `from` counted to `to`, names aside. */
void tally_row_merge(struct tally_row *to, const struct tally_row *from);
/* A copy of all rows, heap, the one of others last; NULL without memory. */
struct tally_row *tally_copy(const struct tally *t, size_t *count);

#endif
