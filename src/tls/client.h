/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program needs to begin TLS with servers: whose certificates it trusts, and its own. Read from files once,
 * constant from then on; any thread. TLS 1.2 and 1.3. The server's name is always checked.
 */
#ifndef TLS_CLIENT_H
#define TLS_CLIENT_H

#include "tls/set.h"

struct tls_client;

struct tls_client_config {
    const char *ca_file;   /* PEM: whom servers' certificates must come from; NULL: the system's authorities */
    const char *cert_file; /* PEM: what we show, with those that lead to an authority; NULL: nothing */
    const char *key_file;  /* NULL: in the certificate's file */
    bool staple;           /* ask servers for an OCSP answer: sock_staple() */
};

/* Reads the files (blocks as long as that takes). NULL with report->error. */
struct tls_client *tls_client_load(const struct tls_client_config *config, struct tls_report *report);
/* Connections that are open go on. NULL in *c is allowed. */
void tls_client_free(struct tls_client **c);

#endif
