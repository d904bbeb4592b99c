/* SPDX-License-Identifier: Apache-2.0 */
/* A socket's bytes, plain or through OpenSSL. */
#include "tls/sock.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tls/bio.h"
#include "tls/internal.h"

#define RECORD_MAX 16384 /* RFC 8446 5.1 */

/* -- events -------------------------------------------------------------------------------------------------------- */

static void handshake_go_on(struct sock *s);

static void read_event_set(struct sock *s)
{
    if (s->fd >= 0 && (s->reading || s->handshaking) && !s->held)
        event_add(&s->read_event, NULL);
    else
        event_del(&s->read_event);
}

static void write_event_set(struct sock *s)
{
    s->blocked = true;
    event_add(&s->write_event, NULL);
}

static void socket_readable(evutil_socket_t fd, short what, void *arg)
{
    struct sock *s = arg;
    (void)fd, (void)what;
    if (s->held)
        return;
    if (s->handshaking)
        handshake_go_on(s);
    else if (s->reading)
        s->events->readable(s->ctx);
}

static void socket_writable(evutil_socket_t fd, short what, void *arg)
{
    struct sock *s = arg;
    (void)fd, (void)what;
    if (s->held) /* still blocked */
        return;
    s->blocked = false;
    if (s->handshaking)
        handshake_go_on(s);
    else if (s->finishing)
        sock_finish(s);
    else
        s->events->writable(s->ctx);
}

/* Bytes that the socket does not tell of any more. */
static bool holds_bytes(const struct sock *s)
{
    return s->early.len > 0 || s->raw.len > 0 || (s->tls != NULL && SSL_has_pending(s->tls));
}

static void again_run(struct turn *t)
{
    struct sock *s = CONTAINER_OF(t, struct sock, again);
    socket_readable(s->fd, EV_READ, s);
}

static void again_want(struct sock *s)
{
    if (holds_bytes(s))
        worker_at_turn(s->worker, TURN_WORK, &s->again);
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

void sock_init(struct sock *s, struct worker *w, int fd, const struct sock_events *events, void *ctx)
{
    struct event_base *base = worker_events(w);
    *s = (struct sock){.fd = fd, .worker = w, .events = events, .ctx = ctx};
    event_assign(&s->read_event, base, fd, EV_READ | EV_PERSIST, socket_readable, s);
    event_assign(&s->write_event, base, fd, EV_WRITE, socket_writable, s);
    turn_init(&s->again, again_run);
}

bool sock_unread(struct sock *s, const void *bytes, size_t len)
{
    struct chunk *all = len == 0 ? NULL : chunk_create(len + s->early.len);
    if (all == NULL)
        return len == 0;
    memcpy(all->data, bytes, len);
    if (s->early.len > 0)
        memcpy(all->data + len, s->early.data, s->early.len);
    slice_done(&s->early);
    s->early = slice_of(all, 0, all->size);
    again_want(s);
    return true;
}

void sock_again(struct sock *s) { worker_at_turn(s->worker, TURN_WORK, &s->again); }

void sock_reading(struct sock *s, bool on)
{
    if (on == s->reading)
        return;
    s->reading = on;
    read_event_set(s);
    if (on)
        again_want(s);
}

void sock_hold(struct sock *s, bool on)
{
    if (on == s->held || s->fd < 0)
        return;
    s->held = on;
    read_event_set(s);
    if (on)
        return;
    again_want(s);
    if (s->blocked)
        event_active(&s->write_event, EV_WRITE, 1);
}

void sock_finish(struct sock *s)
{
    int result = 0;
    if (s->fd < 0)
        return;
    ERR_clear_error();
    if (s->tls != NULL && !s->handshaking)
        result = SSL_shutdown(s->tls);
    s->finishing = result < 0 && SSL_get_error(s->tls, result) == SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
    if (s->finishing)
        write_event_set(s);
    else
        shutdown(s->fd, SHUT_WR);
}

void sock_close(struct sock *s)
{
    if (s->fd < 0)
        return;
    event_del(&s->read_event);
    event_del(&s->write_event);
    turn_cancel(&s->again);
    SSL_free(s->tls);
    tls_set_unref(s->set);
    slice_done(&s->early);
    slice_done(&s->raw);
    close(s->fd);
    s->fd = -1;
    s->tls = NULL;
    s->set = NULL;
    s->reading = s->blocked = s->handshaking = s->held = false;
}

/* -- the handshake ------------------------------------------------------------------------------------------------- */

const struct tls_set *sock_set_of(const SSL *tls)
{
    const struct sock *s = SSL_get_app_data(tls);
    return s->set;
}

/* Whether `names` ("h2,http/1.1") has the protocol; *rank is its place. */
static bool protocol_is_ours(const char *names, const unsigned char *protocol, size_t len, size_t *rank)
{
    for (size_t n, i = 0; *names != '\0'; names += n + (names[n] == ','), i++) {
        n = strcspn(names, ",");
        *rank = i;
        if (n == len && memcmp(names, protocol, len) == 0)
            return true;
    }
    return false;
}

int sock_choose_protocol(SSL *tls, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                         unsigned in_len, void *ctx)
{
    const struct sock *s = SSL_get_app_data(tls);
    size_t best = SIZE_MAX, rank;
    (void)ctx;
    if (s->alpn == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    for (unsigned i = 0; i < in_len; i += in[i] + 1u) { /* OpenSSL has checked that the lengths fit */
        if (protocol_is_ours(s->alpn, in + i + 1, in[i], &rank) && rank < best) {
            best = rank;
            *out = in + i + 1;
            *out_len = in[i];
        }
    }
    return best != SIZE_MAX ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

bool sock_start_tls(struct sock *s, struct tls_set *set, const char *alpn)
{
    CHECK_OBJECT(set, TLS_SET_MAGIC);
    assert(s->tls == NULL && s->fd >= 0);
    s->tls = SSL_new(set->contexts[0]);
    BIO *b = s->tls == NULL ? NULL : socket_bio_create(s);
    if (b == NULL) {
        SSL_free(s->tls);
        s->tls = NULL;
        return false;
    }
    SSL_set_bio(s->tls, b, b);
    SSL_set_app_data(s->tls, s);
    SSL_set_accept_state(s->tls);
    s->set = tls_set_ref(set);
    s->alpn = alpn;
    s->raw = s->early;
    s->early = SLICE_NONE;
    s->handshaking = true;
    read_event_set(s);
    again_want(s);
    return true;
}

static bool name_demand(SSL *tls, const char *name)
{
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), name) == 1)
        return true;
    ERR_clear_error();
    return SSL_set1_host(tls, name) == 1 && SSL_set_tlsext_host_name(tls, name) == 1;
}

