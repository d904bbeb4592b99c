/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handover: a running server starts its successor, the program file of the same name, with the same words, and gives it its
 * listening sockets. The two speak over a pair of sockets that the successor inherits ($MDM_TUNNEL_HANDOVER), in messages:
 *
 *     old to new   "mdm-tunnel-server 1"      the protocol's version
 *     old to new   "NAME\nNAME\n..."          with a socket for each (SCM_RIGHTS); as often as needed
 *     old to new   ""                         no more
 *     new to old   "ready", or "failed WORDS"
 *     old to new   "yours"                    nobody but the new one takes anybody in any more
 *
 * Only the main thread; both ends wait for the other, for HANDOVER_WAIT_S at most where they block.
 */
#ifndef SERVER_HANDOVER_H
#define SERVER_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "gate/shelf.h"

#define HANDOVER_VARIABLE "MDM_TUNNEL_HANDOVER"
#define HANDOVER_WAIT_S 10
/* The socket where the broker takes in old processes whose clients have come to it (broker_listen_at()). */
#define HANDOVER_ELDERS "elders"

/* -- what is given ------------------------------------------------------------------------------------------------- */

struct gift {
    char name[SHELF_NAME_MAX + 1];
    int fd;
};

struct gifts {
    struct gift *list; /* heap */
    unsigned count, size;
    bool failed; /* no memory, or no descriptors: not all are there */
};

/* Adds a copy of the descriptor. */
void gifts_add(struct gifts *g, const char *name, int fd);
/* Closes the copies. */
void gifts_done(struct gifts *g);

/* -- the old process ----------------------------------------------------------------------------------------------- */

struct successor {
    pid_t pid;
    int fd; /* -1: none was started */
};

/* `argv`: how this program was called. False, and `why`. */
bool successor_start(struct successor *n, char *const argv[], const struct gifts *const gifts[], unsigned count, char *why, size_t size);
enum successor_news { SUCCESSOR_SILENT, SUCCESSOR_READY, SUCCESSOR_FAILED };
/* Never blocks, but for a failed one that is slow to end; that one is gone afterwards, and `why`. */
enum successor_news successor_heard(struct successor *n, char *why, size_t size);
void successor_yours(struct successor *n);
/* Kills it. */
void successor_end(struct successor *n);

/* -- the new process ----------------------------------------------------------------------------------------------- */

struct predecessor {
    int fd;     /* -1: there is none */
    int elders; /* HANDOVER_ELDERS; -1: none was given, or it is somebody else's now */
};

/* Looks at the environment, and puts what was given on the shelf. False, and `why`. Before other threads begin. */
bool predecessor_open(struct predecessor *p, struct shelf *shelf, char *why, size_t size);
/* Says that this process is ready, and waits until the old one has let go. */
void predecessor_ready(struct predecessor *p);
/* Says why there will be no handover. Whether there is a predecessor or not. */
void predecessor_failed(struct predecessor *p, const char *why);

#endif
