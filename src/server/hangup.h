/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices that the other end of a socket is gone although nobody reads it (a suspended connection): an epoll set of its
 * own in the worker's loop, edge-triggered, so that data costs nothing here. libevent would not tell a reset from data.
 */
#ifndef SERVER_HANGUP_H
#define SERVER_HANGUP_H

#include <stdbool.h>

struct event;
struct worker;

enum hangup_news {
    HANGUP_FINISHED, /* the other end has finished sending (FIN) */
    HANGUP_BOTH,  /* both directions have finished */
    HANGUP_GONE,     /* the connection was reset or failed */
};

struct hangup {
    int fd; /* -1: not watched */
    /* May not free the object that the watch is in. */
    void (*news)(struct hangup *w, enum hangup_news news);
};

struct hangup_set {
    int epoll_fd;
    struct event *event;
};

/* 0 or an errno. */
int hangup_set_init(struct hangup_set *s, struct worker *w);
void hangup_set_done(struct hangup_set *s);
int hangup_start(struct hangup_set *s, struct hangup *w, int fd);
/* Not needed before close() of the socket's only descriptor. */
void hangup_stop(struct hangup_set *s, struct hangup *w);

#endif
