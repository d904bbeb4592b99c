/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local port: a socket that is bound at once, so that a port that is taken shows before anything else; and acceptors, which
 * take its connections on their workers.
 */
#ifndef RELAY_LOCAL_PORT_H
#define RELAY_LOCAL_PORT_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/worker.h"
#include "config/error.h"

#define LOCAL_ADDRESS_TEXT 72

struct local_port {
    int fd;                           /* -1: none */
    char address[LOCAL_ADDRESS_TEXT]; /* "127.0.0.1:4444", "[::1]:4444" */
    uint16_t port;
};

/*
 * `type`: SOCK_STREAM or SOCK_DGRAM. `address`: a name, digits, or "*" (any); with `at_once` nobody is asked for names:
 * "localhost" is 127.0.0.1 then, and others are refused. `port` 0: a free one. 0, or -1 and *err.
 */
int local_port_bind(struct local_port *p, int type, const char *address, uint16_t port, bool at_once,
                    struct config_error *err);
/* From now on the kernel takes connections. False with errno. */
bool local_port_listen(struct local_port *p);
void local_port_close(struct local_port *p);

/* "127.0.0.1:4444" of any address, and its port. */
void local_address_text(const struct sockaddr_storage *at, char out[static LOCAL_ADDRESS_TEXT], uint16_t *port);

/* One worker's way to take connections; several workers may share a port. A zeroed one has not started. */
struct local_acceptor {
    const struct local_port *port; /* NULL: not started */
    /* A connected, non-blocking socket, the callee's; `from` as above. May stop the acceptor. */
    void (*taken)(void *ctx, int fd, const char *from);
    void *ctx;
    struct event acceptable, pause;
};

/* On the worker. */
void local_accept_start(struct local_acceptor *a, const struct local_port *p, struct worker *w,
                    void (*taken)(void *ctx, int fd, const char *from), void *ctx);
/* On the worker, or after it has stopped; also when it has not started. */
void local_accept_stop(struct local_acceptor *a);

#endif
