/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of TLS, and the key that this program shows. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "seal/internal.h"

/* A self-signed certificate of ours has 300 bytes. */
#define CERTIFICATES_MAX 4096

bool seal_fingerprint(const X509 *certificate, struct fingerprint *out)
{
    unsigned char *der = NULL;
    EVP_PKEY *key = certificate == NULL ? NULL : X509_get0_pubkey(certificate);
    if (key == NULL || EVP_PKEY_get_id(key) != EVP_PKEY_ED25519)
        return false;
    int len = i2d_PUBKEY(key, &der);
    bool made = len > 0 && EVP_Digest(der, (size_t)len, out->bytes, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_free(der);
    return made;
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
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(tls, certificate_any, NULL);
    SSL_CTX_set_max_cert_list(tls, CERTIFICATES_MAX);
    SSL_CTX_set_alpn_select_cb(tls, seal_choose_names, NULL);
    return SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) == 1 && SSL_CTX_set_num_tickets(tls, 0) == 1 &&
           SSL_CTX_set_ciphersuites(
               tls, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1 &&
           SSL_CTX_set1_groups_list(tls, "X25519") == 1 && SSL_CTX_set1_sigalgs_list(tls, "ed25519") == 1;
}

static bool identity_use(struct seal_context *c, const char *pem)
{
    BIO *text = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = text == NULL ? NULL : PEM_read_bio_PrivateKey(text, NULL, NULL, NULL);
    X509 *certificate = key == NULL ? NULL : PEM_read_bio_X509(text, NULL, NULL, NULL);
    bool used = certificate != NULL && seal_fingerprint(certificate, &c->fingerprint) &&
                SSL_CTX_use_certificate(c->tls, certificate) == 1 && SSL_CTX_use_PrivateKey(c->tls, key) == 1;
    X509_free(certificate);
    EVP_PKEY_free(key);
    BIO_free(text);
    ERR_clear_error();
    return used;
}

struct seal_context *seal_context_create(const char *pem)
{
    struct seal_context *c;
    ALLOC_OBJECT(c, SEAL_CONTEXT_MAGIC);
    if (c == NULL)
        return NULL;
    c->tls = SSL_CTX_new(TLS_method());
    c->carrier = seal_carrier_create();
    if (c->tls == NULL || c->carrier == NULL || !tls_configure(c->tls) || !identity_use(c, pem))
        seal_context_free(&c);
    return c;
}

void seal_context_free(struct seal_context **cp)
{
    struct seal_context *c;
    if (*cp == NULL)
        return;
    TAKE_OBJECT(c, cp, SEAL_CONTEXT_MAGIC);
    SSL_CTX_free(c->tls);
    BIO_meth_free(c->carrier);
    FREE_OBJECT(c);
}

const struct fingerprint *seal_context_fingerprint(const struct seal_context *c)
{
    CHECK_OBJECT(c, SEAL_CONTEXT_MAGIC);
    return &c->fingerprint;
}
