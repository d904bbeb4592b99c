/* SPDX-License-Identifier: Apache-2.0 */
/* Transports whose other end's certificate is asked about: clients of ours, also with tickets, and servers that staple. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../tls/pki.h"
#include "gate/transport.h"
#include "revoke/revoke.h"

extern char **environ;

static struct pki_cert ca, one, good, bad;
static struct worker *worker;
static struct tls_store *store;
static char list_file[64], live_file[64], staple_file[64];

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
    pthread_mutex_unlock(&lock);
    return found;
}

static void forget(void)
{
    pthread_mutex_lock(&lock);
    said[0] = '\0';
    pthread_mutex_unlock(&lock);
}

/* -- a transport that tells what happens ------------------------------------------------------------------------------- */

struct end {
    struct mail mail;
    struct transport way;
    struct transport_kind kind;
    struct transport_target target;
    bool ours; /* we are the client */
    int fd;
    struct mail close;
};

static void end_done(struct end *e, const char *why)
{
    transport_close(&e->way);
    free(e);
    tell(why);
}

static void end_readable(void *ctx)
{
    struct end *e = ctx;
    char bytes[4096] = "";
    struct iovec iov = {bytes, sizeof(bytes) - 1};
    ssize_t got = transport_readv(&e->way, &iov, 1);
    if (got > 0)
        tell(bytes);
    else if (got == 0)
        transport_finish(&e->way);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        end_done(e, "closed");
}

static void end_writable(void *ctx) { (void)ctx; }
static void end_opened(void *ctx) { end_done(ctx, "opened"); }
static void end_say(void *ctx, const void *bytes, size_t len) { (void)ctx, (void)bytes, (void)len; }
static void end_failed(void *ctx, const char *why) { end_done(ctx, why); }

static const struct transport_events end_events = {
    .readable = end_readable, .writable = end_writable, .opened = end_opened, .say = end_say, .failed = end_failed};

static void end_start(struct worker *self, struct mail *m)
{
    struct end *e = CONTAINER_OF(m, struct end, mail);
    if (e->ours ? transport_connect(&e->way, &e->target, self, e->fd, &end_events, e)
                : transport_init(&e->way, &e->kind, self, e->fd, &end_events, e))
        transport_reading(&e->way, true);
    else
        tell("out of memory");
}

static void end_discard(struct mail *m) { free(CONTAINER_OF(m, struct end, mail)); }

static struct end *end_make(int fd)
{
    struct end *e = calloc(1, sizeof(*e));
    e->mail = (struct mail){.deliver = end_start, .discard = end_discard};
    e->fd = fd;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    forget();
    return e;
}

/* -- a client of OpenSSL's --------------------------------------------------------------------------------------------- */

struct client {
    SSL_CTX *context;
    SSL *tls;
    int fd;
    struct end *server;
};

static SSL_SESSION *ticket;

static int ticket_came(SSL *tls, SSL_SESSION *session)
{
    (void)tls;
    SSL_SESSION_free(ticket);
    ticket = session;
    return 1;
}

/* Its handshake is over, and it has said "hello". */
static struct client client_make(struct revoke *r, const struct pki_cert *shown)
{
    struct client c = {.context = SSL_CTX_new(TLS_client_method())};
    int ends[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    c.fd = ends[1];
    c.server = end_make(ends[0]);
    c.server->kind = (struct transport_kind){.name = "mqtts", .tls = store, .vetter = r == NULL ? NULL : revoke_vetter(r)};
    worker_post(worker, &c.server->mail);
    SSL_CTX_set_session_cache_mode(c.context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c.context, ticket_came);
    c.tls = SSL_new(c.context);
    SSL_set_fd(c.tls, c.fd);
    if (shown != NULL) {
        SSL_use_certificate(c.tls, shown->cert);
        SSL_use_PrivateKey(c.tls, shown->key);
    }
    if (ticket != NULL)
        SSL_set_session(c.tls, ticket);
    OK(SSL_connect(c.tls) == 1);
    SSL_write(c.tls, "hello", 5); /* the server may have closed */
    return c;
}

static void client_done(struct client *c)
{
    ERR_clear_error();
    SSL_free(c->tls);
    SSL_CTX_free(c->context);
    close(c->fd);
}

/* What becomes of a client with this certificate. */
static bool client_hears(struct revoke *r, const struct pki_cert *shown, const char *want, bool *again)
{
    char byte;
    struct client c = client_make(r, shown);
    bool ok = heard(want);
    *again = SSL_session_reused(c.tls) == 1;
    if (strcmp(want, "hello;") == 0) {
        SSL_shutdown(c.tls); /* a session that was cut is not taken up again */
        ok = heard("closed;") && ok;
    }
    while (SSL_read(c.tls, &byte, 1) > 0) /* tickets come with it */
        continue;
    client_done(&c);
    return ok;
}

static void tickets_forget(void)
{
    SSL_SESSION_free(ticket);
    ticket = NULL;
}

/* -- lists and answers --------------------------------------------------------------------------------------------------- */

static void list_write(const char *file, const struct pki_cert *revoked)
{
    char next[80];
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, -60), *then = X509_gmtime_adj(NULL, PKI_DAY);
    X509_CRL_set_version(list, 1);
    X509_CRL_set_issuer_name(list, X509_get_subject_name(ca.cert));
    X509_CRL_set1_lastUpdate(list, now);
    X509_CRL_set1_nextUpdate(list, then);
    if (revoked != NULL) {
        X509_REVOKED *entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked->cert));
        X509_REVOKED_set_revocationDate(entry, now);
        X509_CRL_add0_revoked(list, entry);
    }
    X509_CRL_sign(list, ca.key, EVP_sha256());
    snprintf(next, sizeof(next), "%s.next", file);
    FILE *f = fopen(next, "w");
    PEM_write_X509_CRL(f, list);
    fclose(f);
    OK(rename(next, file) == 0);
    X509_CRL_free(list);
    ASN1_TIME_free(now);
    ASN1_TIME_free(then);
}

