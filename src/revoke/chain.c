/* SPDX-License-Identifier: Apache-2.0 */
/* Chains of certificates on their way to a thread, and what is said of them in the end. */
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "revoke/internal.h"

unsigned certs_methods(const struct revoke_config *c, const STACK_OF(X509) * chain, int index)
{
    unsigned methods = 0;
    if (index >= sk_X509_num(chain) - 1)
        return 0;
    if (c->ocsp && (c->ocsp_depth == 0 || (unsigned)index < c->ocsp_depth))
        methods |= METHOD_OCSP;
    if (c->crl && (c->crl_depth == 0 || (unsigned)index < c->crl_depth))
        methods |= METHOD_CRL;
    return methods;
}

bool certs_key(const STACK_OF(X509) * chain, int index, unsigned methods, uint8_t key[static RECORD_KEY_BYTES])
{
    return record_key(sk_X509_value(chain, index), sk_X509_value(chain, index + 1), methods, key);
}

bool certs_digest(STACK_OF(X509) * chain, const void *staple, size_t staple_len, uint8_t key[static RECORD_KEY_BYTES])
{
    uint8_t one[EVP_MAX_MD_SIZE];
    unsigned len;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
    for (int i = 0; ok && i < sk_X509_num(chain); i++)
        ok = X509_digest(sk_X509_value(chain, i), EVP_sha256(), one, &len) == 1 && EVP_DigestUpdate(md, one, len) == 1;
    ok = ok && (staple_len == 0 || EVP_DigestUpdate(md, staple, staple_len) == 1) && EVP_DigestFinal_ex(md, key, &len) == 1;
    EVP_MD_CTX_free(md);
    return ok;
}

/* -- as bytes: no certificate of OpenSSL's has two threads --------------------------------------------------------- */

bool certs_pack(STACK_OF(X509) * chain, const void *staple, size_t staple_len, struct certs_bytes *out)
{
    size_t len = 0;
    int one = 0;
    *out = (struct certs_bytes){0};
    for (int i = 0; i < sk_X509_num(chain) && one >= 0; i++, len += (size_t)one)
        one = i2d_X509(sk_X509_value(chain, i), NULL);
    uint8_t *at = one < 0 ? NULL : malloc(len + staple_len);
    if (at == NULL)
        return false;
    *out = (struct certs_bytes){.certs = at, .len = len, .staple = at + len, .staple_len = staple_len};
    for (int i = 0; i < sk_X509_num(chain); i++)
        i2d_X509(sk_X509_value(chain, i), &at);
    if (staple_len > 0)
        memcpy(out->staple, staple, staple_len);
    return true;
}

STACK_OF(X509) * certs_unpack(const struct certs_bytes *bytes)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    for (const uint8_t *at = bytes->certs, *end = at + bytes->len; chain != NULL && at < end;) {
        X509 *cert = d2i_X509(NULL, &at, end - at);
        if (cert == NULL || sk_X509_push(chain, cert) <= 0) {
            X509_free(cert);
            sk_X509_pop_free(chain, X509_free);
            chain = NULL;
        }
    }
    ERR_clear_error();
    return chain;
}

void certs_bytes_done(struct certs_bytes *bytes)
{
    free(bytes->certs);
    *bytes = (struct certs_bytes){0};
}

/* -- the answer ------------------------------------------------------------------------------------------------------ */

void revoke_answer_make(const struct revoke_config *c, X509 *cert, const struct finding *f, struct revoke_answer *out)
{
    char name[96] = "a certificate";
    out->status = f->status;
    out->allowed = f->status == REVOKE_GOOD || (f->status == REVOKE_ERROR && c->soft_fail);
    out->why[0] = '\0';
    if (f->status == REVOKE_GOOD)
        return;
    BIO *text = cert != NULL ? BIO_new(BIO_s_mem()) : NULL;
    const char *data;
    if (text != NULL && X509_NAME_print_ex(text, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0) {
        long len = BIO_get_mem_data(text, &data);
        if (len > 0)
            snprintf(name, sizeof(name), "%.*s", (int)len, data);
    }
    BIO_free(text);
    ERR_clear_error();
    snprintf(out->why, sizeof(out->why), "%s: %s", name, f->why);
}
