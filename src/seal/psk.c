/* SPDX-License-Identifier: Apache-2.0 */
/* Pre-shared keys in the handshake (RFC 8446 4.2.11). They stand for SHA-256, which is the hash of our first cipher suite. */
#include <string.h>

#include "seal/internal.h"

const unsigned char seal_session_context[SEAL_SESSION_CONTEXT_BYTES] = {'m', 'd', 'm'};

static SSL_SESSION *psk_session(SSL *tls, const struct psk *psk)
{
    static const unsigned char aes_128_gcm_sha256[] = {0x13, 0x01};
    const SSL_CIPHER *cipher = SSL_CIPHER_find(tls, aes_128_gcm_sha256);
    SSL_SESSION *session = cipher == NULL ? NULL : SSL_SESSION_new();
    if (session != NULL && SSL_SESSION_set1_master_key(session, psk->bytes, psk->len) == 1 &&
        SSL_SESSION_set1_id_context(session, seal_session_context, sizeof(seal_session_context)) == 1 &&
        SSL_SESSION_set_cipher(session, cipher) == 1 && SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1)
        return session;
    SSL_SESSION_free(session);
    return NULL;
}

int seal_psk_offer(SSL *tls, const EVP_MD *hash, const unsigned char **name, size_t *len, SSL_SESSION **out)
{
    struct seal *s = SSL_get_app_data(tls);
    *out = NULL;
    *name = NULL;
    *len = 0;
    if (s->offer == NULL || (hash != NULL && EVP_MD_get_type(hash) != NID_sha256))
        return 1;
    *out = psk_session(tls, s->offer);
    if (*out == NULL)
        return 0;
    *name = (const unsigned char *)s->offer->name;
    *len = strlen(s->offer->name);
    s->peer.psk = s->offer;
    return 1;
}

int seal_psk_find(SSL *tls, const unsigned char *name, size_t len, SSL_SESSION **out)
{
    struct seal *s = SSL_get_app_data(tls);
    const struct seal_context *c = s->context;
    *out = NULL;
    for (size_t i = 0; i < c->psk_count; i++) {
        const struct psk *p = &c->psks[i];
        if (strlen(p->name) != len || memcmp(p->name, name, len) != 0)
            continue;
        *out = psk_session(tls, p);
        s->peer.psk = p;
        return *out != NULL;
    }
    return 1; /* not one of ours: the handshake goes on with certificates */
}
