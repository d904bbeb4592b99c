/* SPDX-License-Identifier: Apache-2.0 */
/* A server's connections against OpenSSL's client: bytes, SNI, ALPN, versions, client certificates, tickets, renewal. */
#include "tls/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "pki.h"
#include "tls/store.h"

#define PATIENCE_MS 20000
#define ECHO_BYTES (64 * 1024)

static struct pki_cert ca, other_ca, one, two, tim, stranger;
static struct worker *worker;
static struct tls_store *store;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static char news_text[2048], said[600]; /* under the lock */

static void tell(char *where, size_t size, const char *text)
{
    pthread_mutex_lock(&lock);
    snprintf(where + strlen(where), size - strlen(where), "%s;", text);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* Waits until `where` has `text`. */
static bool heard(const char *where, const char *text)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    int late = 0;
    pthread_mutex_lock(&lock);
    while (strstr(where, text) == NULL && late == 0)
        late = pthread_cond_timedwait(&changed, &lock, &until);
    bool found = strstr(where, text) != NULL;
    if (!found)
        printf("#   got %s\n", where);
    pthread_mutex_unlock(&lock);
    return found;
}

static void news(void *ctx, enum tls_news kind, const char *text)
{
    static const char *const kinds[] = {"warning ", "loaded ", "refused "};
    char line[600];
    (void)ctx;
    snprintf(line, sizeof(line), "%s%s", kinds[kind], text);
    tell(news_text, sizeof(news_text), line);
}

/* -- the server: an echo ------------------------------------------------------------------------------------------- */

struct echo {
    struct mail mail;
    struct sock sock;
    int fd;
    const char *alpn, *early;
    bool plain;
    size_t len, at;
    char bytes[ECHO_BYTES];
};

static void echo_end(struct echo *e, const char *why)
{
    char line[128];
    snprintf(line, sizeof(line), "end %s", why);
    sock_close(&e->sock);
    free(e);
    tell(said, sizeof(said), line);
}

static void echo_write(struct echo *e)
{
    while (e->at < e->len) {
        size_t half = (e->len - e->at) / 2; /* two parts, so that they have to be collected */
        const struct iovec iov[] = {{e->bytes + e->at, half}, {e->bytes + e->at + half, e->len - e->at - half}};
        ssize_t sent = sock_writev(&e->sock, iov, 2);
        if (sent < 0) {
            if (errno != EAGAIN)
                echo_end(e, strerror(errno));
            return;
        }
        e->at += (size_t)sent;
    }
    sock_reading(&e->sock, true);
}

static void echo_readable(void *ctx)
{
    struct echo *e = ctx;
    const struct iovec iov[] = {{e->bytes, 7}, {e->bytes + 7, sizeof(e->bytes) - 7}};
    ssize_t got = sock_readv(&e->sock, iov, 2);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got == 0)
        sock_finish(&e->sock);
    if (got <= 0) {
        echo_end(e, got == 0 ? "well" : strerror(errno));
        return;
    }
    e->at = 0;
    e->len = (size_t)got;
    sock_reading(&e->sock, false);
    echo_write(e);
}

static void echo_writable(void *ctx) { echo_write(ctx); }
static void echo_failed(void *ctx, const char *why) { echo_end(ctx, why); }

static void echo_established(void *ctx)
{
    struct echo *e = ctx;
    char protocol[256], subject[64] = "nobody", line[512];
    const char *name = sock_server_name(&e->sock);
    sock_protocol(&e->sock, protocol);
    sock_client_subject(&e->sock, subject, sizeof(subject));
    snprintf(line, sizeof(line), "%s %s %s %s%s", sock_tls_version(&e->sock), name != NULL ? name : "-", protocol, subject,
             sock_resumed(&e->sock) ? " again" : "");
    tell(said, sizeof(said), line);
    bool shown;
    STACK_OF(X509) *chain = sock_peer_chain(&e->sock, &shown);
    snprintf(line, sizeof(line), "chain of %d", sk_X509_num(chain));
    if (shown)
        tell(said, sizeof(said), line);
    sk_X509_pop_free(chain, X509_free);
}

static const struct sock_events echo_events = {
    .established = echo_established, .readable = echo_readable, .writable = echo_writable, .failed = echo_failed};

static void echo_start(struct worker *self, struct mail *m)
{
    struct echo *e = CONTAINER_OF(m, struct echo, mail);
    sock_init(&e->sock, self, e->fd, &echo_events, e);
    if (e->early != NULL)
        sock_unread(&e->sock, e->early, strlen(e->early));
    if (!e->plain)
        sock_start_tls(&e->sock, tls_store_set(store, 0), e->alpn);
    sock_reading(&e->sock, true);
}

