/* SPDX-License-Identifier: Apache-2.0 */
/* Fetches over HTTP, with everything bounded: time, size, redirections. A fetcher belongs to one thread, which it blocks. */
#ifndef REVOKE_FETCH_H
#define REVOKE_FETCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fetcher;
struct fetch_failures;

struct fetch {
    const char *url;
    const void *body; /* POST; NULL: GET */
    size_t body_len;
    const char *content_type; /* of the body */
    size_t max;               /* bytes of the answer */
    uint64_t deadline_us;     /* clock_now_us() */
};

struct fetched {
    uint8_t *bytes; /* heap, the caller's; one more byte, a NUL, stands behind them */
    size_t len;
    long status; /* 0: nothing came; else HTTP's */
};

/* Servers that did not answer, by URL; shared by fetchers, any thread. */
struct fetch_failures *fetch_failures_create(unsigned retry_ms);
void fetch_failures_free(struct fetch_failures **f);

/* `stop` ends what is under way within a second. NULL without memory. */
struct fetcher *fetcher_create(struct fetch_failures *failures, const atomic_bool *stop);
void fetcher_free(struct fetcher **f);
/* True: 200, with bytes. False with `why`, and the status. */
bool fetch_run(struct fetcher *f, const struct fetch *what, struct fetched *out, char why[static 256]);

#endif
