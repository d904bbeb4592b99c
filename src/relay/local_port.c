/* SPDX-License-Identifier: Apache-2.0 */
/* Local ports. */
#include "relay/local_port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "mdm-tunnel/limits.h"

#define BACKLOG 1024
/* Without descriptors: how long nobody is asked for. */
#define PAUSE_US (100 * US_PER_MS)

void local_address_text(const struct sockaddr_storage *at, char out[static LOCAL_ADDRESS_TEXT], uint16_t *port)
{
    char digits[INET6_ADDRSTRLEN] = "";
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)at;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)at;
    bool is_v6 = at->ss_family == AF_INET6;
    *port = ntohs(is_v6 ? v6->sin6_port : v4->sin_port);
    inet_ntop(at->ss_family, is_v6 ? (const void *)&v6->sin6_addr : (const void *)&v4->sin_addr, digits, sizeof(digits));
    snprintf(out, LOCAL_ADDRESS_TEXT, is_v6 ? "[%s]:%u" : "%s:%u", digits, *port);
}

/* -- the socket ---------------------------------------------------------------------------------------------------- */

/* A descriptor, or -1 and errno. */
static int socket_bind(const struct addrinfo *a)
{
    int one = 1, fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (a->ai_socktype == SOCK_STREAM)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int local_port_bind(struct local_port *p, int type, const char *address, uint16_t port, bool at_once,
                    struct config_error *err)
{
    const struct addrinfo hints = {.ai_socktype = type, .ai_flags = AI_PASSIVE | (at_once ? AI_NUMERICHOST : 0)};
    const char *host = at_once && strcasecmp(address, "localhost") == 0 ? "127.0.0.1" : address;
    struct addrinfo *list = NULL;
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    char digits[8];
    *p = (struct local_port){.fd = -1};
    snprintf(digits, sizeof(digits), "%u", port);
    int failed = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, digits, &hints, &list);
    if (failed != 0)
        return config_error_set(err, "%.200s: %s", address, gai_strerror(failed));
    p->fd = socket_bind(list);
    int error = errno;
    freeaddrinfo(list);
    if (p->fd < 0)
        return config_error_set(err, "cannot listen on %.200s:%u: %s", address, port, strerror(error));
    if (getsockname(p->fd, (struct sockaddr *)&at, &len) != 0) {
        error = errno;
        local_port_close(p);
        return config_error_set(err, "cannot listen on %.200s:%u: %s", address, port, strerror(error));
    }
    local_address_text(&at, p->address, &p->port);
    return 0;
}

bool local_port_listen(struct local_port *p) { return listen(p->fd, BACKLOG) == 0; }

void local_port_close(struct local_port *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

/* -- connections --------------------------------------------------------------------------------------------------- */

static void on_pause_over(evutil_socket_t fd, short what, void *arg)
{
    struct local_acceptor *a = arg;
    (void)fd;
    (void)what;
    event_add(&a->acceptable, NULL);
}

static void accept_failed(struct local_acceptor *a, int error)
{
    const struct timeval pause = {0, PAUSE_US};
    if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM)
        return; /* taken by another worker, or gone again */
    log_warning(a->port->address, "connections wait: %s", strerror(error));
    event_del(&a->acceptable);
    event_add(&a->pause, &pause);
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    struct local_acceptor *a = arg;
    (void)what;
    for (unsigned i = 0; i < ACCEPTS_PER_TURN && a->port != NULL; i++) {
        struct sockaddr_storage at;
        socklen_t len = sizeof(at);
        char from[LOCAL_ADDRESS_TEXT];
        uint16_t port;
        int one = 1, accepted = accept4(fd, (struct sockaddr *)&at, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted < 0) {
            accept_failed(a, errno);
            return;
        }
        setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        local_address_text(&at, from, &port);
        a->taken(a->ctx, accepted, from);
    }
}

void local_accept_start(struct local_acceptor *a, const struct local_port *p, struct worker *w,
                    void (*taken)(void *ctx, int fd, const char *from), void *ctx)
{
    struct event_base *events = worker_events(w);
    a->port = p;
    a->taken = taken;
    a->ctx = ctx;
    event_assign(&a->acceptable, events, p->fd, EV_READ | EV_PERSIST, on_acceptable, a);
    evtimer_assign(&a->pause, events, on_pause_over, a);
    event_add(&a->acceptable, NULL);
}

void local_accept_stop(struct local_acceptor *a)
{
    if (a->port == NULL)
        return;
    event_del(&a->acceptable);
    event_del(&a->pause);
    a->port = NULL;
}
