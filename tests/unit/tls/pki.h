/* SPDX-License-Identifier: Apache-2.0 */
/* A small PKI in files: authorities, certificates for names, expired ones; P-256 keys. */
#ifndef TESTS_PKI_H
#define TESTS_PKI_H

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

#define PKI_DAY (24 * 3600)

static char pki_root[] = "/tmp/mdm-tls-XXXXXX";

struct pki_cert {
    X509 *cert;
    EVP_PKEY *key;
    char cert_file[64], key_file[64];
};

static inline void pki_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    X509_add_ext(cert, e, -1);
    X509_EXTENSION_free(e);
}

static inline void pki_write(const struct pki_cert *c)
{
    FILE *f = fopen(c->cert_file, "w");
    PEM_write_X509(f, c->cert);
    fclose(f);
    f = fopen(c->key_file, "w");
    fchmod(fileno(f), 0600);
    PEM_write_PrivateKey(f, c->key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
}

static inline struct pki_cert pki_make_any(const char *name, const char *san, const struct pki_cert *issuer, bool authority,
                                           long from, long to)
{
    static long serial = 1;
    struct pki_cert c = {.cert = X509_new(), .key = EVP_EC_gen("P-256")};
    snprintf(c.cert_file, sizeof(c.cert_file), "%s/%s.crt", pki_root, name);
    snprintf(c.key_file, sizeof(c.key_file), "%s/%s.key", pki_root, name);
    X509_set_version(c.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c.cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(c.cert), from);
    X509_gmtime_adj(X509_getm_notAfter(c.cert), to);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(c.cert), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
                               0);
    X509 *by = issuer != NULL ? issuer->cert : c.cert;
    X509_set_issuer_name(c.cert, X509_get_subject_name(by));
    X509_set_pubkey(c.cert, c.key);
    if (authority)
        pki_extension(c.cert, by, NID_basic_constraints, "critical,CA:TRUE");
    if (san != NULL)
        pki_extension(c.cert, by, NID_subject_alt_name, san);
    X509_sign(c.cert, issuer != NULL ? issuer->key : c.key, EVP_sha256());
    pki_write(&c);
    return c;
}

/* Valid from `from` to `to`, seconds from now. `san` "DNS:a,DNS:*.b", NULL: none. `issuer` NULL: an authority. */
static inline struct pki_cert pki_make(const char *name, const char *san, const struct pki_cert *issuer, long from,
                                       long to)
{
    return pki_make_any(name, san, issuer, issuer == NULL, from, to);
}

/* An authority that stands below another one. */
static inline struct pki_cert pki_authority(const char *name, const struct pki_cert *issuer)
{
    return pki_make_any(name, NULL, issuer, true, -PKI_DAY, PKI_DAY);
}

static inline struct pki_cert pki_leaf(const char *name, const char *san, const struct pki_cert *issuer)
{
    return pki_make(name, san, issuer, -PKI_DAY, PKI_DAY);
}

static inline void pki_done(struct pki_cert *c)
{
    X509_free(c->cert);
    EVP_PKEY_free(c->key);
    unlink(c->cert_file);
    unlink(c->key_file);
}

static inline void pki_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
}

static inline bool pki_begin(void) { return mkdtemp(pki_root) != NULL; }
static inline void pki_end(void) { rmdir(pki_root); }

#endif