static void echo_discard(struct mail *m) { free(CONTAINER_OF(m, struct echo, mail)); }

/* -- the client ---------------------------------------------------------------------------------------------------- */

struct client {
    SSL_CTX *context;
    SSL *tls;
    int fd;
};

/* Our end of a connection to an echo that is started on the worker. */
static int connection(const char *alpn, bool plain, const char *early)
{
    int ends[2];
    struct echo *e = calloc(1, sizeof(*e));
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    e->mail = (struct mail){.deliver = echo_start, .discard = echo_discard};
    e->fd = ends[0];
    e->alpn = alpn;
    e->plain = plain;
    e->early = early;
    pthread_mutex_lock(&lock);
    said[0] = '\0';
    pthread_mutex_unlock(&lock);
    worker_post(worker, &e->mail);
    return ends[1];
}

static struct client client_make(const char *name, const char *alpn)
{
    struct client c = {.context = SSL_CTX_new(TLS_client_method())};
    SSL_CTX_load_verify_file(c.context, ca.cert_file);
    SSL_CTX_set_verify(c.context, SSL_VERIFY_PEER, NULL);
    c.tls = SSL_new(c.context);
    c.fd = connection(alpn, false, NULL);
    SSL_set_fd(c.tls, c.fd);
    if (name != NULL) {
        SSL_set_tlsext_host_name(c.tls, name);
        SSL_set1_host(c.tls, name);
    }
    return c;
}

static void client_done(struct client *c)
{
    ERR_clear_error();
    SSL_free(c->tls);
    SSL_CTX_free(c->context);
    close(c->fd);
}

static bool client_echoes(struct client *c, size_t len)
{
    static uint8_t out[ECHO_BYTES], in[ECHO_BYTES];
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(i * 31 + 7);
    if (SSL_write(c->tls, out, (int)len) != (int)len)
        return false;
    size_t have = 0;
    while (have < len) {
        int got = SSL_read(c->tls, in + have, (int)(len - have));
        if (got <= 0)
            return false;
        have += (size_t)got;
    }
    return memcmp(in, out, len) == 0;
}

/* Says goodbye and hears the server's. */
static bool client_ends_well(struct client *c)
{
    char byte;
    SSL_shutdown(c->tls);
    return SSL_read(c->tls, &byte, 1) == 0 && SSL_get_error(c->tls, 0) == SSL_ERROR_ZERO_RETURN && heard(said, "end well");
}

static void bytes(void)
{
    struct client c = client_make("one.example", NULL);
    if (OK(SSL_connect(c.tls) == 1)) {
        OK(heard(said, "TLSv1.3 one.example  nobody;"));
        for (size_t len = 1; len <= ECHO_BYTES; len = len * 2 + 1)
            OK(client_echoes(&c, len));
        OK(SSL_key_update(c.tls, SSL_KEY_UPDATE_REQUESTED) == 1 && client_echoes(&c, 100));
        OK(client_ends_well(&c));
    }
    client_done(&c);
}

static void a_cut_is_no_end(void)
{
    struct client c = client_make("one.example", NULL);
    if (OK(SSL_connect(c.tls) == 1 && client_echoes(&c, 10)))
        shutdown(c.fd, SHUT_RDWR);
    OK(heard(said, "end Connection reset by peer"));
    client_done(&c);
}

static void plain_bytes(void)
{
    char got[16] = "";
    int fd = connection(NULL, true, "early ");
    OK_INT(write(fd, "late", 4), 4);
    for (ssize_t n, have = 0; have < 10 && (n = read(fd, got + have, 10 - (size_t)have)) > 0;)
        have += n;
    OK_TEXT(got, "early late");
    shutdown(fd, SHUT_WR);
    OK(heard(said, "end well"));
    close(fd);
}

/* What was read before the handshake belongs to it. */
static void unread_bytes(void)
{
    char got[64] = "";
    int fd = connection(NULL, false, "GET / HTTP/1.1\r\n\r\n");
    OK(heard(said, "end http request"));
    OK(read(fd, got, sizeof(got)) >= 0);
    close(fd);
}

static void names(void)
{
    struct client c = client_make("two.example", NULL);
    OK(SSL_connect(c.tls) == 1); /* the certificate is checked for the name */
    client_done(&c);
    c = client_make("stranger.example", NULL);
    OK(SSL_connect(c.tls) != 1);
    OK_INT(SSL_get_verify_result(c.tls), X509_V_ERR_HOSTNAME_MISMATCH);
    client_done(&c);
    c = client_make(NULL, NULL);
    OK(SSL_connect(c.tls) == 1);
    OK(heard(said, "TLSv1.3 -  nobody;"));
    client_done(&c);
}

