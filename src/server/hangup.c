/* SPDX-License-Identifier: Apache-2.0 */
/* One epoll set for all watched sockets of a worker. */
#include "server/hangup.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/worker.h"

#define HANGUP_BATCH 64

static void hangup_run(evutil_socket_t fd, short what, void *ctx)
{
    struct epoll_event batch[HANGUP_BATCH];
    int count = epoll_wait(fd, batch, HANGUP_BATCH, 0);

    (void)what, (void)ctx;
    for (int i = 0; i < count; i++) {
        struct hangup *w = batch[i].data.ptr;
        if (w->fd < 0)
            continue;
        w->news(w, (batch[i].events & EPOLLERR) != 0   ? HANGUP_GONE
                   : (batch[i].events & EPOLLHUP) != 0 ? HANGUP_BOTH
                                                       : HANGUP_FINISHED);
    }
}

int hangup_set_init(struct hangup_set *s, struct worker *w)
{
    s->event = NULL;
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll_fd < 0)
        return errno;
    s->event = event_new(worker_events(w), s->epoll_fd, EV_READ | EV_PERSIST, hangup_run, s);
    return s->event == NULL || event_add(s->event, NULL) != 0 ? ENOMEM : 0;
}

void hangup_set_done(struct hangup_set *s)
{
    if (s->event != NULL)
        event_free(s->event);
    if (s->epoll_fd >= 0)
        close(s->epoll_fd);
    *s = (struct hangup_set){.epoll_fd = -1};
}

int hangup_start(struct hangup_set *s, struct hangup *w, int fd)
{
    struct epoll_event e = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = w};

    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0)
        return errno;
    w->fd = fd;
    return 0;
}

void hangup_stop(struct hangup_set *s, struct hangup *w)
{
    if (w->fd >= 0)
        epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    w->fd = -1;
}
