/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate with its key, from files (RFC 7468), and the names it is for (RFC 6125 6.4.4). */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "tls/internal.h"

void tls_refuse(struct tls_report *report, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(report->error, sizeof(report->error), format, ap);
    va_end(ap);
    ERR_clear_error();
}

void tls_warn(struct tls_report *report, const char *format, ...)
{
    size_t used = strlen(report->warning);
    va_list ap;
    if (used > 0 && used + 2 < sizeof(report->warning))
        report->warning[used++] = '\n';
    va_start(ap, format);
    vsnprintf(report->warning + used, sizeof(report->warning) - used, format, ap);
    va_end(ap);
}

const char *tls_reason(char *text, size_t size)
{
    unsigned long code = ERR_peek_last_error();
    const char *words = code == 0 ? NULL : ERR_reason_error_string(code);
    snprintf(text, size, "%s", words != NULL ? words : code == 0 ? "out of memory" : "failed");
    ERR_clear_error();
    return text;
}

/* An open file of the project's size at most. NULL with the reason. */
static BIO *file_open(const char *path, struct tls_report *report)
{
    struct stat st;
    FILE *f = fopen(path, "re");
    if (f == NULL || fstat(fileno(f), &st) != 0) {
        tls_refuse(report, "%s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode) || st.st_size > CONFIG_FILE_MAX) {
        tls_refuse(report, "%s: %s", path, S_ISREG(st.st_mode) ? "too large" : "not a file");
    } else {
        BIO *b = BIO_new_fp(f, BIO_CLOSE);
        if (b != NULL)
            return b;
        tls_refuse(report, "%s: out of memory", path);
    }
    if (f != NULL)
        fclose(f);
    return NULL;
}

/* -- names --------------------------------------------------------------------------------------------------------- */

static bool names_add(struct tls_set *set, X509 *cert, bool valid, unsigned index)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    bool ok = true;
    for (int i = 0; ok && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
        if (n->type == GEN_DNS)
            ok = tls_set_add_name(set, (const char *)ASN1_STRING_get0_data(n->d.dNSName),
                                  (size_t)ASN1_STRING_length(n->d.dNSName), valid, index);
    }
    GENERAL_NAMES_free(names);
    return ok;
}

static void date_text(const ASN1_TIME *t, char out[static 32])
{
    struct tm tm;
    if (ASN1_TIME_to_tm(t, &tm) != 1 || strftime(out, 32, "%Y-%m-%d %H:%M UTC", &tm) == 0)
        snprintf(out, 32, "an unknown date");
}

/* Warns about a time that is not now; true when all is well. */
static bool time_check(const char *path, X509 *cert, struct tls_report *report)
{
    char date[32];
    bool over = X509_cmp_current_time(X509_get0_notAfter(cert)) < 0;
    bool early = X509_cmp_current_time(X509_get0_notBefore(cert)) > 0;
    date_text(over ? X509_get0_notAfter(cert) : X509_get0_notBefore(cert), date);
    if (over)
        tls_warn(report, "%s: the certificate expired on %s", path, date);
    else if (early)
        tls_warn(report, "%s: the certificate is not valid before %s", path, date);
    return !over && !early;
}

/* -- the certificate ----------------------------------------------------------------------------------------------- */

static bool chain_add(SSL_CTX *context, BIO *file, const char *path, struct tls_report *report)
{
    char why[128];
    for (unsigned n = 0;; n++) {
        X509 *next = PEM_read_bio_X509(file, NULL, NULL, NULL);
        if (next == NULL) {
            bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
            if (!end)
                tls_refuse(report, "%s: certificate %u: %s", path, n + 2, tls_reason(why, sizeof(why)));
            ERR_clear_error();
            return end;
        }
        if (n >= TLS_CHAIN_MAX || SSL_CTX_add0_chain_cert(context, next) != 1) {
            X509_free(next);
            tls_refuse(report, "%s: %s", path, n >= TLS_CHAIN_MAX ? "too many certificates" : "out of memory");
            return false;
        }
    }
}

/* The first certificate of the file and what follows it. The certificate is the context's. */
static X509 *cert_use(SSL_CTX *context, const char *path, struct tls_report *report)
{
    char why[128];
    BIO *file = file_open(path, report);
    if (file == NULL)
        return NULL;
    X509 *cert = PEM_read_bio_X509(file, NULL, NULL, NULL);
    bool ok = false;
    if (cert == NULL)
        tls_refuse(report, "%s: holds no certificate that can be read", path);
    else if (SSL_CTX_use_certificate(context, cert) != 1)
        tls_refuse(report, "%s: %s", path, tls_reason(why, sizeof(why)));
    else
        ok = chain_add(context, file, path, report);
    X509_free(cert);
    BIO_free(file);
    return ok ? SSL_CTX_get0_certificate(context) : NULL;
}

/* -- the key ------------------------------------------------------------------------------------------------------- */

/* Nobody is there to be asked. */
static int no_passphrase(char *text, int size, int writing, void *asked)
{
    (void)text, (void)size, (void)writing;
    *(bool *)asked = true;
    return -1;
}

static void key_check_mode(const char *path, struct tls_report *report)
{
    struct stat st;
    if (stat(path, &st) == 0 && (st.st_mode & S_IROTH) != 0)
        tls_warn(report, "%s: everybody can read this key", path);
}

static bool key_use(SSL_CTX *context, const char *path, X509 *cert, struct tls_report *report)
{
    char why[128];
    bool asked = false;
    BIO *file = file_open(path, report);
    if (file == NULL)
        return false;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(file, NULL, no_passphrase, &asked);
    BIO_free(file);
    bool ok = false;
    if (key == NULL)
        tls_refuse(report, "%s: %s", path,
                   asked ? "the key is locked with a passphrase" : "holds no private key that can be read");
    else if (X509_check_private_key(cert, key) != 1)
        tls_refuse(report, "%s: the key does not match the certificate", path);
    else if (SSL_CTX_use_PrivateKey(context, key) != 1)
        tls_refuse(report, "%s: %s", path, tls_reason(why, sizeof(why)));
    else
        ok = true;
    EVP_PKEY_free(key);
    return ok;
}

SSL_CTX *certificate_load(struct tls_set *set, unsigned index, const struct tls_pair *pair, struct tls_report *report)
{
    const char *key_file = pair->key_file != NULL ? pair->key_file : pair->cert_file;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL) {
        tls_refuse(report, "%s: out of memory", pair->cert_file);
        return NULL;
    }
    X509 *cert = cert_use(context, pair->cert_file, report);
    if (cert != NULL && key_use(context, key_file, cert, report)) {
        key_check_mode(key_file, report);
        if (names_add(set, cert, time_check(pair->cert_file, cert, report), index))
            return context;
        tls_refuse(report, "%s: too many names, or out of memory", pair->cert_file);
    }
    SSL_CTX_free(context);
    return NULL;
}
