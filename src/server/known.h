/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that were seen: client ids, also before the last restart ("not connected now" and "no such client" differ), and
 * services that TLS passes through to ("SERVICE.CLIENT"). Each worker has its own copy. Bounded: the one that was added
 * first is forgotten first.
 */
#ifndef SERVER_KNOWN_H
#define SERVER_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/list.h"

#define KNOWN_BUCKETS 1024
#define KNOWN_TEXT_MAX 127 /* "SERVICE.CLIENT" */

struct known {
    struct list bucket[KNOWN_BUCKETS];
    struct list order; /* the first one added first */
    size_t count, max;
};

void known_init(struct known *k, size_t max);
void known_done(struct known *k);
bool known_has(const struct known *k, const char *id);
/* True when it is new. `id` is a valid name. */
bool known_add(struct known *k, const char *id);
/* It was there at that time; of an id that is not known nothing is kept. */
void known_see(struct known *k, const char *id, time_t when);
/* Likewise those that `is` there. */
void known_see_all(struct known *k, bool (*is)(void *ctx, const char *id), void *ctx, time_t when);
/* 0: that is not known. */
time_t known_seen(const struct known *k, const char *id);
void known_remove(struct known *k, const char *id);
/* One id a line, and behind a blank when it was last there (seconds since 1970); lines that are no names are skipped. */
void known_read(struct known *k, const char *text);
/* Heap, NUL-terminated; NULL without memory. */
char *known_write(const struct known *k);

#endif