bool sock_connect_tls(struct sock *s, const struct tls_client *client, const char *name)
{
    assert(s->tls == NULL && s->fd >= 0);
    s->tls = tls_client_connection(client);
    BIO *b = s->tls == NULL ? NULL : socket_bio_create(s);
    if (b != NULL)
        SSL_set_bio(s->tls, b, b);
    if (b == NULL || !name_demand(s->tls, name)) {
        SSL_free(s->tls);
        s->tls = NULL;
        return false;
    }
    SSL_set_app_data(s->tls, s);
    SSL_set_connect_state(s->tls);
    s->handshaking = true;
    read_event_set(s);
    sock_again(s); /* we speak first */
    return true;
}

static void handshake_failed(struct sock *s, int result, int error)
{
    char words[128];
    const char *why = "the connection ended during the TLS handshake";
    if (result < 0 && error == SSL_ERROR_SSL &&
        ERR_GET_REASON(ERR_peek_last_error()) != SSL_R_UNEXPECTED_EOF_WHILE_READING)
        why = SSL_get_verify_result(s->tls) != X509_V_OK ? X509_verify_cert_error_string(SSL_get_verify_result(s->tls))
                                                         : tls_reason(words, sizeof(words));
    ERR_clear_error();
    event_del(&s->read_event);
    s->events->failed(s->ctx, why);
}

static void handshake_go_on(struct sock *s)
{
    ERR_clear_error();
    int result = SSL_do_handshake(s->tls);
    if (result == 1) {
        s->handshaking = false;
        read_event_set(s);
        again_want(s);
        if (s->blocked) /* something is to be written */
            event_active(&s->write_event, EV_WRITE, 1);
        if (s->events->established != NULL)
            s->events->established(s->ctx);
        return;
    }
    int error = SSL_get_error(s->tls, result);
    if (error == SSL_ERROR_WANT_WRITE)
        write_event_set(s);
    else if (error != SSL_ERROR_WANT_READ)
        handshake_failed(s, result, error);
}

/* -- bytes --------------------------------------------------------------------------------------------------------- */

static ssize_t failed(int error)
{
    errno = error;
    return -1;
}

