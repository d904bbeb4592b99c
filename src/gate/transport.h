/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way that MQTT's bytes take: TCP, TLS, WebSocket, or WebSocket over TLS (RFC 6455; MQTT 5 6.0), with the same
 * calls for all, whether the other end came to us or we went to it. Handshakes happen inside. A transport is embedded in
 * its user's object, belongs to one worker and holds no bytes of its user; what the WebSocket itself has to say goes
 * through the user's queue, so that there is one.
 *
 *     bytes out:  transport_head_write() in front of each packet, then transport_writev() whatever is queued;
 *                 where transport_is_masked(), transport_frame_write() a packet at a time instead
 */
#ifndef GATE_TRANSPORT_H
#define GATE_TRANSPORT_H

#include "tls/sock.h"
#include "tls/store.h"
#include "tls/vetting.h"
#include "wire/websocket.h"

/* What the connections of a listener are. Outlives them. */
struct transport_kind {
    const char *name;      /* "mqtts" */
    const char *socket;    /* on the shelf (gate/shelf.h); NULL: it is never there */
    struct tls_store *tls; /* NULL: no TLS */
    const char *path;      /* of the WebSocket, "/mqtt"; NULL: no WebSocket */
    const char *alpn;      /* of TLS; NULL: "http/1.1" with a WebSocket, else "mqtt" */
    const char *origins;   /* of pages that may ask for it, with commas between them; NULL: any */
    bool below;            /* whatever begins with the path will do: "/" any */
    bool trusted;          /* a local socket for programs of ours alone: nothing is forbidden to them */
    bool keep_request;     /* for transport_take_request() */
    uint64_t frame_max;    /* bytes of a WebSocket's frame; 0: WEBSOCKET_FRAME_MAX */
    struct vetter *vetter; /* asked about clients when TLS is up; NULL: nobody is */
};

/* A server that we go to. Outlives its connections. */
struct transport_target {
    const struct tls_client *tls; /* NULL: no TLS */
    const char *host;             /* whose certificate it must be */
    const char *authority;        /* of the WebSocket's request: "broker.example.com:8000" */
    const char *path;             /* of the WebSocket; NULL: no WebSocket */
    uint64_t frame_max;
    struct vetter *vetter; /* asked about the server; NULL: nobody is */
};

/* All on the worker; readable, writable, opened and failed never from inside a call below. */
struct transport_events {
    void (*readable)(void *ctx);
    void (*writable)(void *ctx);
    /* After transport_connect(): all handshakes are over; only now may something be queued. NULL: not wanted. */
    void (*opened)(void *ctx);
    /* Queue these bytes behind what is queued; also from inside transport_readv() and transport_goodbye(). */
    void (*say)(void *ctx, const void *bytes, size_t len);
    /* A handshake has failed; what was said before should still leave. */
    void (*failed)(void *ctx, const char *why);
};

struct websocket_end;

struct transport {
    struct sock sock;
    const struct transport_kind *kind;     /* NULL: we went to it */
    const struct transport_target *target; /* NULL: it came to us */
    struct websocket_end *websocket; /* NULL: none */
    const struct transport_events *events;
    void *ctx;
    struct turn begin; /* of one that has no handshake */
    struct vetting *vetting; /* NULL: none is under way */
};

/* Takes the connected socket (non-blocking). Reading is off. False without memory; the socket is closed then. */
bool transport_init(struct transport *t, const struct transport_kind *kind, struct worker *w, int fd,
                    const struct transport_events *events, void *ctx);
/* For a socket whose WebSocket was opened by somebody else, who has read these bytes behind the request. */
bool transport_init_open(struct transport *t, const struct transport_kind *kind, struct worker *w, int fd,
                         const void *early, size_t len, const struct transport_events *events, void *ctx);
/* The same for a connected socket to a server. Reading is on: it is off again when it has been `opened`. */
bool transport_connect(struct transport *t, const struct transport_target *target, struct worker *w, int fd,
                       const struct transport_events *events, void *ctx);
void transport_reading(struct transport *t, bool on);
/*
 * As sock_readv(). The last entry is also where raw bytes of a WebSocket are read to, and has some kilobytes. EPROTO:
 * what came is not allowed; transport_why() says why, and the other end has been told through `say`. What comes after that, or
 * after the end, is to be dropped.
 */
ssize_t transport_readv(struct transport *t, const struct iovec *iov, int count);
ssize_t transport_writev(struct transport *t, const struct iovec *iov, int count);
const char *transport_why(const struct transport *t);
/* What has to stand in front of a packet of `len` bytes: at most WEBSOCKET_HEAD_OURS_MAX bytes, none but with WebSocket. */
size_t transport_head_size(const struct transport *t, size_t len);
size_t transport_head_write(const struct transport *t, size_t len, uint8_t out[static WEBSOCKET_HEAD_OURS_MAX]);
/* Whether packets have to be masked (RFC 6455 5.3), and how one becomes a frame: `out` has room for the size. */
bool transport_is_masked(const struct transport *t);
size_t transport_frame_size(const struct transport *t, size_t len);
void transport_frame_write(struct transport *t, const void *bytes, size_t len, uint8_t *out);
/* What the other end asked for its WebSocket with, as it came (keep_request): heap, the caller's; NULL: nothing. */
char *transport_take_request(struct transport *t, size_t *len);
/* Says that nothing will follow (WebSocket's CLOSE); transport_finish() when all has left. */
void transport_goodbye(struct transport *t);
void transport_finish(struct transport *t);
/* Idempotent. */
void transport_close(struct transport *t);

#endif
