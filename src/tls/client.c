/* SPDX-License-Identifier: Apache-2.0 */
/* A context of OpenSSL for connections that we begin. */
#include "tls/client.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "base/watch.h"
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

static SSL_CTX *context_load(const struct tls_client_config *config, struct tls_report *report)
{
    char why[128];
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    report->error[0] = report->warning[0] = '\0';
    if (c != NULL && context_configure(c) &&
        (!config->staple || SSL_CTX_set_tlsext_status_type(c, TLSEXT_STATUSTYPE_ocsp) == 1) &&
        authorities_use(c, config->ca_file, report) && (config->cert_file == NULL || own_use(c, config, report)))
        return c;
    if (report->error[0] == '\0')
        tls_refuse(report, "TLS: %s", tls_reason(why, sizeof(why)));
    SSL_CTX_free(c);
    return NULL;
}

/* -- files that change ----------------------------------------------------------------------------------------------- */

/* A certificate and its key are two files: both should be there before they are read. */
static const struct timeval settle_time = {.tv_usec = 200000};

static void file_changed(void *ctx)
{
    struct tls_client *c = ctx;
    CHECK_OBJECT(c, TLS_CLIENT_MAGIC);
    if (!event_pending(&c->settled, EV_TIMEOUT, NULL))
        event_add(&c->settled, &settle_time);
}

static void settled(evutil_socket_t fd, short what, void *arg)
{
    struct tls_client *c = arg;
    struct tls_report report;
    (void)fd, (void)what;
    CHECK_OBJECT(c, TLS_CLIENT_MAGIC);
    SSL_CTX *fresh = context_load(&c->config, &report), *former = c->context;
    if (fresh == NULL) {
        c->news(c->ctx, TLS_NEWS_REFUSED, report.error);
        return;
    }
    pthread_mutex_lock(&c->lock);
    c->context = fresh;
    pthread_mutex_unlock(&c->lock);
    SSL_CTX_free(former);
    c->news(c->ctx, TLS_NEWS_LOADED, c->config.cert_file != NULL ? c->config.cert_file : c->config.ca_file);
}

static bool file_watch(struct tls_client *c, struct worker *w, const char *path)
{
    struct watch *watch = path != NULL ? watch_create(w, path, file_changed, c) : NULL;
    if (watch != NULL)
        c->watches[c->watch_count++] = watch;
    return path == NULL || watch != NULL;
}

bool tls_client_watch(struct tls_client *c, struct worker *w, void (*news)(void *ctx, enum tls_news news, const char *text),
                      void *ctx)
{
    CHECK_OBJECT(c, TLS_CLIENT_MAGIC);
    assert(c->watch_count == 0);
    c->news = news;
    c->ctx = ctx;
    event_assign(&c->settled, worker_events(w), -1, 0, settled, c);
    return file_watch(c, w, c->config.ca_file) && file_watch(c, w, c->config.cert_file) &&
           file_watch(c, w, c->config.key_file);
}

/* -- life ------------------------------------------------------------------------------------------------------------ */

static bool text_copy(const char **to, const char *from)
{
    *to = from == NULL ? NULL : strdup(from);
    return from == NULL || *to != NULL;
}

struct tls_client *tls_client_load(const struct tls_client_config *config, struct tls_report *report)
{
    struct tls_client *c;
    report->error[0] = report->warning[0] = '\0';
    ALLOC_OBJECT(c, TLS_CLIENT_MAGIC);
    if (c == NULL) {
        tls_refuse(report, "TLS: out of memory");
        return NULL;
    }
    pthread_mutex_init(&c->lock, NULL);
    c->config.staple = config->staple;
    bool copied = text_copy(&c->config.ca_file, config->ca_file) && text_copy(&c->config.cert_file, config->cert_file) &&
                  text_copy(&c->config.key_file, config->key_file);
    if (!copied)
        tls_refuse(report, "TLS: out of memory");
    else
        c->context = context_load(&c->config, report);
    if (c->context == NULL)
        tls_client_free(&c);
    return c;
}

SSL *tls_client_connection(const struct tls_client *client)
{
    struct tls_client *c = (struct tls_client *)(uintptr_t)client; /* but for its lock nothing changes */
    CHECK_OBJECT(c, TLS_CLIENT_MAGIC);
    pthread_mutex_lock(&c->lock);
    SSL *tls = SSL_new(c->context);
    pthread_mutex_unlock(&c->lock);
    return tls;
}

void tls_client_free(struct tls_client **cp)
{
    struct tls_client *c;
    if (*cp == NULL)
        return;
    TAKE_OBJECT(c, cp, TLS_CLIENT_MAGIC);
    if (c->news != NULL)
        event_del(&c->settled);
    while (c->watch_count > 0)
        watch_free(&c->watches[--c->watch_count]);
    SSL_CTX_free(c->context);
    free((void *)(uintptr_t)c->config.ca_file);
    free((void *)(uintptr_t)c->config.cert_file);
    free((void *)(uintptr_t)c->config.key_file);
    pthread_mutex_destroy(&c->lock);
    FREE_OBJECT(c);
}
