/* SPDX-License-Identifier: Apache-2.0 */
/* From a target to a connected socket. */
#include "dial/dial.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/object.h"

#define DIAL_MAGIC 0x4449414c
/* A unix socket's full backlog is not waited for by the kernel (EAGAIN). */
#define BACKLOG_RETRY_US (20 * US_PER_MS)

struct dial {
    OBJECT_MAGIC;
    struct dial **slot;
    struct worker *worker;
    dial_done_fn *done;
    void *ctx;
    struct lookup *lookup; /* while the name is asked for */
    int fd;                /* while connecting, else -1 */
    int error;             /* of the first address that failed: the others may be none of this machine's kind */
    size_t count, at;
    struct event attempt; /* the connection's end, or the moment of another attempt */
    struct event timer;
    struct address list[LOOKUP_ADDRESSES_MAX];
};

const struct error *dial_error(int error)
{
    switch (error) {
    case ETIMEDOUT:
        return &error_service_timeout;
    case ECONNRESET: /* accepted, and cut before we looked */
        return &error_service_reset;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case EADDRNOTAVAIL:
        return &error_limit;
    case ENOMEM:
        return &error_no_memory;
    default:
        return &error_service_refused;
    }
}

static struct timeval timeval_of(uint64_t us)
{
    return (struct timeval){(time_t)(us / US_PER_S), (suseconds_t)(us % US_PER_S)};
}

static void dial_drop_socket(struct dial *d)
{
    event_del(&d->attempt);
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}

static void dial_free(struct dial *d)
{
    dial_drop_socket(d);
    event_del(&d->timer);
    lookup_cancel(&d->lookup);
    *d->slot = NULL;
    FREE_OBJECT(d);
}

void dial_cancel(struct dial **slot)
{
    if (*slot == NULL)
        return;
    CHECK_OBJECT(*slot, DIAL_MAGIC);
    dial_free(*slot);
}

static void dial_finish(struct dial *d, int fd, const struct error *error, const char *why)
{
    dial_done_fn *done = d->done;
    void *ctx = d->ctx;
    dial_free(d);
    done(ctx, fd, error, why);
}

static void dial_fail(struct dial *d, int error) { dial_finish(d, -1, dial_error(error), strerror(error)); }

/*
 * A connection to a free port out of the range that the kernel chooses from may meet itself: nobody listens there. Only
 * this machine's own addresses can do that, so the two names are compared whatever the address.
 */
static bool is_self_connected(int fd)
{
    struct sockaddr_storage a, b;
    socklen_t a_len = sizeof(a), b_len = sizeof(b);
    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    return getsockname(fd, (struct sockaddr *)&a, &a_len) == 0 && getpeername(fd, (struct sockaddr *)&b, &b_len) == 0 &&
           a.ss_family != AF_UNIX && a_len == b_len && memcmp(&a, &b, a_len) == 0;
}

/* -- one address --------------------------------------------------------------------------------------------------- */

/*
 * 0: connected; EINPROGRESS: it takes a while; EAGAIN: not now; else why not. A local peer has answered by the time
 * that the first connect(2) returns, so the second one saves a turn of the loop.
 */
