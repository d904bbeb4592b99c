/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shelf: listening sockets that were open before this program was: a manager of services passes them (sd_listen_fds(3)), or the
 * process that we replace. Whoever wants to listen looks here first. A socket belongs to a listener by the name that it was
 * passed with, or because it is bound to the listener's address and port.
 *
 * A thread's at a time: the main thread's, then worker 0's. Does not block.
 */
#ifndef GATE_SHELF_H
#define GATE_SHELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mdm-tunnel/limits.h"

struct shelf;

/* Names of sockets: what visitors reach by HTTP, by HTTPS, and clients by MQTT; of further listeners for clients, "mqtt-1" is the first. */
#define SHELF_HTTP "http"
#define SHELF_HTTPS "https"
#define SHELF_MQTT "mqtt"
#define SHELF_ADMIN "admin"
#define SHELF_NAME_MAX 64

/* NULL without memory. */
struct shelf *shelf_create(void);
void shelf_free(struct shelf **s);

/* `firm`: the name counts, whatever address and port are wanted; else the name only does where both are the same, or no port
 * is named. Takes the descriptor. NULL, or why not. */
const char *shelf_put(struct shelf *s, const char *name, int fd, bool firm);
/*
 * What $LISTEN_FDS passes to this process, firmly; the variables are gone afterwards. False, and `why`: "socket 2 (http): ...".
 * Before other threads begin.
 */
bool shelf_read_environment(struct shelf *s, char *why, size_t size);

/* Shows a socket that is listened at: `name` is its name here, "" where it has none. */
typedef void shelf_show_fn(void *ctx, const char *name, int fd);

/* What a listener wants. */
struct shelf_wish {
    const char *name;    /* NULL: none */
    const char *address; /* NULL: all interfaces */
    uint16_t port;       /* 0: any */
};

/*
 * Sockets for `count` workers, each non-blocking and close-on-exec: those of the shelf, several of them for a worker (the
 * one at fds[i] is for worker i % count) or one for several workers, as many as there are; where there is none, new ones that
 * share the port (listener_open(), to which `first` goes). `s` NULL: none is there. w->port says which one it is. Their
 * number, or 0 and errno.
 */
unsigned shelf_listen(struct shelf *s, struct shelf_wish *w, unsigned count, bool first, int fds[static WORKERS_MAX]);
/* One that was not listened at by shelf_listen(): a descriptor of the caller's; -1: none is there. */
int shelf_take(struct shelf *s, const struct shelf_wish *w);
/* The first that nobody has wanted yet, for the log; false: none is left. */
bool shelf_left(const struct shelf *s, char *out, size_t size);
/* Closes what nobody has wanted but what is firm. */
void shelf_clear(struct shelf *s);

#endif
