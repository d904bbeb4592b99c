/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This machine's network addresses as they come and go (rtnetlink(7)). A connection from an address that is gone is dead
 * without a word: TCP would notice when its patience ends. Best effort: where there is no netlink, nothing is told.
 * For this folder only; the worker's.
 */
#ifndef LINK_NETWORK_H
#define LINK_NETWORK_H

#include <event2/event_struct.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct network_address {
    int family; /* AF_INET, AF_INET6 */
    union {
        struct in_addr v4;
        struct in6_addr v6;
    };
};

/* `came`: the machine has it from now on; else it is gone. */
typedef void network_fn(void *ctx, const struct network_address *address, bool came);

struct network_watch {
    struct event readable;
    network_fn *tell;
    void *ctx;
    int fd; /* -1: not open */
};

/* Tells from now on; `w` stays where it is until network_close(). */
void network_open(struct network_watch *w, struct event_base *events, network_fn *tell, void *ctx);
/* Idempotent, after network_open() only. */
void network_close(struct network_watch *w);

/* Whether the socket's own end has that address. */
bool network_is_local_end(int fd, const struct network_address *address);
/* Takes apart what the kernel says; what is not understood is passed over. `bytes` are aligned as netlink(7) wants. */
void network_parse(const void *bytes, size_t len, network_fn *tell, void *ctx);

#endif
