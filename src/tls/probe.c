/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL's client, and its words for what went wrong. */
#include "tls/probe.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static bool files_load(SSL_CTX *context, const struct tls_probe *p)
{
    const char *key = p->key_file != NULL ? p->key_file : p->cert_file;

    if ((p->ca_file != NULL ? SSL_CTX_load_verify_file(context, p->ca_file) : SSL_CTX_set_default_verify_paths(context)) != 1)
        return false;
    return p->cert_file == NULL || (SSL_CTX_use_certificate_chain_file(context, p->cert_file) == 1 &&
                                    SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1);
}

static bool name_expect(SSL *ssl, const char *host)
{
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1)
        return true;
    ERR_clear_error();
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static bool alpn_offer(SSL *ssl, const char *alpn)
{
    unsigned char wire[256];
    size_t len = alpn == NULL ? 0 : strlen(alpn);

    if (len == 0 || len > 255)
        return true;
    wire[0] = (unsigned char)len;
    memcpy(wire + 1, alpn, len);
    return SSL_set_alpn_protos(ssl, wire, (unsigned)len + 1) == 0;
}

static void failure_text(SSL *ssl, int result, char *why, size_t size)
{
    int kind = ssl == NULL ? SSL_ERROR_SSL : SSL_get_error(ssl, result), failed = errno;
    long verified = ssl == NULL ? X509_V_OK : SSL_get_verify_result(ssl);
    const char *reason = ERR_reason_error_string(ERR_get_error());

    if (verified != X509_V_OK)
        snprintf(why, size, "certificate verify failed: %s", X509_verify_cert_error_string(verified));
    else if (reason != NULL)
        snprintf(why, size, "TLS: %s", reason);
    else if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE)
        snprintf(why, size, "no answer to TLS");
    else
        snprintf(why, size, "TLS: %s", kind == SSL_ERROR_SYSCALL && failed != 0 ? strerror(failed) : "the connection was closed");
}

/* True when there is nothing to complain about. */
static bool talk(SSL *ssl, const char *say, char *heard, size_t size, char *why, size_t why_size)
{
    int result = SSL_connect(ssl);

    if (result == 1 && say != NULL)
        result = SSL_write(ssl, say, (int)strlen(say));
    if (result >= 1) {
        result = SSL_read(ssl, heard, (int)size - 1);
        heard[result > 0 ? result : 0] = '\0';
        int kind = SSL_get_error(ssl, result);
        if (result > 0 || kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_ZERO_RETURN)
            return true;
    }
    failure_text(ssl, result, why, why_size);
    return false;
}

static void look(SSL *ssl, struct tls_probe_seen *out)
{
    const X509 *certificate = SSL_get0_peer_certificate(ssl);
    struct tm tm;

    *out = (struct tls_probe_seen){.version = ""};
    if (certificate == NULL)
        return;
    snprintf(out->version, sizeof(out->version), "%s", SSL_get_version(ssl));
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) == 1)
        out->expires_s = timegm(&tm);
}

bool tls_probe(int fd, const struct tls_probe *p, const char *say, char *heard, size_t heard_size, struct tls_probe_seen *seen, char *why,
               size_t why_size)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = context != NULL && files_load(context, p) ? SSL_new(context) : NULL;
    bool ready = ssl != NULL && name_expect(ssl, p->host) && alpn_offer(ssl, p->alpn) && SSL_set_fd(ssl, fd) == 1;
    bool good = false;

    heard[0] = '\0';
    if (ready) {
        SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
        errno = 0;
        good = talk(ssl, say, heard, heard_size, why, why_size);
        if (seen != NULL)
            look(ssl, seen);
    } else {
        failure_text(NULL, 0, why, why_size);
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
    ERR_clear_error();
    return good;
}
