/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acceptor: a public port of one worker whose connections have to be looked at before they are anybody's (TLS, the PROXY
 * protocol). The plain port needs none unless a front proxy is to be believed: then libmicrohttpd listens itself.
 */
#ifndef SERVER_ACCEPTOR_H
#define SERVER_ACCEPTOR_H

#include <event2/event_struct.h>
#include <stdbool.h>

#include "server/deadline.h"

struct front;

struct acceptor {
    struct front *front;
    int fd; /* -1: closed */
    bool tls;
    struct event ready;
    struct deadline pause; /* the process has no more descriptors */
};

/* Takes the listening descriptor; -1 makes a closed acceptor. */
void acceptor_init(struct acceptor *a, struct front *f, int fd, bool tls);
/* Before the loop runs, or in it. 0 or an errno. */
int acceptor_start(struct acceptor *a);
/* Lets in who waits, and closes. Idempotent. */
void acceptor_close(struct acceptor *a);
void acceptor_expired(struct deadline *d);

#endif
