/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program needs to begin TLS with servers: whose certificates it trusts, and its own. Read from files once, and again
 * when they change, if they are watched; any thread. TLS 1.2 and 1.3. The server's name is always checked.
 */
#ifndef TLS_CLIENT_H
#define TLS_CLIENT_H

#include "base/worker.h"
#include "tls/set.h"
#include "tls/store.h"

struct tls_client;

struct tls_client_config {
    const char *ca_file;   /* PEM: whom servers' certificates must come from; NULL: the system's authorities */
    const char *cert_file; /* PEM: what we show, with those that lead to an authority; NULL: nothing */
    const char *key_file;  /* NULL: in the certificate's file */
    bool staple;           /* ask servers for an OCSP answer: sock_staple() */
};

/* Reads the files (blocks as long as that takes). NULL with report->error. */
struct tls_client *tls_client_load(const struct tls_client_config *config, struct tls_report *report);
/*
 * From now on files that change are read again, on `w` (not running yet), and used for connections that begin then; files that
 * cannot be used change nothing. `news` (for the log, on `w`) hears of both. Once; false with errno.
 */
bool tls_client_watch(struct tls_client *c, struct worker *w, void (*news)(void *ctx, enum tls_news news, const char *text),
                      void *ctx);
/* Connections that are open go on. After the worker that watches has stopped. NULL in *c is allowed. */
void tls_client_free(struct tls_client **c);

#endif