/* What the server is to staple about itself. */
static void staple_write(int status)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), one.cert, ca.cert);
    ASN1_TIME *now = X509_gmtime_adj(NULL, -60), *then = X509_gmtime_adj(NULL, PKI_DAY);
    ASN1_GENERALIZEDTIME *from = ASN1_TIME_to_generalizedtime(now, NULL), *to = ASN1_TIME_to_generalizedtime(then, NULL);
    OCSP_basic_add1_status(basic, id, status, OCSP_REVOKED_STATUS_KEYCOMPROMISE, from, from, to);
    OCSP_basic_sign(basic, ca.cert, ca.key, EVP_sha256(), NULL, 0);
    OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    BIO *b = BIO_new_file(staple_file, "wb");
    OK(i2d_OCSP_RESPONSE_bio(b, response) == 1);
    BIO_free(b);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(now);
    ASN1_TIME_free(then);
    ASN1_GENERALIZEDTIME_free(from);
    ASN1_GENERALIZEDTIME_free(to);
}

static struct revoke *checker(const struct revoke_config *config)
{
    char error[512] = "";
    struct revoke *r = revoke_create(config, error);
    OK_TEXT(error, "");
    return r;
}

static struct revoke *checker_of(const char *file)
{
    return checker(&(struct revoke_config){.crl = true, .crl_files = &file, .crl_file_count = 1});
}

/* -- clients ----------------------------------------------------------------------------------------------------------- */

static void clients(void)
{
    bool again;
    struct revoke *r = checker_of(list_file);
    OK(client_hears(r, &good, "hello;", &again));
    tickets_forget();
    OK(client_hears(r, &good, "hello;", &again)); /* what is known by now */
    tickets_forget();
    OK(client_hears(r, &bad, "CN=bad: revoked on ", &again));
    tickets_forget();
    OK(client_hears(r, &bad, "CN=bad: revoked on ", &again));
    tickets_forget();
    OK(client_hears(NULL, &bad, "hello;", &again)); /* it is not asked */
    tickets_forget();
    OK(client_hears(r, NULL, "hello;", &again)); /* there is nothing to ask about */
    tickets_forget();
    revoke_free(&r);
}

/* A ticket is no way around: what has been revoked since is refused. */
static void with_tickets(void)
{
    bool again;
    list_write(live_file, &bad);
    struct revoke *r = checker_of(live_file);
    OK(client_hears(r, &good, "hello;", &again));
    OK(!again && ticket != NULL);
    OK(client_hears(r, &good, "hello;", &again));
    OK(again);
    revoke_free(&r);
    list_write(live_file, &good);
    r = checker_of(live_file);
    OK(client_hears(r, &good, "CN=good: revoked on ", &again));
    OK(again);
    tickets_forget();
    revoke_free(&r);
}

/* A responder that takes questions and says nothing. */
static int silent_open(char url[static 64])
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    OK(bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, 8) == 0 && getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    snprintf(url, 64, "http://127.0.0.1:%u/", ntohs(a.sin_port));
    return fd;
}

static void held_meanwhile(void)
{
    char url[64];
    bool again;
    int silent = silent_open(url);
    struct revoke_config c = {.ocsp = true, .ocsp_url = url, .timeout_ms = 150};
    struct revoke *r = checker(&c);
    OK(client_hears(r, &good, "Timeout was reached", &again));
    OK(strstr(said, "hello") == NULL);
    tickets_forget();
    revoke_free(&r);
    c.soft_fail = true;
    r = checker(&c);
    OK(client_hears(r, &good, "hello;", &again)); /* which was sent long before the answer */
    tickets_forget();
    revoke_free(&r);
    close(silent);
}

static void end_cut(struct worker *self, struct mail *m)
{
    (void)self;
    end_done(CONTAINER_OF(m, struct end, close), "cut");
}

