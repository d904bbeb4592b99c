/* SPDX-License-Identifier: Apache-2.0 */
/* A port with a socket for each worker. */
#include "gate/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/worker.h"
#include "mdm-tunnel/limits.h"

union listener_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool listener_address(const char *text, uint16_t port, union listener_address *out, socklen_t *len)
{
    memset(out, 0, sizeof(*out));
    if (text == NULL || inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(port);
        *len = sizeof(out->v6);
        return true;
    }
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons(port);
    *len = sizeof(out->v4);
    return inet_pton(AF_INET, text, &out->v4.sin_addr) == 1;
}

bool listener_keep_alive(int fd)
{
    static const int on = 1, idle_s = 60, interval_s = 15, probes = 4;

    return setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s)) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s)) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes)) == 0;
}

/* A bound socket, or -1 and errno. `shared`: other sockets of this user can bind the same port. */
static int listener_bind(const union listener_address *a, socklen_t len, bool dual, bool shared)
{
    const int on = 1, v6_only = !dual, reuse = shared;
    int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &reuse, sizeof(reuse)) == 0 &&
        (a->any.sa_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only)) == 0) &&
        listener_keep_alive(fd) && bind(fd, &a->any, len) == 0)
        return fd;
    int failure = errno;
    close(fd);
    errno = failure;
    return -1;
}

static int listener_socket(const union listener_address *a, socklen_t len, bool dual, bool first)
{
    if (first) { /* without this a second program could share the port unnoticed */
        int probe = listener_bind(a, len, dual, false);
        if (probe < 0)
            return -1;
        close(probe);
    }
    int fd = listener_bind(a, len, dual, true);
    if (fd < 0 || listen(fd, SOMAXCONN) == 0)
        return fd;
    int failure = errno;
    close(fd);
    errno = failure;
    return -1;
}

static uint16_t socket_port(int fd)
{
    union listener_address a;
    socklen_t len = sizeof(a);

    if (getsockname(fd, &a.any, &len) != 0)
        return 0;
    return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

int listener_open(const char *address, uint16_t *port, bool first)
{
    union listener_address a;
    socklen_t len;

    if (!listener_address(address, *port, &a, &len)) {
        errno = EINVAL;
        return -1;
    }
    int fd = listener_socket(&a, len, address == NULL, first);
    if (fd < 0 && address == NULL && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        if (!listener_address("0.0.0.0", *port, &a, &len))
            return -1;
        fd = listener_socket(&a, len, false, first);
    }
    if (fd >= 0)
        *port = socket_port(fd);
    return fd;
}

bool listener_place(int fd, struct listener_place *out)
{
    union listener_address a;
    socklen_t len = sizeof(a);

    if (getsockname(fd, &a.any, &len) != 0 || (a.any.sa_family != AF_INET && a.any.sa_family != AF_INET6))
        return false;
    *out = (struct listener_place){.family = a.any.sa_family, .port = socket_port(fd)};
    if (a.any.sa_family == AF_INET6)
        out->address.v6 = a.v6.sin6_addr;
    else
        out->address.v4 = a.v4.sin_addr;
    return true;
}

bool listener_place_is(const struct listener_place *p, const char *address)
{
    union listener_address a;
    socklen_t len;

    if (address == NULL)
        return p->family == AF_INET ? p->address.v4.s_addr == htonl(INADDR_ANY) : IN6_IS_ADDR_UNSPECIFIED(&p->address.v6);
    if (!listener_address(address, 0, &a, &len) || a.any.sa_family != p->family)
        return false;
    return p->family == AF_INET ? p->address.v4.s_addr == a.v4.sin_addr.s_addr : IN6_ARE_ADDR_EQUAL(&p->address.v6, &a.v6.sin6_addr);
}

/* -- who comes ----------------------------------------------------------------------------------------------------- */

static const struct timeval accept_pause = {.tv_usec = 100000};

static void listener_ready(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct listener *l = arg;
    for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof(peer);
        int client = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client >= 0) {
            l->accepted(l->ctx, client, (struct sockaddr *)&peer);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* The connection stays in the backlog: look again when some have been closed. */
            counter_add(counters_self(), COUNTER_limits_hit, 1);
            event_del(&l->ready);
            event_add(&l->pause, &accept_pause);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

static void listener_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    event_add(&((struct listener *)arg)->ready, NULL);
}

bool listener_start(struct listener *l, struct worker *w, int fd, listener_accepted_fn *accepted, void *ctx)
{
    struct event_base *base = worker_events(w);
    *l = (struct listener){.fd = fd, .accepted = accepted, .ctx = ctx};
    event_assign(&l->ready, base, fd, EV_READ | EV_PERSIST, listener_ready, l);
    event_assign(&l->pause, base, -1, 0, listener_again, l);
    if (event_add(&l->ready, NULL) == 0)
        return true;
    listener_stop(l);
    return false;
}

void listener_stop(struct listener *l)
{
    if (l->fd < 0)
        return;
    event_del(&l->ready);
    event_del(&l->pause);
    close(l->fd);
    l->fd = -1;
}
