/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The certificates of a running program: the set in use on each worker, and its renewal. Files are watched on the first
 * worker; when they have changed, or the tickets' keys are due, a new set is loaded there and sent to every worker by
 * mail. Connections that are open go on with the set they began with. Files that cannot be used change nothing.
 */
#ifndef TLS_STORE_H
#define TLS_STORE_H

#include "base/worker.h"
#include "tls/set.h"

struct tls_store;

enum tls_news {
    TLS_NEWS_WARNING, /* usable, but odd: "FILE: expired on ..." */
    TLS_NEWS_LOADED,  /* the changed files are in use from now on: "2 in use" */
    TLS_NEWS_REFUSED, /* the changed files cannot be used: the reason; what was in use stays */
};

struct tls_store_config {
    struct tls_config tls;         /* strings are copied */
    struct worker *const *workers; /* not running yet; outlive the store */
    unsigned worker_count;
    /* For the log; on the first worker, and during tls_store_create(). `text` is one line, valid during the call. */
    void (*news)(void *ctx, enum tls_news news, const char *text);
    void *ctx;
};

/* Before the workers start. NULL with the reason in `error`: the files cannot be used. */
struct tls_store *tls_store_create(const struct tls_store_config *config, char error[static 512]);
/* The set in use on this worker, borrowed for the call; on the worker, or before its start. */
struct tls_set *tls_store_set(const struct tls_store *s, unsigned worker_index);
/* Reads the files again although no change was seen; any thread. */
void tls_store_reload(struct tls_store *s);
/* After the workers have stopped and before they are freed. */
void tls_store_free(struct tls_store **s);

#endif
