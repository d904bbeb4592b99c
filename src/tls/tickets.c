/* SPDX-License-Identifier: Apache-2.0 */
/* Session tickets under keys that all workers have (RFC 5077 4: AES-256-CBC, HMAC-SHA-256). */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/random.h>

#include "tls/internal.h"

bool tls_tickets_turn(struct tls_tickets *t)
{
    struct tls_ticket_key fresh;
    if (getrandom(&fresh, sizeof(fresh), 0) != sizeof(fresh))
        return false;
    t->keys[1] = t->keys[0];
    t->keys[0] = fresh;
    return true;
}

static bool key_apply(const struct tls_ticket_key *key, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                      int sealing)
{
    char digest[] = "SHA256";
    OSSL_PARAM how[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)key->mac, sizeof(key->mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, how) == 1 &&
           EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, sealing) == 1;
}

/* -1: it failed; 0: not one of ours; 1: done; 2: done, and a new ticket is wanted. */
static int ticket_key(SSL *tls, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                      int sealing)
{
    const struct tls_ticket_key *keys = sock_set_of(tls)->tickets.keys;
    if (sealing != 0) {
        memcpy(name, keys[0].name, sizeof(keys[0].name));
        return RAND_bytes(iv, EVP_MAX_IV_LENGTH) == 1 && key_apply(&keys[0], iv, cipher, mac, 1) ? 1 : -1;
    }
    int renew = SSL_version(tls) == TLS1_3_VERSION; /* a ticket is used once (RFC 8446 C.4) */
    for (int i = 0; i < 2; i++)
        if (memcmp(name, keys[i].name, sizeof(keys[i].name)) == 0)
            return !key_apply(&keys[i], iv, cipher, mac, 0) ? -1 : i > 0 || renew ? 2 : 1;
    return 0;
}

static int ticket_made(SSL *tls, void *ctx)
{
    (void)tls, (void)ctx;
    return 1;
}

/*
 * A ticket has the client's own certificate only. Where that alone does not lead to an authority any more (it has expired, or
 * others stood between), there is a whole handshake: who may come is decided by whole chains.
 */
static SSL_TICKET_RETURN ticket_opened(SSL *tls, SSL_SESSION *session, const unsigned char *name, size_t len,
                                       SSL_TICKET_STATUS status, void *ctx)
{
    (void)name, (void)len, (void)ctx;
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    X509 *shown = SSL_SESSION_get0_peer(session);
    STACK_OF(X509) *chain = shown != NULL ? peer_chain_build(SSL_get_SSL_CTX(tls), shown) : NULL;
    bool holds = shown == NULL || chain != NULL;
    sk_X509_pop_free(chain, X509_free);
    return !holds                       ? SSL_TICKET_RETURN_IGNORE_RENEW
           : status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE
                                          : SSL_TICKET_RETURN_USE_RENEW;
}

void tickets_use(SSL_CTX *context)
{
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_key);
    SSL_CTX_set_session_ticket_cb(context, ticket_made, ticket_opened, NULL);
}
