/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all sessions of a program share: how it proves who it is, whom it can believe, and the settings of TLS 1.3 (RFC
 * 8446). Constant after its creation; any thread. X25519, AES-GCM or ChaCha20-Poly1305; no session tickets, no early data.
 *
 * Three means, from the strongest claim on a peer to the weakest; which one was used stands in struct seal_peer, and whether
 * it is enough, the user decides:
 *   a pre-shared key, with an ephemeral exchange (psk_dhe_ke): no certificate is shown;
 *   a certificate of one of `authorities`, valid now; when there are authorities, no other certificate gets through;
 *   without authorities, a certificate that says nothing but its Ed25519 key: whose it is, the fingerprint says.
 */
#ifndef SEAL_CONTEXT_H
#define SEAL_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fingerprint.h"
#include "base/psk.h"

struct seal_context;

struct seal_config {
    const char *pem;         /* our private key and its certificate, then those between it and an authority */
    const char *authorities; /* certificates (PEM) of those whose word counts; NULL: none */
    const struct psk *psks;  /* copied */
    size_t psk_count;
};

/* NULL and *why: without memory, or when what is in the configuration cannot be used. */
struct seal_context *seal_context_create(const struct seal_config *config, const char **why);
void seal_context_free(struct seal_context **c);
/* Our own key's. */
const struct fingerprint *seal_context_fingerprint(const struct seal_context *c);
bool seal_context_has_authorities(const struct seal_context *c);
/* The key that stands for client `id`: one for this id alone before one with a pattern; NULL as id: the first one. NULL: none. */
const struct psk *seal_context_psk(const struct seal_context *c, const char *id);

enum seal_means { SEAL_BY_KEY, SEAL_BY_CERTIFICATE, SEAL_BY_PSK };

/* What a peer has proven; valid as long as its seal. */
struct seal_peer {
    enum seal_means means;
    struct fingerprint key; /* zero with SEAL_BY_PSK */
    const struct psk *psk;  /* SEAL_BY_PSK */
    struct x509_st *certificate;
    bool other;             /* it said the other names (seal_accept_other) */
};

/* SEAL_BY_CERTIFICATE: whether it was made out to `name`, a host name, an address or a client id (RFC 6125 6.4). */
bool seal_peer_has_name(const struct seal_peer *peer, const char *name);

#endif
