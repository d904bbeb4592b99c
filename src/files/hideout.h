/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hideout: a listening Unix-domain socket in a directory of its own that only this user may enter, below XDG_RUNTIME_DIR or else /tmp.
 * The directory is locked (flock(2)) as long as its program lives, so what one left behind that was killed is known, and is removed by
 * the next. (An abstract socket would leave nothing, but has no permissions: every user of the machine could enter.)
 */
#ifndef FILES_HIDEOUT_H
#define FILES_HIDEOUT_H

#include <sys/un.h>

struct hideout {
    int lock; /* the directory, open; -1: there is none */
    char directory[96];
    struct sockaddr_un address;
};

/* Returns the socket, non-blocking, which the caller closes; -1 with errno. hideout_leave() in any case. */
int hideout_listen(struct hideout *h, int backlog);
/* Removes socket and directory. */
void hideout_leave(struct hideout *h);

#endif
