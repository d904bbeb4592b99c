/* SPDX-License-Identifier: Apache-2.0 */
/* The pump between a TLS connection and its inner, plain end. */
#include "server/bridge.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/log.h"
#include "server/address.h"
#include "server/front.h"
#include "tls/sock.h"
#include "tls/store.h"

#define BRIDGE_MAGIC 0x62726467
#define BRIDGE_ROUNDS 4 /* before others get their turn */

struct bridge {
    OBJECT_MAGIC;
    struct front *front;
    struct list node;
    struct sock outer;
    int inner; /* -1: not yet, or closed */
    struct event inner_readable, inner_writable;
    struct hangup inner_hangup; /* closed, not only finished */
    struct hangup outer_hangup; /* reset, also while nothing is read */
    struct turn turn;           /* what a hangup may not do itself */
    struct deadline deadline;
    struct bridge_end *end; /* NULL: nobody cares */
    struct slice up, down;  /* what the other side had no room for */
    bool up_done;    /* the visitor has finished, and the inner end knows */
    bool down_done;  /* the inner end has finished, and the visitor knows */
    bool closed;     /* the inner end is closed */
    bool cut;
    bool reset;      /* the visitor's connection */
    bool client;     /* not counted as the front's any more */
    bool lingering;  /* all was said; the visitor may read it */
    uint64_t heard_us; /* when bytes of the visitor came last */
    uint32_t place;    /* in the crowd of visitors */
    struct sockaddr_storage address;
    socklen_t address_len;
};

static void bridge_say(const struct bridge *b, const char *text, const char *detail)
{
    struct address a;
    char subject[64];

    if (!log_wanted(LOG_LEVEL_DEBUG))
        return;
    address_read((const struct sockaddr *)&b->address, &a);
    address_text(&a, subject);
    log_debug(subject, "%s: %s", text, detail);
}

/* -- the end ------------------------------------------------------------------------------------------------------- */

void bridge_attach(struct bridge *b, struct bridge_end *end)
{
    end->bridge = b;
    b->end = end;
}

void bridge_end_detach(struct bridge_end *end)
{
    if (end->bridge != NULL)
        end->bridge->end = NULL;
    end->bridge = NULL;
}

void bridge_end_move(struct bridge_end *from, struct bridge_end *to)
{
    struct bridge *b = from->bridge;

    bridge_end_detach(from);
    if (b != NULL)
        bridge_attach(b, to);
}

void bridge_cut(struct bridge_end *end)
{
    if (end->bridge != NULL)
        end->bridge->cut = true;
}

uint64_t bridge_heard_us(const struct bridge_end *end) { return end->bridge != NULL ? end->bridge->heard_us : 0; }

void bridge_give_to_client(struct bridge_end *end)
{
    struct bridge *b = end->bridge;

    bridge_end_detach(end);
    if (b == NULL)
        return;
    b->client = true;
    front_leave(b->front, &b->place);
    b->front->bridge_count--;
}

static void inner_close(struct bridge *b)
{
    if (b->inner < 0)
        return;
    hangup_stop(&b->front->hangups, &b->inner_hangup);
    event_del(&b->inner_readable);
    event_del(&b->inner_writable);
    close(b->inner);
    b->inner = -1;
}

static void bridge_free(struct bridge *b)
{
    struct front *f = b->front;

    if (b->end != NULL)
        bridge_end_detach(b->end);
    inner_close(b);
    hangup_stop(&f->hangups, &b->outer_hangup);
    turn_cancel(&b->turn);
    sock_close(&b->outer);
    deadline_clear(&b->deadline);
    slice_done(&b->up);
    slice_done(&b->down);
    list_remove(&b->node);
    f->bridge_count -= !b->client;
    front_leave(f, &b->place);
    FREE_OBJECT(b);
    counter_sub(counters_self(), COUNTER_tls_connections, 1);
    front_check_drained(f);
}

/* The visitor is gone without a word. */
static void bridge_lost(struct bridge *b)
{
    struct bridge_end *end = b->end;

    inner_close(b);
    if (end != NULL && end->gone != NULL)
        end->gone(end);
    bridge_free(b);
}

/* Nothing more can be said; a visitor that was told all is left the time to read it. True: the bridge is gone. */
static bool bridge_settle(struct bridge *b)
{
    if (b->lingering || !b->closed || b->down.len > 0 || !b->down_done)
        return false;
    if (b->cut || b->up_done || b->front->stopped) {
        bridge_free(b);
        return true;
    }
    b->lingering = true;
    inner_close(b);
    slice_done(&b->up);
    sock_reading(&b->outer, true);
    deadline_set(&b->front->deadlines, DEADLINE_LINGER, &b->deadline);
    return false;
}

/* -- visitor -> inner end ------------------------------------------------------------------------------------------ */

