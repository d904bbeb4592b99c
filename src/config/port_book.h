/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Port book: which public TCP port belongs to which service of which client. An entry is held while the port is open for
 * the service, and kept for PORT_KEPT_S after that, also in the file tcp_ports of the state directory:
 *
 *     PORT CLIENT SERVICE LAST-USED
 *
 * LAST-USED is in seconds since 1970. A kept port is given to somebody else only when no other is free, and then the one
 * that was longest unused. Pure: no files, no sockets, time is an argument.
 */
#ifndef CONFIG_PORT_BOOK_H
#define CONFIG_PORT_BOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "config/error.h"
#include "mdm-tunnel/limits.h"
#include "wire/error.h"

struct port_book;

struct port_entry {
    struct list node;                 /* of its client */
    uint16_t port;
    bool held;
    int64_t used_s;                   /* when it was last held */
    char client[NAME_MAX_BYTES + 1];
    char service[NAME_MAX_BYTES + 1];
    uint64_t release_us; /* the user's: when it is given back; UINT64_MAX: not yet */
};

/* A set of ports. */
struct port_set {
    uint64_t bits[1024];
};

/* `ranges`: a valid list without hosts (port_list.h): what is given. `key` is random. NULL without memory. */
struct port_book *port_book_create(const char *ranges, const uint64_t key[static 2]);
void port_book_free(struct port_book **b);

/* Adds what a file says, but for what was kept long enough at `now_s`. 0, or -1 and *err ("line 3: ..."). */
int port_book_read(struct port_book *b, const char *text, int64_t now_s, struct config_error *err);
/* The text for the file; heap, NULL without memory. What was kept long enough is forgotten. */
char *port_book_write(struct port_book *b, int64_t now_s);

/*
 * A port for a service: `wanted`, or any (0); only one that is in `granted` (a list; "": any, "none") and not in `except`.
 * The one that it had, if that fits. NULL and *entry, which is held from now on; or why not: port_outside,
 * port_not_granted, port_taken, ports_used_up, limit, no_memory.
 */
const struct error *port_book_take(struct port_book *b, const char *client, const char *service, uint16_t wanted,
                                   const char *granted, const struct port_set *except, int64_t now_s,
                                   struct port_entry **entry);
/* It is kept, and not held any more. */
void port_book_release(struct port_entry *e, int64_t now_s);
/* It is not even kept: another program has the port. */
void port_book_forget(struct port_book *b, struct port_entry *e);

/* The entry of a service; NULL: there is none. */
struct port_entry *port_book_find(const struct port_book *b, const char *client, const char *service);
/* All entries of a client (struct port_entry.node); NULL: none. */
struct list *port_book_of(const struct port_book *b, const char *client);
/* The next entry that is held, from `port` on (0: the first); NULL: none. */
struct port_entry *port_book_held(const struct port_book *b, unsigned port);

/* "2222", "20000-20999,30000": whether `port` is in what a client's line grants. */
bool port_granted(const char *granted, uint16_t port);

void port_set_add(struct port_set *s, uint16_t port);
bool port_set_has(const struct port_set *s, uint16_t port);

#endif
