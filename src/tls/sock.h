/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection's bytes, plain or under TLS: the same calls for both. A sock is embedded in its user's object and belongs
 * to one worker. It reads and writes when asked and tells when that makes sense; it holds no bytes of its user, and
 * nothing blocks.
 *
 *     sock_init                          a connected socket: plain
 *     sock_start_tls ... established     before the first sock_readv(); a server's side
 *     sock_connect_tls ... established   the same, a client's side
 *     sock_readv, sock_writev            until readv returns 0 or either fails
 *     sock_finish                        no more is written: FIN, with TLS a close_notify before
 *     sock_close                         any time, also from inside the events
 */
#ifndef TLS_SOCK_H
#define TLS_SOCK_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/chunk.h"
#include "base/fingerprint.h"
#include "base/worker.h"
#include "tls/client.h"
#include "tls/set.h"

struct iovec;
struct ssl_st;
struct stack_st_X509;

/* All on the worker, from its loop, never from inside a call below. Each may close the sock and free what it is in. */
struct sock_events {
    /* TLS only: the handshake is over; reading is off or on as it was. NULL: not wanted. */
    void (*established)(void *ctx);
    /* There is something to read, or the end; only while reading is on. */
    void (*readable)(void *ctx);
    /* After sock_writev() had no room. */
    void (*writable)(void *ctx);
    /* TLS only: the handshake has failed; close it. `why` is for the log. */
    void (*failed)(void *ctx, const char *why);
};

struct sock {
    int fd; /* -1: closed, or not open yet */
    bool reading, blocked;
    bool handshaking, finishing;
    bool held; /* nothing is read or written */
    struct worker *worker;
    const struct sock_events *events;
    void *ctx;
    struct ssl_st *tls; /* NULL: plain */
    struct tls_set *set;
    const char *alpn; /* what we speak: "http/1.1" or "h2,http/1.1", by preference; NULL: anything */
    struct slice early, raw; /* read before the socket is: by the user, by TLS */
    struct event read_event, write_event;
    struct turn again; /* TLS holds more than was read */
};

/* Takes the descriptor (non-blocking). Reading is off. */
void sock_init(struct sock *s, struct worker *w, int fd, const struct sock_events *events, void *ctx);
/* Bytes that were read before and are to be read again, before all others (by TLS if it is started then). False: no memory. */
bool sock_unread(struct sock *s, const void *bytes, size_t len);
/*
 * What comes is TLS; the handshake begins. `alpn` is constant text. A client that offers protocols of which none is ours
 * is refused (RFC 7301 3.2). Deadlines are the user's. False: no memory.
 */
bool sock_start_tls(struct sock *s, struct tls_set *set, const char *alpn);

/*
 * We begin TLS with a server that must have a certificate for `name` (a DNS name, or an address in digits), which is also
 * what it is asked for (SNI). False: no memory.
 */
bool sock_connect_tls(struct sock *s, const struct tls_client *client, const char *name);

void sock_reading(struct sock *s, bool on);
/*
 * While it is on, nothing is read and nothing written, as if the handshake still went on: for who has to think before the
 * other end gets a word. From `established` on.
 */
void sock_hold(struct sock *s, bool on);
/*
 * As readv(2) and writev(2): how many bytes; 0: the other end has finished; -1 and errno, EAGAIN: not now (`readable` or
 * `writable` will be called). ECONNRESET also when a TLS connection ends without a close_notify: what came may be cut
 * short. With TLS a readv fills one entry after the other from whole records; less than all is normal.
 * After writev has failed with EAGAIN the next one must begin with the same bytes.
 */
ssize_t sock_readv(struct sock *s, const struct iovec *iov, int count);
ssize_t sock_writev(struct sock *s, const struct iovec *iov, int count);
/* `readable` is called once more in this turn (if reading is on), whatever the socket has. */
void sock_again(struct sock *s);
/* After all that is to be written was. When the socket is full the close_notify follows as soon as it is not. */
void sock_finish(struct sock *s);
/* Idempotent. */
void sock_close(struct sock *s);

/* -- what the handshake has found; valid while it is open ----------------------------------------------------------- */

/* "TLSv1.3"; NULL: plain. */
const char *sock_tls_version(const struct sock *s);
/* What the client asked for (SNI), as it came; NULL: nothing. */
const char *sock_server_name(const struct sock *s);
/* The protocol agreed on, NUL-terminated into `name` (256 bytes); "" when none was asked for. */
void sock_protocol(const struct sock *s, char name[static 256]);
bool sock_resumed(const struct sock *s);
/*
 * The other end's certificates, from its own to the authority it was verified by (a STACK_OF(X509)), also of a session that
 * is taken up again: the caller's. NULL: it has shown none, or no memory; `*shown` says which.
 */
struct stack_st_X509 *sock_peer_chain(const struct sock *s, bool *shown);
/* The OCSP answer that a server has sent with its certificate (RFC 6066 8), borrowed; NULL: none. */
const unsigned char *sock_staple(const struct sock *s, size_t *len);
/* Who the client's certificate says it is (RFC 4514: "CN=tim,O=home"), cut to `size`; false: it has shown none. */
bool sock_client_subject(const struct sock *s, char *subject, size_t size);
/* Its first common name; false: none, or it does not fit, or has a NUL in it. */
bool sock_client_common_name(const struct sock *s, char *name, size_t size);
/* Its alternative names ("DNS:tim.example.com,IP Address:192.0.2.1"), as many as fit; "": none. False: no certificate. */
bool sock_client_names(const struct sock *s, char *names, size_t size);
/* SHA-256 of the whole certificate; false: no certificate. */
bool sock_client_fingerprint(const struct sock *s, struct fingerprint *out);

#endif
