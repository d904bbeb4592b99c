/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and certificates as PEM (RFC 7468). */
#include "config/identity.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <string.h>

/* No clock is asked: the certificate is as good as its key, for ever (RFC 5280 4.1.2.5). */
#define VALID_FROM "20000101000000Z"
#define VALID_UNTIL "99991231235959Z"
#define COMMON_NAME "mdm-tunnel"

static bool key_fingerprint(EVP_PKEY *key, struct fingerprint *out)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    bool made = len > 0 && EVP_Digest(der, (size_t)len, out->bytes, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_free(der);
    return made;
}

/* -- making -------------------------------------------------------------------------------------------------------- */

static bool certificate_fill(X509 *c, EVP_PKEY *key)
{
    unsigned char serial[8];
    X509_NAME *name = X509_get_subject_name(c);
    if (RAND_bytes(serial, sizeof(serial)) != 1)
        return false;
    uint64_t number = 0;
    memcpy(&number, serial, sizeof(number));
    return X509_set_version(c, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(c), number >> 1 | 1) == 1 &&
           ASN1_TIME_set_string_X509(X509_getm_notBefore(c), VALID_FROM) == 1 &&
           ASN1_TIME_set_string_X509(X509_getm_notAfter(c), VALID_UNTIL) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)COMMON_NAME, -1, -1, 0) == 1 &&
           X509_set_issuer_name(c, name) == 1 && X509_set_pubkey(c, key) == 1 && X509_sign(c, key, NULL) > 0;
}

/* Heap, with a NUL; NULL without memory. */
static char *pem_write(EVP_PKEY *key, X509 *certificate)
{
    BIO *b = BIO_new(BIO_s_secmem());
    char *text = NULL, *data;
    if (b != NULL && PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) == 1 &&
        PEM_write_bio_X509(b, certificate) == 1) {
        long len = BIO_get_mem_data(b, &data);
        text = len > 0 ? strndup(data, (size_t)len) : NULL;
    }
    BIO_free(b);
    return text;
}

bool identity_create(struct identity *out)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    X509 *certificate = X509_new();
    struct identity made = {0};
    if (key != NULL && certificate != NULL && certificate_fill(certificate, key) &&
        key_fingerprint(key, &made.fingerprint))
        made.pem = pem_write(key, certificate);
    X509_free(certificate);
    EVP_PKEY_free(key);
    ERR_clear_error();
    if (made.pem != NULL)
        *out = made;
    return made.pem != NULL;
}

/* -- reading ------------------------------------------------------------------------------------------------------- */

bool identity_parse(char *pem, struct identity *out)
{
    BIO *b = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = b == NULL ? NULL : PEM_read_bio_PrivateKey(b, NULL, NULL, (void *)"");
    X509 *certificate = key == NULL ? NULL : PEM_read_bio_X509(b, NULL, NULL, NULL);
    struct fingerprint fingerprint;
    bool valid = certificate != NULL && EVP_PKEY_get_id(key) == EVP_PKEY_ED25519 &&
                 X509_check_private_key(certificate, key) == 1 && key_fingerprint(key, &fingerprint);
    X509_free(certificate);
    EVP_PKEY_free(key);
    BIO_free(b);
    ERR_clear_error();
    if (valid)
        *out = (struct identity){.pem = pem, .fingerprint = fingerprint};
    return valid;
}

void identity_done(struct identity *i)
{
    if (i->pem != NULL)
        OPENSSL_cleanse(i->pem, strlen(i->pem));
    free(i->pem);
    i->pem = NULL;
}

static int identity_make(struct state *s, const char *name, struct identity *out, struct config_error *err)
{
    struct identity made;
    if (!identity_create(&made))
        return config_error_set(err, "%s: cannot make a key", name);
    if (state_write(s, name, made.pem, err) != 0) {
        identity_done(&made);
        return -1;
    }
    *out = made;
    return 0;
}

int identity_load(struct state *s, const char *name, struct identity *out, struct config_error *err)
{
    if (state_lock(s, err) != 0)
        return -1;
    int result = -1;
    char *pem = state_read(s, name);
    if (pem == NULL && errno == ENOENT)
        result = identity_make(s, name, out, err);
    else if (pem == NULL)
        config_error_set(err, "%s/%s: %s", state_directory(s), name, strerror(errno));
    else if (identity_parse(pem, out))
        result = 0;
    else
        config_error_set(err, "%s/%s: not a key with its certificate", state_directory(s), name);
    if (result != 0)
        free(pem);
    state_unlock(s);
    return result;
}
