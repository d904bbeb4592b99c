/* SPDX-License-Identifier: Apache-2.0 */
/* Acceptor: a public port of one worker. libmicrohttpd gets connections, and does not listen itself. */
#ifndef SERVER_ACCEPTOR_H
#define SERVER_ACCEPTOR_H

#include <event2/event_struct.h>
#include <stdbool.h>

#include "server/deadline.h"

struct front;
struct route;

struct acceptor {
    struct front *front;
    int fd; /* -1: closed */
    bool tls;
    const struct route *route; /* of a service's own port; NULL: none, visitors say where they want to go */
    struct event ready;
    struct deadline pause; /* the process has no more descriptors */
};

/* Takes the listening descriptor; -1 makes a closed acceptor. `route` outlives it. */
void acceptor_init(struct acceptor *a, struct front *f, int fd, bool tls, const struct route *route);
/* Before the loop runs, or in it. 0 or an errno. */
int acceptor_start(struct acceptor *a);
/* Lets in who waits, and closes. Idempotent. */
void acceptor_close(struct acceptor *a);
void acceptor_expired(struct deadline *d);

#endif
