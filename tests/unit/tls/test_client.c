/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that we begin, against OpenSSL's server: what we show and trust, and files that change. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include "pki.h"
#include "tls/client.h"
#include "tls/sock.h"

static struct pki_cert ca, other, one, tim, tom, alien;
static char shown_file[64], ca_file[64];
static struct worker *worker;
static struct tls_client *client;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static char said[1024]; /* under the lock */

static void tell(const char *text)
{
    pthread_mutex_lock(&lock);
    snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s;", text);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static bool heard(const char *text)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    int late = 0;
    pthread_mutex_lock(&lock);
    while (strstr(said, text) == NULL && late == 0)
        late = pthread_cond_timedwait(&changed, &lock, &until);
    bool found = strstr(said, text) != NULL;
    if (!found)
        printf("#   got %s, want %s\n", said, text);
    said[0] = '\0';
    pthread_mutex_unlock(&lock);
    return found;
}

static void news(void *ctx, enum tls_news kind, const char *text)
{
    static const char *const kinds[] = {"warning ", "loaded ", "refused "};
    char line[600];
    (void)ctx;
    snprintf(line, sizeof(line), "%s%s", kinds[kind], text);
    tell(line);
}

/* -- our end ----------------------------------------------------------------------------------------------------------- */

struct end {
    struct mail mail;
    struct sock sock;
    int fd;
};

static void end_done(struct end *e, const char *why)
{
    sock_close(&e->sock);
    free(e);
    tell(why);
}

static void end_established(void *ctx) { end_done(ctx, "established"); }
static void end_idle(void *ctx) { (void)ctx; }
static void end_failed(void *ctx, const char *why) { end_done(ctx, why); }

static const struct sock_events end_events = {
    .established = end_established, .readable = end_idle, .writable = end_idle, .failed = end_failed};

static void end_start(struct worker *self, struct mail *m)
{
    struct end *e = CONTAINER_OF(m, struct end, mail);
    sock_init(&e->sock, self, e->fd, &end_events, e);
    if (!sock_connect_tls(&e->sock, client, "one.example"))
        end_done(e, "out of memory");
}

static void end_discard(struct mail *m) { free(CONTAINER_OF(m, struct end, mail)); }

/* -- the other end ------------------------------------------------------------------------------------------------------- */

/* What our end says, and whom the server has seen ("" nobody). */
static bool meets(const struct pki_cert *server, const char *want, const char *name)
{
    int ends[2];
    char seen[64] = "";
    struct end *e = calloc(1, sizeof(*e));
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    e->mail = (struct mail){.deliver = end_start, .discard = end_discard};
    e->fd = ends[0];
    worker_post(worker, &e->mail);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context, server->cert);
    SSL_CTX_use_PrivateKey(context, server->key);
    SSL_CTX_load_verify_file(context, ca.cert_file);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL *tls = SSL_new(context);
    SSL_set_fd(tls, ends[1]);
    SSL_accept(tls);
    X509 *cert = SSL_get0_peer_certificate(tls);
    if (cert != NULL)
        X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, seen, sizeof(seen));
    ERR_clear_error();
    SSL_free(tls);
    SSL_CTX_free(context);
    close(ends[1]);
    OK_TEXT(seen, name);
    return heard(want);
}

/* A certificate and its key in one file, in place of what was there. */
static void show(const struct pki_cert *c)
{
    char next[80];
    snprintf(next, sizeof(next), "%s.next", shown_file);
    FILE *f = fopen(next, "w");
    PEM_write_X509(f, c->cert);
    PEM_write_PrivateKey(f, c->key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    OK(rename(next, shown_file) == 0);
}

static void trust(const struct pki_cert *c)
{
    char next[80];
    snprintf(next, sizeof(next), "%s.next", ca_file);
    FILE *f = fopen(next, "w");
    PEM_write_X509(f, c->cert);
    fclose(f);
    OK(rename(next, ca_file) == 0);
}

static void trusted(void)
{
    OK(meets(&one, "established;", "tim"));
    OK(meets(&alien, "unable to get local issuer certificate;", ""));
    OK(meets(&tom, "hostname mismatch;", ""));
}

static void renewal(void)
{
    show(&tom);
    OK(heard("loaded "));
    OK(meets(&one, "established;", "tom"));
    pki_text(shown_file, "odd\n");
    OK(heard("refused "));
    OK(meets(&one, "established;", "tom")); /* what was loaded goes on */
    show(&tim);
    OK(heard("loaded "));
    OK(meets(&one, "established;", "tim"));
    trust(&other);
    OK(heard("loaded "));
    OK(meets(&one, "self-signed certificate in certificate chain;", ""));
    OK(meets(&alien, "established;", "tim"));
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"whom we trust, what we show", trusted},
        {"files that change", renewal},
    };
    struct tls_report report;
    signal(SIGPIPE, SIG_IGN);
    if (!pki_begin())
        return 1;
    ca = pki_make("ca", NULL, NULL, -PKI_DAY, PKI_DAY);
    other = pki_make("other", NULL, NULL, -PKI_DAY, PKI_DAY);
    one = pki_leaf("one", "DNS:one.example", &ca);
    tim = pki_leaf("tim", NULL, &ca);
    tom = pki_leaf("tom", NULL, &ca);
    alien = pki_leaf("alien", "DNS:one.example", &other);
    snprintf(shown_file, sizeof(shown_file), "%s/shown.pem", pki_root);
    snprintf(ca_file, sizeof(ca_file), "%s/trusted.pem", pki_root);
    show(&tim);
    trust(&ca);
    worker = worker_create("tls", 0);
    client = tls_client_load(&(struct tls_client_config){.ca_file = ca_file, .cert_file = shown_file}, &report);
    if (client == NULL || !tls_client_watch(client, worker, news, NULL) || worker_start(worker) != 0) {
        printf("Bail out! %s\n", report.error);
        return 1;
    }
    int status = TAP_RUN(cases);
    worker_stop(worker);
    tls_client_free(&client);
    worker_free(&worker);
    struct pki_cert *all[] = {&ca, &other, &one, &tim, &tom, &alien};
    for (unsigned i = 0; i < 6; i++)
        pki_done(all[i]);
    unlink(shown_file);
    unlink(ca_file);
    pki_end();
    return status;
}
