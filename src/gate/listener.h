/* SPDX-License-Identifier: Apache-2.0 */
/* A listening TCP socket of one worker: SO_REUSEPORT, IPv6 and IPv4; and who comes to it. */
#ifndef GATE_LISTENER_H
#define GATE_LISTENER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * `address` NULL: all interfaces. *port 0: the kernel chooses and *port tells. The `first` one must have the port to
 * itself (EADDRINUSE); the others with that port join in.
 * The descriptor (non-blocking, close-on-exec), or -1 and errno (EINVAL: not an address).
 */
int listener_open(const char *address, uint16_t *port, bool first);

/* What such a socket is bound to. */
struct listener_place {
    union {
        struct in_addr v4;
        struct in6_addr v6;
    } address;
    int family;
    uint16_t port;
};

/* False: not a TCP socket over IP. */
bool listener_place(int fd, struct listener_place *out);
/* Whether that is the address that listener_open() would take. */
bool listener_place_is(const struct listener_place *p, const char *address);
/* A visitor that vanishes without a word is noticed by the kernel. Accepted sockets inherit it. False and errno. */
bool listener_keep_alive(int fd);

struct sockaddr;
struct worker;

/* `fd`: connected, non-blocking, the callee's. */
typedef void listener_accepted_fn(void *ctx, int fd, const struct sockaddr *peer);

/* One that is listened at, embedded in its user's object; the worker's. */
struct listener {
    int fd; /* -1: closed */
    listener_accepted_fn *accepted;
    void *ctx;
    struct event ready, pause;
};

/* Takes the descriptor. When descriptors run out connections stay in the backlog for a while. False: no memory; it is closed. */
bool listener_start(struct listener *l, struct worker *w, int fd, listener_accepted_fn *accepted, void *ctx);
/* Idempotent, after a start. */
void listener_stop(struct listener *l);

#endif
