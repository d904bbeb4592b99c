/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of TLS, the key that this program shows, the authorities that it believes. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "seal/internal.h"

/* A self-signed certificate of ours has 300 bytes; a chain with RSA keys, some thousands. */
#define CERTIFICATES_MAX 4096
#define CHAIN_MAX 12288
/* Of the one key that we make, and of those that authorities sign. */
#define SIGNATURES_OWN "ed25519"
#define SIGNATURES_ALL                                                                                                 \
    "ed25519:ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_pss_sha256:"    \
    "rsa_pkcs1_sha256:rsa_pkcs1_sha384"

static bool key_fingerprint(EVP_PKEY *key, struct fingerprint *out)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    bool made = len > 0 && EVP_Digest(der, (size_t)len, out->bytes, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_free(der);
    return made;
}

bool seal_fingerprint(const X509 *certificate, bool any_kind, struct fingerprint *out)
{
    EVP_PKEY *key = certificate == NULL ? NULL : X509_get0_pubkey(certificate);
    return key != NULL && (any_kind || EVP_PKEY_get_id(key) == EVP_PKEY_ED25519) && key_fingerprint(key, out);
}

/* Any certificate will do: that its key was proven is checked by TLS, whose it is by the user. */
static int certificate_any(X509_STORE_CTX *store, void *ctx)
{
    (void)ctx;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

static bool tls_configure(SSL_CTX *tls)
{
    SSL_CTX_set_options(tls, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_clear_options(tls, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_alpn_select_cb(tls, seal_choose_names, NULL);
    return SSL_CTX_set_session_id_context(tls, seal_session_context, sizeof(seal_session_context)) == 1 &&
           SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) == 1 && SSL_CTX_set_num_tickets(tls, 0) == 1 &&
           SSL_CTX_set_ciphersuites(
               tls, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1 &&
           SSL_CTX_set1_groups_list(tls, "X25519") == 1;
}

/* -- what we show -------------------------------------------------------------------------------------------------- */

/* What follows our own certificate. */
static bool chain_use(SSL_CTX *tls, BIO *text)
{
    for (X509 *c; (c = PEM_read_bio_X509(text, NULL, NULL, NULL)) != NULL;) {
        if (SSL_CTX_add0_chain_cert(tls, c) != 1) {
            X509_free(c);
            return false;
        }
    }
    return true;
}

static bool identity_use(struct seal_context *c, const char *pem)
{
    BIO *text = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = text == NULL ? NULL : PEM_read_bio_PrivateKey(text, NULL, NULL, (void *)"");
    X509 *certificate = key == NULL || BIO_reset(text) != 1 ? NULL : PEM_read_bio_X509(text, NULL, NULL, NULL);
    bool used = certificate != NULL && seal_fingerprint(certificate, true, &c->fingerprint) &&
                SSL_CTX_use_certificate(c->tls, certificate) == 1 && SSL_CTX_use_PrivateKey(c->tls, key) == 1 &&
                chain_use(c->tls, text);
    c->own_kind = used && EVP_PKEY_get_id(key) == EVP_PKEY_ED25519;
    X509_free(certificate);
    EVP_PKEY_free(key);
    BIO_free(text);
    ERR_clear_error();
    return used;
}

/* -- whom we believe ----------------------------------------------------------------------------------------------- */

static bool authorities_add(X509_STORE *store, const char *pem)
{
    BIO *text = BIO_new_mem_buf(pem, -1);
    unsigned count = 0;
    bool added = text != NULL;
    for (X509 *c; added && (c = PEM_read_bio_X509(text, NULL, NULL, NULL)) != NULL; count++) {
        added = X509_STORE_add_cert(store, c) == 1;
        X509_free(c);
    }
    BIO_free(text);
    ERR_clear_error();
    return added && count > 0;
}

/* Either end may be the one that TLS calls the server: a certificate for one of the purposes is good for both. */
static bool belief_configure(struct seal_context *c, const char *authorities)
{
    c->authorities = authorities != NULL;
    bool all = c->authorities || !c->own_kind;
    if (SSL_CTX_set1_sigalgs_list(c->tls, all ? SIGNATURES_ALL : SIGNATURES_OWN) != 1)
        return false;
    SSL_CTX_set_max_cert_list(c->tls, all ? CHAIN_MAX : CERTIFICATES_MAX);
    if (!c->authorities) {
        SSL_CTX_set_cert_verify_callback(c->tls, certificate_any, NULL);
        return true;
    }
    return SSL_CTX_set_purpose(c->tls, X509_PURPOSE_ANY) == 1 &&
           authorities_add(SSL_CTX_get_cert_store(c->tls), authorities);
}

static bool psks_copy(struct seal_context *c, const struct psk *psks, size_t count)
{
    if (count == 0)
        return true;
    c->psks = calloc(count, sizeof(*psks));
    if (c->psks == NULL)
        return false;
    memcpy(c->psks, psks, count * sizeof(*psks));
    c->psk_count = count;
    SSL_CTX_set_psk_use_session_callback(c->tls, seal_psk_offer);
    SSL_CTX_set_psk_find_session_callback(c->tls, seal_psk_find);
    return true;
}

const struct psk *seal_context_psk(const struct seal_context *c, const char *id)
{
    const struct psk *found = NULL;
    CHECK_OBJECT(c, SEAL_CONTEXT_MAGIC);
    if (id == NULL)
        return c->psk_count > 0 ? &c->psks[0] : NULL;
    for (size_t i = 0; i < c->psk_count; i++) {
        const struct psk *p = &c->psks[i];
        if (strcmp(p->pattern, id) == 0)
            return p;
        if (found == NULL && pattern_matches(p->pattern, id))
            found = p;
    }
    return found;
}

bool seal_peer_has_name(const struct seal_peer *peer, const char *name)
{
    return peer->means == SEAL_BY_CERTIFICATE &&
           (X509_check_host(peer->certificate, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1 ||
            X509_check_ip_asc(peer->certificate, name, 0) == 1);
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

static const char *context_init(struct seal_context *c, const struct seal_config *config)
{
    c->tls = SSL_CTX_new(TLS_method());
    c->carrier = seal_carrier_create();
    if (c->tls == NULL || c->carrier == NULL || !tls_configure(c->tls) ||
        !psks_copy(c, config->psks, config->psk_count))
        return "out of memory";
    if (!identity_use(c, config->pem))
        return "not a private key with its certificate";
    return belief_configure(c, config->authorities) ? NULL : "no certificate of an authority";
}

struct seal_context *seal_context_create(const struct seal_config *config, const char **why)
{
    struct seal_context *c;
    ALLOC_OBJECT(c, SEAL_CONTEXT_MAGIC);
    const char *failed = c == NULL ? "out of memory" : context_init(c, config);
    if (failed == NULL)
        return c;
    seal_context_free(&c);
    *why = failed;
    return NULL;
}

void seal_context_free(struct seal_context **cp)
{
    struct seal_context *c;
    if (*cp == NULL)
        return;
    TAKE_OBJECT(c, cp, SEAL_CONTEXT_MAGIC);
    SSL_CTX_free(c->tls);
    BIO_meth_free(c->carrier);
    if (c->psks != NULL)
        OPENSSL_cleanse(c->psks, c->psk_count * sizeof(*c->psks));
    free(c->psks);
    FREE_OBJECT(c);
}

const struct fingerprint *seal_context_fingerprint(const struct seal_context *c)
{
    CHECK_OBJECT(c, SEAL_CONTEXT_MAGIC);
    return &c->fingerprint;
}

bool seal_context_has_authorities(const struct seal_context *c)
{
    CHECK_OBJECT(c, SEAL_CONTEXT_MAGIC);
    return c->authorities;
}
