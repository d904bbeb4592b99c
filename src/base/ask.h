/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question to several workers at once, from a thread that is none and may wait: each answers about what it owns, by mail, so
 * nothing needs a lock. The question outlives the wait; who gives up leaves nothing dangling.
 */
#ifndef BASE_ASK_H
#define BASE_ASK_H

#include <stddef.h>
#include <stdint.h>

struct ask;
struct worker;

struct ask_config {
    struct worker *const *workers; /* freed only after their mail was discarded (worker_stop) */
    unsigned count;
    const void *question; /* copied, `question_size` bytes */
    size_t question_size;
    size_t part_size;     /* of one worker's answer, zeroed at first */
    /* On worker `index` of the list; `host` outlives the workers. */
    void (*run)(void *host, const void *question, unsigned index, void *part);
    /* Frees what run() has put there; any thread. NULL: nothing. */
    void (*done)(void *part);
    void *host;
};

/* Blocks until all have answered. NULL: no memory, a worker has stopped, or `limit_us` has passed. Not on a worker. */
struct ask *ask_workers(const struct ask_config *config, uint64_t limit_us);
void *ask_part(struct ask *a, unsigned index);
void ask_free(struct ask **a);

#endif