/* Writes what waits or what was just read; the rest waits. False: the inner end takes no more, ever. */
static bool up_write(struct bridge *b, const char *bytes, size_t len)
{
    size_t sent = 0;

    while (sent < len) {
        ssize_t n = send(b->inner, bytes + sent, len - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0 && errno != EINTR)
            return false;
        sent += n > 0 ? (size_t)n : 0;
    }
    if (b->up.data != NULL) {
        slice_skip(&b->up, sent);
        if (b->up.len == 0)
            slice_done(&b->up);
    } else if (sent < len) {
        b->up = slice_copy(bytes + sent, len - sent);
        if (b->up.data == NULL)
            return false;
    }
    if (b->up.len > 0)
        event_add(&b->inner_writable, NULL);
    sock_reading(&b->outer, b->up.len == 0 && !b->up_done);
    return true;
}

/* The inner end is closed or broken: what the visitor still sends is dropped. */
static void up_drop(struct bridge *b)
{
    slice_done(&b->up);
    event_del(&b->inner_writable);
    sock_reading(&b->outer, true);
}

static void up_finish(struct bridge *b)
{
    b->up_done = true;
    sock_reading(&b->outer, false);
    if (b->inner >= 0)
        shutdown(b->inner, SHUT_WR);
    if (b->lingering)
        bridge_free(b);
    else
        bridge_settle(b);
}

static void outer_readable(void *ctx)
{
    struct bridge *b = ctx;
    char *bytes = b->front->bytes;
    struct iovec iov = {bytes, sizeof(b->front->bytes) < BRIDGE_BYTES ? sizeof(b->front->bytes) : BRIDGE_BYTES};

    CHECK_OBJECT(b, BRIDGE_MAGIC);
    for (int i = 0; i < BRIDGE_ROUNDS && b->outer.reading; i++) {
        ssize_t len = sock_readv(&b->outer, &iov, 1);
        if (len < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (len < 0) {
            bridge_lost(b);
            return;
        }
        if (len == 0) {
            up_finish(b);
            return;
        }
        b->heard_us = worker_now_us(b->front->worker);
        if (b->inner >= 0 && !up_write(b, bytes, (size_t)len))
            up_drop(b);
    }
}

static void inner_writable(evutil_socket_t fd, short what, void *ctx)
{
    struct bridge *b = ctx;

    (void)fd, (void)what;
    CHECK_OBJECT(b, BRIDGE_MAGIC);
    if (b->up.len > 0 && !up_write(b, (const char *)b->up.data, b->up.len))
        up_drop(b);
}

/* -- inner end -> visitor ------------------------------------------------------------------------------------------ */

enum down { DOWN_WROTE, DOWN_BLOCKED, DOWN_LOST };

static enum down down_write(struct bridge *b, const char *bytes, size_t len)
{
    size_t sent = 0;

    while (sent < len) {
        struct iovec iov = {(void *)(uintptr_t)(bytes + sent), len - sent};
        ssize_t n = sock_writev(&b->outer, &iov, 1);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0 && errno != EINTR)
            return DOWN_LOST;
        sent += n > 0 ? (size_t)n : 0;
    }
    if (b->down.data != NULL) {
        slice_skip(&b->down, sent);
        if (b->down.len == 0)
            slice_done(&b->down);
    } else if (sent < len) {
        b->down = slice_copy(bytes + sent, len - sent);
        if (b->down.data == NULL)
            return DOWN_LOST;
    }
    return b->down.len > 0 ? DOWN_BLOCKED : DOWN_WROTE;
}

static void down_finish(struct bridge *b)
{
    struct pollfd p = {.fd = b->inner};

    event_del(&b->inner_readable);
    b->down_done = true;
    if (poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)) != 0)
        b->closed = true;
    if (!b->cut)
        sock_finish(&b->outer);
    bridge_settle(b);
}

/* One read; false: no more for now, or the bridge is gone. */
static bool down_read(struct bridge *b)
{
    char *bytes = b->front->bytes;
    ssize_t len = recv(b->inner, bytes, sizeof(b->front->bytes), 0);

    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (len <= 0) { /* closed with something unread is a reset here, and an end there */
        down_finish(b);
        return false;
    }
    switch (down_write(b, bytes, (size_t)len)) {
    case DOWN_WROTE:
        return true;
    case DOWN_BLOCKED:
        event_del(&b->inner_readable);
        return false;
    case DOWN_LOST:
        bridge_lost(b);
        return false;
    }
    return false;
}

static void inner_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct bridge *b = ctx;

    (void)fd, (void)what;
    CHECK_OBJECT(b, BRIDGE_MAGIC);
    for (int i = 0; i < BRIDGE_ROUNDS && down_read(b); i++)
        continue;
}

static void outer_writable(void *ctx)
{
    struct bridge *b = ctx;

    CHECK_OBJECT(b, BRIDGE_MAGIC);
    if (b->down.len == 0)
        return;
    enum down result = down_write(b, (const char *)b->down.data, b->down.len);
    if (result == DOWN_LOST)
        bridge_lost(b);
    else if (result == DOWN_WROTE && b->inner >= 0)
        event_add(&b->inner_readable, NULL);
}

