/* SPDX-License-Identifier: Apache-2.0 */
/* A recorded request on its way again. */
#include "client/resend.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/object.h"
#include "client/greeting.h"
#include "client/inspector.h"
#include "dial/dial.h"

#define RESEND_MAGIC 0x52455345
#define READ_BYTES (16 * KIB)

struct resend {
    OBJECT_MAGIC;
    struct list node; /* shard->resends */
    struct client_shard *shard;
    struct dial *dial;
    struct capture *capture;
    char visitor[64];
    unsigned proxy_protocol;
    char *bytes;
    size_t len, sent;
    int fd; /* -1: not yet */
    struct event readable, writable, deadline;
};

static void resend_end(struct resend *r, const char *why)
{
    struct client_shard *shard = r->shard;
    list_remove(&r->node);
    dial_cancel(&r->dial);
    event_del(&r->deadline);
    if (r->fd >= 0) {
        event_del(&r->readable);
        event_del(&r->writable);
        close(r->fd);
    }
    capture_end(&r->capture, why);
    free(r->bytes);
    FREE_OBJECT(r);
    inspector_resent(shard->inspector);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct resend *r = arg;
    char bytes[READ_BYTES];
    CHECK_OBJECT(r, RESEND_MAGIC);
    (void)what;
    ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        resend_end(r, strerror(errno));
        return;
    }
    if (n == 0)
        capture_finished(r->capture);
    else
        capture_response(r->capture, bytes, (size_t)n);
    if (n == 0 || (capture_idle(r->capture) && r->sent > 0))
        resend_end(r, "the service has closed the connection");
}

/* A service that takes no more may have answered: that is read. */
static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct resend *r = arg;
    CHECK_OBJECT(r, RESEND_MAGIC);
    (void)what;
    while (r->sent < r->len) {
        ssize_t n = send(fd, r->bytes + r->sent, r->len - r->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            break;
        capture_request(r->capture, r->bytes + r->sent, (size_t)n);
        r->sent += (size_t)n;
    }
    event_del(&r->writable);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct resend *r = arg;
    CHECK_OBJECT(r, RESEND_MAGIC);
    (void)fd;
    (void)what;
    resend_end(r, "no answer in time");
}

static void on_dialled(void *ctx, int fd, const struct error *error, const char *why)
{
    struct resend *r = ctx;
    struct event_base *events = worker_events(r->shard->worker);
    CHECK_OBJECT(r, RESEND_MAGIC);
    if (fd < 0) {
        char text[160];
        snprintf(text, sizeof(text), "%s%s%s", error->text, why[0] != '\0' ? ": " : "", why);
        resend_end(r, text);
        return;
    }
    r->fd = fd;
    event_assign(&r->readable, events, fd, EV_READ | EV_PERSIST, on_readable, r);
    event_assign(&r->writable, events, fd, EV_WRITE | EV_PERSIST, on_writable, r);
    if (r->proxy_protocol != 0 && !greeting_send(fd, r->proxy_protocol, r->visitor)) {
        resend_end(r, strerror(errno));
        return;
    }
    event_add(&r->readable, NULL);
    event_add(&r->writable, NULL);
}

/* NULL without memory; the order stays the caller's then. */
static struct resend *resend_create(struct client_shard *shard, const struct resend_order *order)
{
    struct resend *r;
    ALLOC_OBJECT(r, RESEND_MAGIC);
    if (r == NULL)
        return NULL;
    r->capture = capture_create(inspector_book(shard->inspector), order->record->service, order->record->visitor);
    if (r->capture == NULL) {
        FREE_OBJECT(r);
        return NULL;
    }
    r->shard = shard;
    r->fd = -1;
    r->bytes = order->bytes;
    r->len = order->len;
    snprintf(r->visitor, sizeof(r->visitor), "%s", order->record->visitor);
    list_append(&shard->resends, &r->node);
    evtimer_assign(&r->deadline, worker_events(shard->worker), on_deadline, r);
    return r;
}

void resend_start(struct client_shard *shard, struct resend_order *order)
{
    const struct timeval limit = {INSPECT_RESEND_S, 0};
    const struct service *s = services_find(catalog_services(shard->catalog), order->record->service);
    struct resend *r = resend_create(shard, order);
    if (r == NULL) {
        inspector_drop(shard->inspector, order, error_no_memory.text);
        return;
    }
    capture_expect(r->capture, order->record);
    *order = (struct resend_order){0};
    if (s == NULL || s->kind != SERVICE_HTTP) {
        resend_end(r, error_unknown_service.text);
        return;
    }
    r->proxy_protocol = s->proxy_protocol;
    event_add(&r->deadline, &limit);
    dial_start(&r->dial, shard->worker, shard->lookups, &s->target, on_dialled, r);
}

void resends_cut(struct client_shard *shard, const struct error *reason)
{
    LIST_FOREACH_SAFE (node, next, &shard->resends)
        resend_end(CONTAINER_OF(node, struct resend, node), reason->text);
}