static void protocols(void)
{
    struct client c = client_make("one.example", "h2,http/1.1");
    SSL_set_alpn_protos(c.tls, (const unsigned char *)"\x04mqtt\x08http/1.1", 14);
    OK(SSL_connect(c.tls) == 1);
    OK(heard(said, "one.example http/1.1 nobody"));
    client_done(&c);
    c = client_make("one.example", "h2,http/1.1");
    SSL_set_alpn_protos(c.tls, (const unsigned char *)"\x08http/1.1\x02h2", 12);
    OK(SSL_connect(c.tls) == 1);
    OK(heard(said, "one.example h2 nobody"));
    client_done(&c);
    c = client_make("one.example", "mqtt");
    SSL_set_alpn_protos(c.tls, (const unsigned char *)"\x08http/1.1\x03mqt", 13);
    OK(SSL_connect(c.tls) != 1);
    OK(heard(said, "end no application protocol"));
    client_done(&c);
    c = client_make("one.example", "mqtt");
    OK(SSL_connect(c.tls) == 1);
    OK(heard(said, "one.example  nobody"));
    client_done(&c);
}

static void versions(void)
{
    struct client c = client_make("one.example", NULL);
    SSL_set_max_proto_version(c.tls, TLS1_2_VERSION);
    OK(SSL_connect(c.tls) == 1 && client_echoes(&c, 1000));
    OK(heard(said, "TLSv1.2"));
    client_done(&c);
    c = client_make("one.example", NULL);
    SSL_set_security_level(c.tls, 0);
    SSL_set_min_proto_version(c.tls, TLS1_1_VERSION);
    SSL_set_max_proto_version(c.tls, TLS1_1_VERSION);
    OK(SSL_connect(c.tls) != 1);
    OK(heard(said, "end unsupported protocol"));
    client_done(&c);
    c = client_make("one.example", NULL);
    SSL_set_max_proto_version(c.tls, TLS1_2_VERSION);
    SSL_set_cipher_list(c.tls, "AES128-SHA"); /* no forward secrecy */
    OK(SSL_connect(c.tls) != 1);
    OK(heard(said, "end no shared cipher"));
    client_done(&c);
}

/* -- sessions that are taken up again ------------------------------------------------------------------------------ */

static SSL_SESSION *ticket;

static int ticket_came(SSL *tls, SSL_SESSION *session)
{
    (void)tls;
    SSL_SESSION_free(ticket);
    ticket = session;
    return 1;
}

/* Connects, with the ticket of the last time if there is one, and gets another. */
static bool resumes(void)
{
    struct client c = client_make("two.example", NULL);
    SSL_CTX_set_session_cache_mode(c.context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c.context, ticket_came);
    if (ticket != NULL)
        SSL_set_session(c.tls, ticket);
    bool again = OK(SSL_connect(c.tls) == 1 && client_echoes(&c, 10)) && SSL_session_reused(c.tls) == 1;
    OK(heard(said, again ? "nobody again;" : "nobody;"));
    OK(client_ends_well(&c)); /* a session that was cut is not taken up again */
    client_done(&c);
    return again;
}

/* The same with a client's certificate, and one that stands between it and the authority. */
static bool resumes_with(const struct pki_cert *shown, const struct pki_cert *between, const char *want)
{
    struct client c = client_make("one.example", NULL);
    SSL_CTX_set_session_cache_mode(c.context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c.context, ticket_came);
    SSL_use_certificate(c.tls, shown->cert);
    SSL_use_PrivateKey(c.tls, shown->key);
    if (between != NULL)
        SSL_add1_chain_cert(c.tls, between->cert);
    if (ticket != NULL)
        SSL_set_session(c.tls, ticket);
    bool again = OK(SSL_connect(c.tls) == 1 && client_echoes(&c, 10)) && SSL_session_reused(c.tls) == 1;
    OK(heard(said, want));
    OK(client_ends_well(&c));
    client_done(&c);
    return again;
}

static void renewal(void)
{
    OK(!resumes());
    OK(ticket != NULL && resumes());
    struct client c = client_make("two.example", NULL);
    OK(SSL_connect(c.tls) == 1);

    struct pki_cert before = two;
    pki_text(two.key_file, "odd\n");
    OK(heard(news_text, "refused "));
    OK(heard(news_text, "two.key: holds no private key that can be read;"));
    OK(client_echoes(&c, 1000));
    OK(resumes()); /* what was loaded goes on */

    two = pki_make("two", "DNS:two.example", &ca, -2 * PKI_DAY, -PKI_DAY);
    OK(heard(news_text, "loaded 2 in use;"));
    OK(heard(news_text, "two.crt: the certificate expired on "));
    OK(client_echoes(&c, 1000)); /* the old connection, too */
    OK(resumes());               /* the tickets' keys have stayed */
    struct client late = client_make("two.example", NULL);
    OK(SSL_connect(late.tls) != 1);
    OK_INT(SSL_get_verify_result(late.tls), X509_V_ERR_CERT_HAS_EXPIRED);
    client_done(&late);
    client_done(&c);
    SSL_SESSION_free(ticket);
    X509_free(before.cert);
    EVP_PKEY_free(before.key);
}

