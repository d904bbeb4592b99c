/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Door: the local port of one wish. It is bound at once; it listens, and its connections become visits, from when the device
 * is there. Every worker takes connections from the one socket.
 */
#ifndef CONNECT_DOOR_H
#define CONNECT_DOOR_H

#include "connect/visit.h"
#include "relay/local_port.h"

struct door {
    const struct wish *wish;
    struct local_port port;
};

/* One worker's way to look after a door. */
struct doorkeeper {
    struct door *door;
    struct visits *visits;
    struct local_acceptor acceptor;
};

/* 0, or -1 and *err. The wish outlives the door. */
int door_bind(struct door *d, const struct wish *wish, struct config_error *err);
void door_close(struct door *d);

/* On the worker: takes connections from now on. */
void doorkeeper_start(struct doorkeeper *k, struct door *d, struct visits *visits);
/* On the worker, or after it has stopped; also when it has not started. */
void doorkeeper_stop(struct doorkeeper *k);

#endif
