/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this layer share. The only users of OpenSSL's TLS are here. */
#ifndef SEAL_INTERNAL_H
#define SEAL_INTERNAL_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/object.h"
#include "base/pattern.h"
#include "seal/context.h"
#include "seal/seal.h"

struct seal_context {
    OBJECT_MAGIC;
    SSL_CTX *tls;
    BIO_METHOD *carrier; /* a BIO whose data is the struct seal */
    struct fingerprint fingerprint;
    bool own_kind; /* our key is Ed25519 */
    bool authorities;
    struct psk *psks;
    size_t psk_count;
};
#define SEAL_CONTEXT_MAGIC 0x5ea1c0de

/* Of a certificate's public key; false when that is not Ed25519, unless any kind will do. */
bool seal_fingerprint(const X509 *certificate, bool any_kind, struct fingerprint *out);

/* -- psk.c: the initiator's offer, and what the responder has of it -- */
/* OpenSSL wants one where it verifies peers, the same for a context and its pre-shared keys. */
#define SEAL_SESSION_CONTEXT_BYTES 3
extern const unsigned char seal_session_context[SEAL_SESSION_CONTEXT_BYTES];
int seal_psk_offer(SSL *tls, const EVP_MD *hash, const unsigned char **name, size_t *len, SSL_SESSION **out);
int seal_psk_find(SSL *tls, const unsigned char *name, size_t len, SSL_SESSION **out);

/* -- carrier.c: the BIO between TLS and the session's bytes -- */
BIO_METHOD *seal_carrier_create(void);
#define SEAL_PENDING_FIRST 2048

/* The responder's choice of protocol: the one that names both ends, or none. ctx: struct seal. */
int seal_choose_names(SSL *tls, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                      unsigned in_len, void *ctx);

struct seal {
    OBJECT_MAGIC;
    const struct seal_context *context;
    const struct seal_events *events;
    void *ctx;
    SSL *tls;
    bool initiator;
    bool established; /* both have proven their keys */
    const struct error *failed;
    const struct psk *offer; /* the initiator's */
    struct seal_peer peer;
    uint8_t names[SEAL_NAMES_MAX + 1]; /* length, then text: as ALPN has it (RFC 7301 3.1) */
    uint8_t other[SEAL_NAMES_MAX + 1]; /* what the initiator may have said instead; no length: nothing */
    /* during seal_push(): what came */
    const uint8_t *in;
    size_t in_left;
    size_t partial; /* bytes of a record that TLS holds and that is not complete */
    /* during seal_pull(): where records go */
    uint8_t *out;
    size_t out_left;
    /* records that were made when there was no place for them */
    uint8_t *pending;
    size_t pending_head, pending_len, pending_capacity;
    struct chunk *spare; /* for what the next records say; nobody else has a reference, or all have */
    uint64_t records;    /* since the key was changed */
};
#define SEAL_MAGIC 0x5ea15ea1

#endif
