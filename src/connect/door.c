/* SPDX-License-Identifier: Apache-2.0 */
/* Local ports. */
#include "connect/door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define BACKLOG 1024
/* Without descriptors: how long nobody is asked for. */
#define PAUSE_US (100 * US_PER_MS)

static void address_text(const struct sockaddr_storage *at, char *out, size_t size, uint16_t *port)
{
    char digits[INET6_ADDRSTRLEN] = "";
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)at;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)at;
    bool is_v6 = at->ss_family == AF_INET6;
    *port = ntohs(is_v6 ? v6->sin6_port : v4->sin_port);
    inet_ntop(at->ss_family, is_v6 ? (const void *)&v6->sin6_addr : (const void *)&v4->sin_addr, digits, sizeof(digits));
    snprintf(out, size, is_v6 ? "[%s]:%u" : "%s:%u", digits, *port);
}

/* -- the socket ---------------------------------------------------------------------------------------------------- */

/* A descriptor, or -1 and errno. */
static int socket_bind(const struct addrinfo *a)
{
    int one = 1, fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int door_bind(struct door *d, const struct wish *wish, struct config_error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    char port[8];
    *d = (struct door){.wish = wish, .fd = -1};
    snprintf(port, sizeof(port), "%u", wish->port);
    int failed = getaddrinfo(strcmp(wish->address, "*") == 0 ? NULL : wish->address, port, &hints, &list);
    if (failed != 0)
        return config_error_set(err, "%.200s: %s", wish->address, gai_strerror(failed));
    d->fd = socket_bind(list);
    int error = errno;
    freeaddrinfo(list);
    if (d->fd < 0)
        return config_error_set(err, "cannot listen on %.200s:%u: %s", wish->address, wish->port, strerror(error));
    if (getsockname(d->fd, (struct sockaddr *)&at, &len) != 0)
        return config_error_set(err, "cannot listen on %.200s:%u: %s", wish->address, wish->port, strerror(errno));
    address_text(&at, d->address, sizeof(d->address), &d->port);
    return 0;
}

bool door_listen(struct door *d) { return listen(d->fd, BACKLOG) == 0; }

void door_close(struct door *d)
{
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}

/* -- connections --------------------------------------------------------------------------------------------------- */

static void on_pause_over(evutil_socket_t fd, short what, void *arg)
{
    struct doorkeeper *k = arg;
    (void)fd;
    (void)what;
    event_add(&k->acceptable, NULL);
}

static void accept_failed(struct doorkeeper *k, int error)
{
    const struct timeval pause = {0, PAUSE_US};
    if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM)
        return; /* taken by another worker, or gone again */
    log_warning(k->door->address, "connections wait: %s", strerror(error));
    event_del(&k->acceptable);
    event_add(&k->pause, &pause);
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    struct doorkeeper *k = arg;
    (void)what;
    for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage at;
        socklen_t len = sizeof(at);
        char from[72];
        uint16_t port;
        int one = 1, accepted = accept4(fd, (struct sockaddr *)&at, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted < 0) {
            accept_failed(k, errno);
            return;
        }
        setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        address_text(&at, from, sizeof(from), &port);
        visit_open(k->visits, k->door->wish, accepted, from, NULL, NULL);
    }
}

void doorkeeper_start(struct doorkeeper *k, struct door *d, struct visits *visits)
{
    struct event_base *events = worker_events(visits->room.worker);
    k->door = d;
    k->visits = visits;
    event_assign(&k->acceptable, events, d->fd, EV_READ | EV_PERSIST, on_acceptable, k);
    evtimer_assign(&k->pause, events, on_pause_over, k);
    event_add(&k->acceptable, NULL);
}

void doorkeeper_stop(struct doorkeeper *k)
{
    if (k->door == NULL)
        return;
    event_del(&k->acceptable);
    event_del(&k->pause);
    k->door = NULL;
}