static void inner_news(struct hangup *w, enum hangup_news news)
{
    struct bridge *b = CONTAINER_OF(w, struct bridge, inner_hangup);

    CHECK_OBJECT(b, BRIDGE_MAGIC);
    if (news == HANGUP_FINISHED)
        return;
    b->closed = true;
    worker_at_turn(b->front->worker, TURN_WORK, &b->turn);
}

static void outer_news(struct hangup *w, enum hangup_news news)
{
    struct bridge *b = CONTAINER_OF(w, struct bridge, outer_hangup);

    CHECK_OBJECT(b, BRIDGE_MAGIC);
    if (news != HANGUP_GONE)
        return;
    b->reset = true;
    worker_at_turn(b->front->worker, TURN_WORK, &b->turn);
}

static void bridge_turn(struct turn *t)
{
    struct bridge *b = CONTAINER_OF(t, struct bridge, turn);

    CHECK_OBJECT(b, BRIDGE_MAGIC);
    if (b->reset)
        bridge_lost(b);
    else
        bridge_settle(b);
}

/* -- the start ----------------------------------------------------------------------------------------------------- */

static void outer_failed(void *ctx, const char *why)
{
    struct bridge *b = ctx;

    CHECK_OBJECT(b, BRIDGE_MAGIC);
    counter_add(counters_self(), COUNTER_tls_refused, 1);
    bridge_say(b, "TLS", why);
    bridge_free(b);
}

/* The front gets one end of the pair. */
static bool inner_open(struct bridge *b)
{
    struct front *f = b->front;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    b->inner = pair[0];
    event_assign(&b->inner_readable, worker_events(f->worker), b->inner, EV_READ | EV_PERSIST, inner_readable, b);
    event_assign(&b->inner_writable, worker_events(f->worker), b->inner, EV_WRITE, inner_writable, b);
    if (!front_add(f, pair[1], (const struct sockaddr *)&b->address, b->address_len, 0, b))
        return false;
    hangup_start(&f->hangups, &b->inner_hangup, b->inner);
    hangup_start(&f->hangups, &b->outer_hangup, b->outer.fd);
    event_add(&b->inner_readable, NULL);
    return true;
}

static void outer_established(void *ctx)
{
    struct bridge *b = ctx;

    CHECK_OBJECT(b, BRIDGE_MAGIC);
    deadline_clear(&b->deadline);
    counter_add(counters_self(), COUNTER_tls_handshakes, 1);
    bridge_say(b, "TLS", sock_tls_version(&b->outer));
    if (inner_open(b))
        sock_reading(&b->outer, true);
    else
        bridge_free(b);
}

static const struct sock_events outer_events = {
    .established = outer_established,
    .readable = outer_readable,
    .writable = outer_writable,
    .failed = outer_failed,
};

/* The handshake took too long, or the visitor does not close. */
void bridge_expired(struct deadline *d)
{
    struct bridge *b = CONTAINER_OF(d, struct bridge, deadline);

    CHECK_OBJECT(b, BRIDGE_MAGIC);
    if (b->outer.handshaking)
        outer_failed(b, "the handshake took too long");
    else
        bridge_free(b);
}

bool bridge_create(struct front *f, int fd, const struct sockaddr *address, socklen_t len, uint32_t place)
{
    struct tls_set *set = tls_store_set(f->config.certificates, worker_index(f->worker));
    struct bridge *b;

    ALLOC_OBJECT(b, BRIDGE_MAGIC);
    if (b == NULL) {
        front_leave(f, &place);
        close(fd);
        return false;
    }
    b->front = f;
    b->place = place;
    b->inner = -1;
    b->inner_hangup = (struct hangup){.fd = -1, .news = inner_news};
    b->outer_hangup = (struct hangup){.fd = -1, .news = outer_news};
    turn_init(&b->turn, bridge_turn);
    deadline_init(&b->deadline);
    memcpy(&b->address, address, len);
    b->address_len = len;
    list_append(&f->bridges, &b->node);
    f->bridge_count++;
    counter_add(counters_self(), COUNTER_tls_connections, 1);
    sock_init(&b->outer, f->worker, fd, &outer_events, b);
    if (!sock_start_tls(&b->outer, set, "http/1.1")) {
        bridge_free(b);
        return false;
    }
    deadline_set(&f->deadlines, DEADLINE_HANDSHAKE, &b->deadline);
    return true;
}

void bridges_close(struct front *f, bool all)
{
    LIST_FOREACH_SAFE(node, next, &f->bridges) {
        struct bridge *b = CONTAINER_OF(node, struct bridge, node);
        if (b->lingering || (all && !b->client))
            bridge_free(b);
    }
}

void bridges_free(struct front *f)
{
    LIST_FOREACH_SAFE(node, next, &f->bridges)
        bridge_free(CONTAINER_OF(node, struct bridge, node));
}