static int connect_attempt(struct dial *d, const struct address *a)
{
    const struct sockaddr *at = (const struct sockaddr *)&a->at;
    d->fd = socket(at->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (d->fd < 0)
        return errno;
    if (connect(d->fd, at, a->len) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    if (connect(d->fd, at, a->len) == 0 || errno == EISCONN)
        return 0;
    return errno == EALREADY ? EINPROGRESS : errno;
}

static void dial_next(struct dial *d);

/* On to the next address, unless this one was there and cut us off. */
static void dial_address_failed(struct dial *d, int error)
{
    dial_drop_socket(d);
    if (d->error == 0)
        d->error = error;
    d->at = error == ECONNRESET ? d->count : d->at + 1;
}

static void dial_connected(struct dial *d)
{
    int fd = d->fd, one = 1;
    if (is_self_connected(fd)) {
        dial_address_failed(d, ECONNREFUSED);
        dial_next(d);
        return;
    }
    if (d->list[d->at].at.ss_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    event_del(&d->attempt);
    d->fd = -1;
    dial_finish(d, fd, &error_none, "");
}

static void on_attempt(evutil_socket_t fd, short what, void *arg)
{
    struct dial *d = arg;
    CHECK_OBJECT(d, DIAL_MAGIC);
    if ((what & EV_TIMEOUT) != 0) {
        dial_next(d);
        return;
    }
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt((int)fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    if (error == 0) {
        dial_connected(d);
        return;
    }
    dial_address_failed(d, error);
    dial_next(d);
}

static void dial_wait(struct dial *d, int error)
{
    const struct timeval retry = timeval_of(BACKLOG_RETRY_US);
    struct event_base *events = worker_events(d->worker);
    if (error == EAGAIN) {
        dial_drop_socket(d);
        evtimer_assign(&d->attempt, events, on_attempt, d);
        event_add(&d->attempt, &retry);
    } else {
        event_assign(&d->attempt, events, d->fd, EV_WRITE, on_attempt, d);
        event_add(&d->attempt, NULL);
    }
}

static void dial_next(struct dial *d)
{
    while (d->at < d->count) {
        int error = connect_attempt(d, &d->list[d->at]);
        if (error == 0) {
            dial_connected(d);
            return;
        }
        if (error == EINPROGRESS || error == EAGAIN) {
            dial_wait(d, error);
            return;
        }
        dial_address_failed(d, error);
    }
    dial_fail(d, d->error);
}

/* -- the target ---------------------------------------------------------------------------------------------------- */

static void on_looked_up(void *ctx, const struct address *list, size_t count, const char *why)
{
    struct dial *d = ctx;
    CHECK_OBJECT(d, DIAL_MAGIC);
    d->lookup = NULL;
    if (count == 0) {
        dial_finish(d, -1, &error_service_refused, why);
        return;
    }
    memcpy(d->list, list, count * sizeof(*list));
    d->count = count;
    dial_next(d);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct dial *d = arg;
    CHECK_OBJECT(d, DIAL_MAGIC);
    (void)fd;
    (void)what;
    dial_fail(d, ETIMEDOUT);
}

static size_t unix_address(const char *path, struct address *a)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&a->at;
    un->sun_family = AF_UNIX;
    snprintf(un->sun_path, sizeof(un->sun_path), "%s", path);
    a->len = sizeof(*un);
    return 1;
}

void dial_start(struct dial **slot, struct worker *worker, struct lookups *lookups, const struct target *target,
                dial_done_fn *done, void *ctx)
{
    const struct timeval timeout = timeval_of(DIAL_TIMEOUT_US);
    struct dial *d;
    ALLOC_OBJECT(d, DIAL_MAGIC);
    *slot = d;
    if (d == NULL) {
        done(ctx, -1, &error_no_memory, strerror(ENOMEM));
        return;
    }
    d->slot = slot;
    d->worker = worker;
    d->done = done;
    d->ctx = ctx;
    d->fd = -1;
    evtimer_assign(&d->attempt, worker_events(worker), on_attempt, d);
    evtimer_assign(&d->timer, worker_events(worker), on_timeout, d);
    event_add(&d->timer, &timeout);
    d->count = target->kind == TARGET_UNIX ? unix_address(target->path, d->list)
                                           : lookup_numeric(target->host, target->port, d->list);
    if (d->count == 0)
        d->lookup = lookup_ask(lookups, worker, target->host, target->port, on_looked_up, d);
    if (d->count > 0)
        dial_next(d);
    else if (d->lookup == NULL)
        dial_finish(d, -1, &error_limit, "too many names are being looked up");
}
