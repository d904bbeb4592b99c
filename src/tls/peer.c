/* SPDX-License-Identifier: Apache-2.0 */
/* What a handshake has found out about the other end. */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "tls/internal.h"
#include "tls/sock.h"

const char *sock_tls_version(const struct sock *s) { return s->tls != NULL ? SSL_get_version(s->tls) : NULL; }

const char *sock_server_name(const struct sock *s)
{
    return s->tls != NULL ? SSL_get_servername(s->tls, TLSEXT_NAMETYPE_host_name) : NULL;
}

void sock_protocol(const struct sock *s, char name[static 256])
{
    const unsigned char *protocol = NULL;
    unsigned len = 0;
    if (s->tls != NULL)
        SSL_get0_alpn_selected(s->tls, &protocol, &len);
    if (len > 0)
        memcpy(name, protocol, len);
    name[len] = '\0';
}

bool sock_resumed(const struct sock *s) { return s->tls != NULL && SSL_session_reused(s->tls) == 1; }

STACK_OF(X509) * peer_chain_build(SSL_CTX *context, X509 *leaf)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *chain = NULL;
    if (ctx != NULL && X509_STORE_CTX_init(ctx, SSL_CTX_get_cert_store(context), leaf, NULL) == 1 &&
        X509_STORE_CTX_set_default(ctx, "ssl_client") == 1 && X509_verify_cert(ctx) == 1)
        chain = X509_STORE_CTX_get1_chain(ctx);
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return chain;
}

STACK_OF(X509) * sock_peer_chain(const struct sock *s, bool *shown)
{
    X509 *leaf = s->tls != NULL ? SSL_get0_peer_certificate(s->tls) : NULL;
    STACK_OF(X509) *verified = leaf != NULL ? SSL_get0_verified_chain(s->tls) : NULL;
    *shown = leaf != NULL;
    if (leaf == NULL)
        return NULL;
    return verified != NULL ? X509_chain_up_ref(verified) : peer_chain_build(SSL_get_SSL_CTX(s->tls), leaf);
}

const unsigned char *sock_staple(const struct sock *s, size_t *len)
{
    const unsigned char *staple = NULL;
    long found = s->tls != NULL ? SSL_get_tlsext_status_ocsp_resp(s->tls, &staple) : -1;
    *len = found > 0 ? (size_t)found : 0;
    return found > 0 ? staple : NULL;
}

bool sock_client_subject(const struct sock *s, char *subject, size_t size)
{
    X509 *cert = s->tls != NULL ? SSL_get0_peer_certificate(s->tls) : NULL;
    BIO *text = cert != NULL ? BIO_new(BIO_s_mem()) : NULL;
    const char *data;
    if (text == NULL)
        return false;
    bool shown = X509_NAME_print_ex(text, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0;
    long len = BIO_get_mem_data(text, &data);
    if (shown)
        snprintf(subject, size, "%.*s", (int)len, data);
    BIO_free(text);
    return shown;
}

bool sock_client_common_name(const struct sock *s, char *name, size_t size)
{
    X509 *cert = s->tls != NULL ? SSL_get0_peer_certificate(s->tls) : NULL;
    unsigned char *text = NULL;
    if (cert == NULL)
        return false;
    X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    int len = at < 0 ? -1 : ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    bool fits = len > 0 && (size_t)len < size && memchr(text, '\0', (size_t)len) == NULL;
    if (fits) {
        memcpy(name, text, (size_t)len);
        name[len] = '\0';
    }
    OPENSSL_free(text);
    ERR_clear_error();
    return fits;
}

/* One name with its kind in front; what it holds of commas and control bytes must not look like another name. */
static void name_add(const GENERAL_NAME *name, char *names, size_t size)
{
    char text[256] = "";
    BIO *b = BIO_new(BIO_s_mem());
    const char *data;
    if (b == NULL)
        return;
    if (GENERAL_NAME_print(b, (GENERAL_NAME *)(uintptr_t)name) == 1) {
        long len = BIO_get_mem_data(b, &data);
        snprintf(text, sizeof(text), "%.*s", (int)len, data);
    }
    BIO_free(b);
    for (char *c = text; *c != '\0'; c++)
        if (*c == ',' || *c < ' ' || *c == 127)
            *c = '?';
    size_t used = strlen(names);
    if (text[0] != '\0' && used + strlen(text) + 2 <= size)
        snprintf(names + used, size - used, "%s%s", used > 0 ? "," : "", text);
}

bool sock_client_names(const struct sock *s, char *names, size_t size)
{
    X509 *cert = s->tls != NULL ? SSL_get0_peer_certificate(s->tls) : NULL;
    if (cert == NULL)
        return false;
    names[0] = '\0';
    GENERAL_NAMES *all = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++)
        name_add(sk_GENERAL_NAME_value(all, i), names, size);
    GENERAL_NAMES_free(all);
    ERR_clear_error();
    return true;
}

bool sock_client_fingerprint(const struct sock *s, struct fingerprint *out)
{
    X509 *cert = s->tls != NULL ? SSL_get0_peer_certificate(s->tls) : NULL;
    unsigned len = sizeof(out->bytes);
    return cert != NULL && X509_digest(cert, EVP_sha256(), out->bytes, &len) == 1 && len == sizeof(out->bytes);
}
