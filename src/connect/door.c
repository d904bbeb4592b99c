/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to local ports become visits. */
#include "connect/door.h"

int door_bind(struct door *d, const struct wish *wish, struct config_error *err)
{
    d->wish = wish;
    return local_port_bind(&d->port, wish->kind == WISH_UDP ? SOCK_DGRAM : SOCK_STREAM, wish->address, wish->port, false, err);
}

void door_close(struct door *d) { local_port_close(&d->port); }

static void on_taken(void *ctx, int fd, const char *from)
{
    struct doorkeeper *k = ctx;
    visit_open(k->visits, k->door->wish, fd, from, NULL, NULL);
}

void doorkeeper_start(struct doorkeeper *k, struct door *d, struct visits *visits)
{
    k->door = d;
    k->visits = visits;
    local_accept_start(&k->acceptor, &d->port, visits->room.worker, on_taken, k);
}

void doorkeeper_stop(struct doorkeeper *k) { local_accept_stop(&k->acceptor); }