/* -- client certificates ------------------------------------------------------------------------------------------- */

static void store_open(enum tls_clients clients)
{
    char error[512] = "";
    const struct tls_pair pairs[] = {{one.cert_file, one.key_file}, {two.cert_file, two.key_file}};
    worker = worker_create("tls", 0);
    store = tls_store_create(&(struct tls_store_config){.tls = {.pairs = pairs,
                                                                .pair_count = 2,
                                                                .clients = clients,
                                                                .client_ca_file = clients == TLS_CLIENTS_ANY ? NULL : ca.cert_file},
                                                        .workers = &worker,
                                                        .worker_count = 1,
                                                        .news = news},
                             error);
    OK_TEXT(error, "");
    OK(worker_start(worker) == 0);
}

static void store_close(void)
{
    worker_stop(worker);
    tls_store_free(&store);
    worker_free(&worker);
}

/* What the server says when a client shows this certificate (or none). */
static bool client_shown(const struct pki_cert *shown, const char *want)
{
    struct client c = client_make("one.example", NULL);
    char byte;
    if (shown != NULL) {
        SSL_use_certificate(c.tls, shown->cert);
        SSL_use_PrivateKey(c.tls, shown->key);
    }
    if (SSL_connect(c.tls) == 1)
        SSL_write(c.tls, "", 1), SSL_read(c.tls, &byte, 1); /* TLS 1.3 clients learn of a refusal only then */
    bool ok = heard(said, want);
    client_done(&c);
    return ok;
}

static void client_certificates(void)
{
    store_close();
    store_open(TLS_CLIENTS_OPTIONAL);
    OK(client_shown(NULL, "one.example  nobody;"));
    OK(client_shown(&tim, "one.example  CN=tim;"));
    OK(client_shown(&stranger, "end unable to get local issuer certificate;"));
    store_close();
    store_open(TLS_CLIENTS_REQUIRED);
    OK(client_shown(NULL, "end peer did not return a certificate;"));
    OK(client_shown(&tim, "one.example  CN=tim;"));
    OK(client_shown(&stranger, "end unable to get local issuer certificate;"));
}

/* A ticket has the client's own certificate only: what stood between has to be shown again. */
static void whole_chains(void)
{
    struct pki_cert authority = pki_authority("authority", &ca);
    struct pki_cert deep = pki_leaf("deep", NULL, &authority);
    ticket = NULL;
    OK(!resumes_with(&tim, NULL, "chain of 2;"));
    OK(ticket != NULL && resumes_with(&tim, NULL, "chain of 2;"));
    SSL_SESSION_free(ticket);
    ticket = NULL;
    OK(!resumes_with(&deep, &authority, "chain of 3;"));
    OK(ticket != NULL && !resumes_with(&deep, &authority, "chain of 3;"));
    SSL_SESSION_free(ticket);
    ticket = NULL;
    pki_done(&authority);
    pki_done(&deep);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"bytes go both ways, whatever their size, over changes of keys", bytes},
        {"an end without a goodbye is a cut", a_cut_is_no_end},
        {"a plain connection has the same interface", plain_bytes},
        {"bytes that were read before count", unread_bytes},
        {"the certificate is chosen by name", names},
        {"one protocol is agreed on, or none was asked for", protocols},
        {"TLS 1.2 and 1.3 only, with forward secrecy", versions},
        {"changed files are used without dropping connections, bad ones are not", renewal},
        {"client certificates: optional, required, another authority's", client_certificates},
        {"chains of clients, also of sessions that are taken up again", whole_chains},
    };
    signal(SIGPIPE, SIG_IGN);
    if (!pki_begin())
        return 1;
    ca = pki_make("ca", NULL, NULL, -PKI_DAY, PKI_DAY);
    other_ca = pki_make("other", NULL, NULL, -PKI_DAY, PKI_DAY);
    one = pki_leaf("one", "DNS:one.example", &ca);
    two = pki_leaf("two", "DNS:two.example", &ca);
    tim = pki_leaf("tim", NULL, &ca);
    stranger = pki_leaf("stranger", NULL, &other_ca);
    store_open(TLS_CLIENTS_ANY);
    int status = TAP_RUN(cases);
    store_close();
    struct pki_cert *all[] = {&ca, &other_ca, &one, &two, &tim, &stranger};
    for (unsigned i = 0; i < 6; i++)
        pki_done(all[i]);
    pki_end();
    return status;
}
