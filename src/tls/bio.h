/* SPDX-License-Identifier: Apache-2.0 */
/* What OpenSSL reads from and writes to: the socket of a sock, after the bytes that were read from it before. */
#ifndef TLS_BIO_H
#define TLS_BIO_H

#include <openssl/bio.h>

struct sock;

/* NULL without memory. Any thread. */
BIO *socket_bio_create(struct sock *s);

#endif
