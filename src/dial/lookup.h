/* SPDX-License-Identifier: Apache-2.0 */
/* Names to addresses: getaddrinfo(3) waits, so it runs on a thread of its own, one question after the other. */
#ifndef DIAL_LOOKUP_H
#define DIAL_LOOKUP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/worker.h"

/* Addresses that are tried of one name. */
#define LOOKUP_ADDRESSES_MAX 8

struct lookups;
struct lookup;

struct address {
    socklen_t len;
    struct sockaddr_storage at;
};

/* On the worker that asked, later; count 0: why not, in words. The lookup is gone with it. */
typedef void lookup_done_fn(void *ctx, const struct address *list, size_t count, const char *why);

/* Starts the thread. NULL without memory or thread. */
struct lookups *lookups_create(void);
/* After the workers have stopped and before they are freed. Does not wait for an answer that is on its way. */
void lookups_free(struct lookups **l);

/* NULL when LOOKUP_WAITING_MAX wait, or without memory. */
struct lookup *lookup_ask(struct lookups *l, struct worker *worker, const char *host, uint16_t port,
                          lookup_done_fn *done, void *ctx);
/* No `done` any more. The asking worker only. */
void lookup_cancel(struct lookup **l);

/* An address in digits, or "localhost" (127.0.0.1, then ::1), without waiting; 0 when it is a name to be asked for. */
size_t lookup_numeric(const char *host, uint16_t port, struct address list[static LOOKUP_ADDRESSES_MAX]);

#endif
