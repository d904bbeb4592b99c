/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Door: the local port of one wish. It is bound at once, so that a port that is taken shows before anything else; it
 * listens, and its connections become visits, from when the device is there. Every worker takes connections from the one
 * socket.
 */
#ifndef CONNECT_DOOR_H
#define CONNECT_DOOR_H

#include <event2/event_struct.h>

#include "connect/visit.h"

struct door {
    const struct wish *wish;
    int fd;             /* -1: none */
    char address[72];   /* "127.0.0.1:4444", "[::1]:4444" */
    uint16_t port;
};

/* One worker's way to look after a door. */
struct doorkeeper {
    struct door *door;
    struct visits *visits;
    struct event acceptable, pause;
};

/* 0, or -1 and *err. The wish outlives the door. */
int door_bind(struct door *d, const struct wish *wish, struct config_error *err);
/* From now on the kernel takes connections. False with errno. */
bool door_listen(struct door *d);
void door_close(struct door *d);

/* On the worker: takes connections from now on. */
void doorkeeper_start(struct doorkeeper *k, struct door *d, struct visits *visits);
/* On the worker, or after it has stopped; also when it has not started. */
void doorkeeper_stop(struct doorkeeper *k);

#endif
