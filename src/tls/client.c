/* SPDX-License-Identifier: Apache-2.0 */
/* A context of OpenSSL for connections that we begin. */
#include "tls/client.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "tls/internal.h"

/* Nobody is there to be asked. */
static int no_passphrase(char *text, int size, int writing, void *ctx)
{
    (void)text, (void)size, (void)writing, (void)ctx;
    return -1;
}

static bool readable(const char *path, struct tls_report *report)
{
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        tls_refuse(report, "%s: %m", path);
        return false;
    }
    fclose(f);
    return true;
}

static bool authorities_use(SSL_CTX *c, const char *ca_file, struct tls_report *report)
{
    if (ca_file == NULL)
        return SSL_CTX_set_default_verify_paths(c) == 1;
    if (!readable(ca_file, report))
        return false;
    if (SSL_CTX_load_verify_file(c, ca_file) == 1)
        return true;
    ERR_clear_error();
    tls_refuse(report, "%s: holds no certificate that can be read", ca_file);
    return false;
}

static bool own_use(SSL_CTX *c, const struct tls_client_config *config, struct tls_report *report)
{
    char why[128];
    const char *key_file = config->key_file != NULL ? config->key_file : config->cert_file;
    if (!readable(config->cert_file, report) || !readable(key_file, report))
        return false;
    SSL_CTX_set_default_passwd_cb(c, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(c, config->cert_file) != 1)
        tls_refuse(report, "%s: %s", config->cert_file, tls_reason(why, sizeof(why)));
    else if (SSL_CTX_use_PrivateKey_file(c, key_file, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(c) != 1)
        tls_refuse(report, "%s: %s", key_file, tls_reason(why, sizeof(why)));
    else
        return true;
    return false;
}

static bool context_configure(SSL_CTX *c)
{
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
    SSL_CTX_set_read_ahead(c, 1);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
    return SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1;
}

struct tls_client *tls_client_load(const struct tls_client_config *config, struct tls_report *report)
{
    struct tls_client *client;
    char why[128];
    report->error[0] = report->warning[0] = '\0';
    ALLOC_OBJECT(client, TLS_CLIENT_MAGIC);
    if (client == NULL) {
        tls_refuse(report, "TLS: out of memory");
        return NULL;
    }
    client->context = SSL_CTX_new(TLS_client_method());
    bool ok = client->context != NULL && context_configure(client->context) &&
              (!config->staple || SSL_CTX_set_tlsext_status_type(client->context, TLSEXT_STATUSTYPE_ocsp) == 1) &&
              authorities_use(client->context, config->ca_file, report) &&
              (config->cert_file == NULL || own_use(client->context, config, report));
    if (!ok && report->error[0] == '\0')
        tls_refuse(report, "TLS: %s", tls_reason(why, sizeof(why)));
    if (!ok)
        tls_client_free(&client);
    return client;
}

void tls_client_free(struct tls_client **cp)
{
    struct tls_client *c;
    if (*cp == NULL)
        return;
    TAKE_OBJECT(c, cp, TLS_CLIENT_MAGIC);
    SSL_CTX_free(c->context);
    FREE_OBJECT(c);
}