static void cut_meanwhile(void)
{
    char url[64];
    int silent = silent_open(url);
    struct revoke *r = checker(&(struct revoke_config){.ocsp = true, .ocsp_url = url, .timeout_ms = 60000});
    struct client c = client_make(r, &good);
    int asked = accept(silent, NULL, NULL); /* the question is under way */
    OK(asked >= 0);
    c.server->close = (struct mail){.deliver = end_cut, .discard = end_discard};
    worker_post(worker, &c.server->close);
    OK(heard("cut;"));
    revoke_free(&r); /* its answer finds nobody */
    client_done(&c);
    tickets_forget();
    close(asked);
    close(silent);
}

/* -- servers ------------------------------------------------------------------------------------------------------------- */

/* openssl's, with a staple or without; the kernel's port, which it says. */
static pid_t server_begin(bool stapled, uint16_t *port)
{
    const char *args[] = {"openssl", "s_server", "-accept",     "0",         "-rev", "-cert", one.cert_file, "-key", one.key_file,
                          "-CAfile", ca.cert_file, stapled ? "-status_file" : NULL, staple_file, NULL};
    char line[256];
    unsigned found = 0;
    int out[2];
    pid_t pid = -1;
    posix_spawn_file_actions_t actions;
    *port = 0;
    if (!OK(pipe(out) == 0))
        return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_addclose(&actions, out[0]);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    OK(posix_spawnp(&pid, "openssl", &actions, NULL, (char *const *)(uintptr_t)args, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    FILE *f = fdopen(out[0], "r");
    while (found == 0 && fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "ACCEPT [::]:%u", &found) != 1)
            sscanf(line, "ACCEPT 0.0.0.0:%u", &found);
    fclose(f);
    OK(found != 0);
    *port = (uint16_t)found;
    return pid;
}

static bool server_hears(struct revoke *r, const struct tls_client *client, bool stapled, const char *want)
{
    uint16_t port;
    pid_t pid = server_begin(stapled, &port);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    OK(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
    struct end *e = end_make(fd);
    e->ours = true;
    e->target = (struct transport_target){.tls = client, .host = "one.example", .vetter = r == NULL ? NULL : revoke_vetter(r)};
    worker_post(worker, &e->mail);
    bool ok = heard(want);
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    return ok;
}

static void servers(void)
{
    struct tls_report report;
    struct revoke_config c = {.ocsp = true}; /* its certificate names no responder */
    struct tls_client *client =
        tls_client_load(&(struct tls_client_config){.ca_file = ca.cert_file, .staple = true}, &report);
    staple_write(V_OCSP_CERTSTATUS_GOOD);
    struct revoke *r = checker(&c);
    OK(server_hears(NULL, client, false, "opened;"));
    OK(server_hears(r, client, false, "CN=one: it names no OCSP responder, and none is set;"));
    OK(server_hears(r, client, true, "opened;"));
    revoke_free(&r);
    staple_write(V_OCSP_CERTSTATUS_REVOKED);
    r = checker(&c);
    OK(server_hears(r, client, true, "(keyCompromise), says the stapled answer;"));
    revoke_free(&r);
    tls_client_free(&client);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"clients: good, revoked, without a certificate", clients},
        {"a ticket is no way around", with_tickets},
        {"nothing is read before the answer", held_meanwhile},
        {"a connection that is cut meanwhile", cut_meanwhile},
        {"servers, and what they staple", servers},
    };
    char error[512] = "";
    signal(SIGPIPE, SIG_IGN);
    if (!pki_begin())
        return 1;
    ca = pki_make("ca", NULL, NULL, -PKI_DAY, PKI_DAY);
    one = pki_leaf("one", "DNS:one.example", &ca);
    good = pki_leaf("good", NULL, &ca);
    bad = pki_leaf("bad", NULL, &ca);
    snprintf(list_file, sizeof(list_file), "%s/list.pem", pki_root);
    snprintf(live_file, sizeof(live_file), "%s/live.pem", pki_root);
    snprintf(staple_file, sizeof(staple_file), "%s/staple", pki_root);
    list_write(list_file, &bad);
    const struct tls_pair pair = {one.cert_file, one.key_file};
    worker = worker_create("gate", 0);
    store = tls_store_create(&(struct tls_store_config){.tls = {.pairs = &pair,
                                                                .pair_count = 1,
                                                                .clients = TLS_CLIENTS_OPTIONAL,
                                                                .client_ca_file = ca.cert_file},
                                                        .workers = &worker,
                                                        .worker_count = 1},
                             error);
    if (store == NULL || worker_start(worker) != 0) {
        printf("Bail out! %s\n", error);
        return 1;
    }
    int status = TAP_RUN(cases);
    worker_stop(worker);
    tls_store_free(&store);
    worker_free(&worker);
    struct pki_cert *all[] = {&ca, &one, &good, &bad};
    for (unsigned i = 0; i < 4; i++)
        pki_done(all[i]);
    unlink(list_file);
    unlink(live_file);
    unlink(staple_file);
    pki_end();
    return status;
}
