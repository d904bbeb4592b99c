/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this layer share. */
#ifndef TLS_INTERNAL_H
#define TLS_INTERNAL_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/object.h"
#include "mdm-tunnel/limits.h"
#include "tls/client.h"
#include "tls/set.h"

#define TLS_SET_MAGIC 0x7e15e700u
#define TLS_CLIENT_MAGIC 0x7e15c11eu

/* A name of a certificate: lower case, without a final dot; a wildcard without its "*." */
struct tls_name {
    char *text;
    bool wildcard, valid;
    unsigned pair;
};

struct tls_set {
    OBJECT_MAGIC;
    atomic_uint refs;
    unsigned count;
    SSL_CTX *contexts[TLS_PAIRS_MAX]; /* the first is where every connection begins */
    struct tls_name *names;           /* sorted: text, exact first, valid first, pair */
    size_t name_count, name_capacity;
    struct tls_tickets tickets;
};

#define TLS_CLIENT_FILES 3

struct tls_client {
    OBJECT_MAGIC;
    pthread_mutex_t lock; /* of `context` */
    SSL_CTX *context;
    struct tls_client_config config; /* of its own */
    /* the watching worker's */
    struct watch *watches[TLS_CLIENT_FILES];
    unsigned watch_count;
    struct event settled;
    void (*news)(void *ctx, enum tls_news news, const char *text);
    void *ctx;
};

/* -- client.c: a connection that is to begin; NULL without memory. Any thread. */
SSL *tls_client_connection(const struct tls_client *c);

/* -- certificate.c: one pair of files -------------------------------------------------------------------------------- */

/* A context with the pair in it, its names added to the set. NULL with report->error. */
SSL_CTX *certificate_load(struct tls_set *set, unsigned index, const struct tls_pair *pair, struct tls_report *report);
/* Why OpenSSL's last call failed, in few words; its queue is empty then. */
const char *tls_reason(char *text, size_t size);
bool tls_set_add_name(struct tls_set *s, const char *text, size_t len, bool valid, unsigned pair);
void tls_warn(struct tls_report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tls_refuse(struct tls_report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* -- tickets.c ------------------------------------------------------------------------------------------------------- */
void tickets_use(SSL_CTX *context);

/* -- peer.c ---------------------------------------------------------------------------------------------------------- */

/* From a client's certificate to an authority, without what it may have sent between; NULL: that is missing, or it does not
 * hold now. */
STACK_OF(X509) * peer_chain_build(SSL_CTX *context, X509 *leaf);

/* -- sock.c: what OpenSSL's callbacks have to know about a connection ------------------------------------------------ */
const struct tls_set *sock_set_of(const SSL *tls);
/* RFC 7301 3.2 */
int sock_choose_protocol(SSL *tls, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                         unsigned in_len, void *ctx);

#endif