/* What the last call of OpenSSL says; 0: the other end has finished. */
static ssize_t tls_failed(struct sock *s, int result)
{
    int saved = errno, error = SSL_get_error(s->tls, result);
    bool cut = error == SSL_ERROR_SSL && ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    ERR_clear_error();
    switch (error) {
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_WANT_WRITE: /* also of a read: an answer to a change of keys (RFC 8446 4.6.3) */
        write_event_set(s);
        return failed(EAGAIN);
    case SSL_ERROR_WANT_READ:
        return failed(EAGAIN);
    case SSL_ERROR_SYSCALL:
        return failed(saved != 0 ? saved : ECONNRESET);
    default:
        return failed(cut ? ECONNRESET : EPROTO);
    }
}

static ssize_t tls_readv(struct sock *s, const struct iovec *iov, int count)
{
    size_t total = 0, got;
    for (int i = 0; i < count; i++) {
        for (size_t at = 0; at < iov[i].iov_len; at += got, total += got) {
            ERR_clear_error();
            errno = 0;
            int result = SSL_read_ex(s->tls, (char *)iov[i].iov_base + at, iov[i].iov_len - at, &got);
            if (result == 1)
                continue;
            ssize_t why = tls_failed(s, result);
            if (total > 0 && (why == 0 || errno != EAGAIN)) /* told again by the next call */
                sock_again(s);
            return total > 0 ? (ssize_t)total : why;
        }
    }
    again_want(s);
    return (ssize_t)total;
}

static ssize_t early_readv(struct sock *s, const struct iovec *iov, int count)
{
    size_t total = 0;
    for (int i = 0; i < count && s->early.len > 0; i++) {
        size_t n = iov[i].iov_len < s->early.len ? iov[i].iov_len : s->early.len;
        memcpy(iov[i].iov_base, s->early.data, n);
        slice_skip(&s->early, n);
        total += n;
    }
    if (s->early.len == 0)
        slice_done(&s->early);
    again_want(s);
    return (ssize_t)total;
}

ssize_t sock_readv(struct sock *s, const struct iovec *iov, int count)
{
    if (s->handshaking || s->held)
        return failed(EAGAIN);
    if (s->early.len > 0)
        return early_readv(s, iov, count);
    return s->tls != NULL ? tls_readv(s, iov, count) : readv(s->fd, iov, count);
}

/* Up to a record from the front of what is to be written: in place, or collected from many parts. */
static const char *record_take(const struct iovec *iov, int count, size_t skip, char *space, size_t *len)
{
    if (iov[0].iov_len - skip >= RECORD_MAX || count == 1) {
        *len = iov[0].iov_len - skip < RECORD_MAX ? iov[0].iov_len - skip : RECORD_MAX;
        return (const char *)iov[0].iov_base + skip;
    }
    *len = 0;
    for (int i = 0; i < count && *len < RECORD_MAX; i++, skip = 0) {
        size_t left = iov[i].iov_len - skip, n = left < RECORD_MAX - *len ? left : RECORD_MAX - *len;
        memcpy(space + *len, (const char *)iov[i].iov_base + skip, n);
        *len += n;
    }
    return space;
}

static ssize_t tls_writev(struct sock *s, const struct iovec *iov, int count)
{
    char space[RECORD_MAX];
    size_t total = 0, skip = 0, len, written;
    while (count > 0) {
        const char *record = record_take(iov, count, skip, space, &len);
        ERR_clear_error();
        errno = 0;
        int result = len == 0 ? 1 : SSL_write_ex(s->tls, record, len, &written);
        if (result != 1) {
            ssize_t why = tls_failed(s, result);
            return total > 0 ? (ssize_t)total : why == 0 ? failed(EPIPE) : why;
        }
        total += len == 0 ? 0 : written;
        for (skip += len == 0 ? 0 : written; count > 0 && skip >= iov[0].iov_len; iov++, count--)
            skip -= iov[0].iov_len;
    }
    return (ssize_t)total;
}

ssize_t sock_writev(struct sock *s, const struct iovec *iov, int count)
{
    if (s->handshaking || s->held) {
        s->blocked = true; /* told when that is over */
        return failed(EAGAIN);
    }
    if (s->tls != NULL)
        return tls_writev(s, iov, count);
    ssize_t sent = sendmsg(
        s->fd, &(struct msghdr){.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)count}, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN)
        write_event_set(s);
    return sent;
}
