/* SPDX-License-Identifier: Apache-2.0 */
/* A listening TCP socket of one worker: SO_REUSEPORT, IPv6 and IPv4; and who comes to it. */
#ifndef GATE_LISTENER_H
#define GATE_LISTENER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * `address` NULL: all interfaces. *port 0: the kernel chooses and *port tells. The `first` one must have the port to
 * itself (EADDRINUSE); the others with that port join in.
 * The descriptor (non-blocking, close-on-exec), or -1 and errno (EINVAL: not an address).
 */
int listener_open(const char *address, uint16_t *port, bool first);

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
