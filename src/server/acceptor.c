/* SPDX-License-Identifier: Apache-2.0 */
/* accept(2), with a pause when there is nothing to accept with. */
#include "server/acceptor.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/counters.h"
#include "server/arrival.h"
#include "server/front.h"

/* True: there may be more. */
static bool acceptor_run(struct acceptor *a)
{
    for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage from;
        socklen_t len = sizeof(from);
        int fd = accept4(a->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            arrival_create(a->front, fd, (struct sockaddr *)&from, len, a->tls, a->route);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            counter_add(counters_self(), COUNTER_limits_hit, 1);
            event_del(&a->ready);
            deadline_set(&a->front->deadlines, DEADLINE_ACCEPT, &a->pause);
            return false;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return false;
        }
    }
    return true;
}

static void acceptor_ready(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    acceptor_run(ctx);
}

void acceptor_expired(struct deadline *d) { event_add(&CONTAINER_OF(d, struct acceptor, pause)->ready, NULL); }

void acceptor_init(struct acceptor *a, struct front *f, int fd, bool tls, const struct route *route)
{
    *a = (struct acceptor){.front = f, .fd = fd, .tls = tls, .route = route};
    deadline_init(&a->pause);
}

int acceptor_start(struct acceptor *a)
{
    if (a->fd < 0)
        return 0;
    event_assign(&a->ready, worker_events(a->front->worker), a->fd, EV_READ | EV_PERSIST, acceptor_ready, a);
    return event_add(&a->ready, NULL) == 0 ? 0 : ENOMEM;
}

void acceptor_close(struct acceptor *a)
{
    if (a->fd < 0)
        return;
    if (event_initialized(&a->ready)) {
        while (acceptor_run(a))
            continue;
        event_del(&a->ready);
    }
    deadline_clear(&a->pause);
    close(a->fd);
    a->fd = -1;
}
