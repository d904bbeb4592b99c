/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes between a socket and a conduit. */
#include "relay/pump.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "mdm-tunnel/limits.h"

/* Reads up to this are copied into a chunk of their size; larger ones hand the scratch chunk over. */
#define COPY_BYTES (16 * 1024)
/* Full reads in one go: an envelope's worth and more, then others have their turn. */
#define READ_ROUNDS 4
#define WRITE_SLICES 32

static void pump_moved(struct pump *p, bool answering)
{
    p->moved_us = worker_now_us(p->room->worker);
    p->answering = answering;
}

/* -- the end ------------------------------------------------------------------------------------------------------- */

static void socket_close(struct pump *p, bool abort)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (p->fd < 0)
        return;
    event_del(&p->readable);
    event_del(&p->writable);
    if (abort)
        setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(p->fd);
    p->fd = -1;
}

void pump_cut(struct pump *p, const struct error *reason)
{
    CHECK_OBJECT(p, PUMP_MAGIC);
    socket_close(p, reason != &error_none);
    if (p->lingering)
        event_del(&p->writable);
    conduit_close(&p->conduit, reason);
    p->magic = 0;
    p->done(p->ctx, reason);
}

static void pump_settle(struct pump *p)
{
    if (p->read_done && p->write_done)
        socket_close(p, false);
    if (p->read_done && p->write_done && conduit_ended(p->conduit) != NULL)
        pump_cut(p, &error_none);
}

void pump_ended(struct pump *p, const struct error *reason)
{
    CHECK_OBJECT(p, PUMP_MAGIC);
    if (reason != &error_none)
        pump_cut(p, reason);
    else
        pump_settle(p);
}

/* -- from the socket ----------------------------------------------------------------------------------------------- */

static void read_pause(struct pump *p)
{
    event_del(&p->readable);
    p->reading = false;
}

static void read_finish(struct pump *p)
{
    if (p->reset) {
        pump_cut(p, p->cut_reason);
        return;
    }
    read_pause(p);
    p->read_done = true;
    if (p->tap != NULL)
        p->tap->from_finished(p->tap_ctx);
    conduit_write(p->conduit, SLICE_NONE, true);
    pump_settle(p);
}

/* The first `n` bytes of the scratch chunk as a slice; .data NULL without memory. */
static struct slice scratch_take(struct pump_room *room, size_t n)
{
    if (n <= COPY_BYTES)
        return slice_copy(room->scratch->data, n);
    struct chunk *c = room->scratch;
    room->scratch = NULL;
    return slice_of(c, 0, n);
}

static bool scratch_ready(struct pump_room *room)
{
    if (room->scratch == NULL)
        room->scratch = chunk_create(LOCAL_READ_BYTES);
    return room->scratch != NULL;
}

/* True: as much as was asked for, so there may be more. The pump may be gone after false. */
static bool read_once(struct pump *p)
{
    size_t room = conduit_room(p->conduit);
    if (room == 0) {
        read_pause(p);
        return false;
    }
    if (!scratch_ready(p->room)) {
        pump_cut(p, &error_no_memory);
        return false;
    }
    size_t want = room < LOCAL_READ_BYTES ? room : LOCAL_READ_BYTES;
    ssize_t n = recv(p->fd, p->room->scratch->data, want, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n < 0) {
        pump_cut(p, p->cut_reason);
        return false;
    }
    if (n == 0) {
        read_finish(p);
        return false;
    }
    struct slice bytes = scratch_take(p->room, (size_t)n);
    if (bytes.data == NULL) {
        pump_cut(p, &error_no_memory);
        return false;
    }
    p->bytes_from += (size_t)n;
    if (p->meter != NULL)
        atomic_fetch_add_explicit(&p->meter->from, (unsigned long long)n, memory_order_relaxed);
    pump_moved(p, true);
    if (p->tap != NULL)
        p->tap->from(p->tap_ctx, bytes.data, bytes.len);
    conduit_write(p->conduit, bytes, false);
    return (size_t)n == want;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct pump *p = arg;
    CHECK_OBJECT(p, PUMP_MAGIC);
    (void)fd;
    (void)what;
    for (unsigned round = 0; round < READ_ROUNDS && read_once(p); round++)
        ;
}

void pump_writable(struct pump *p)
{
    CHECK_OBJECT(p, PUMP_MAGIC);
    if (p->fd < 0 || p->reading || p->read_done || conduit_room(p->conduit) == 0)
        return;
    p->reading = true;
    event_add(&p->readable, NULL);
}

/* -- to the socket ------------------------------------------------------------------------------------------------- */

static void on_linger_over(evutil_socket_t fd, short what, void *arg)
{
    struct pump *p = arg;
    CHECK_OBJECT(p, PUMP_MAGIC);
    (void)fd;
    (void)what;
    pump_cut(p, p->cut_reason);
}

/* Its answer may still be on the way to us, or to the other end: reading goes on, for a while. */
static void write_break(struct pump *p, int error)
{
    const struct timeval over = {(time_t)(p->linger_us / US_PER_S), (suseconds_t)(p->linger_us % US_PER_S)};
    p->write_broken = true;
    p->reset = error != EPIPE && !p->read_done;
    p->lingering = true;
    event_del(&p->writable);
    evtimer_assign(&p->writable, worker_events(p->room->worker), on_linger_over, p);
    event_add(&p->writable, &over);
}

static void input_drop(struct pump *p)
{
    struct slice_queue *q = conduit_input(p->conduit);
    size_t n = q->bytes;
    slice_queue_skip(q, n);
    conduit_consumed(p->conduit, n);
}

/* The first `n` bytes of what was to be written. */
static void tap_to(const struct pump *p, const struct iovec *iov, size_t n)
{
    for (; n > 0; iov++) {
        size_t len = iov->iov_len < n ? iov->iov_len : n;
        p->tap->to(p->tap_ctx, iov->iov_base, len);
        n -= len;
    }
}

/* True: go on. */
static bool write_once(struct pump *p)
{
    struct slice_queue *q = conduit_input(p->conduit);
    struct iovec iov[WRITE_SLICES];
    struct msghdr m = {.msg_iov = iov};
    m.msg_iovlen = (size_t)slice_queue_iovec(q, iov, WRITE_SLICES);
    ssize_t n = sendmsg(p->fd, &m, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR)
        return true;
    if (n < 0 && errno == EAGAIN) {
        event_add(&p->writable, NULL);
        return false;
    }
    if (n < 0) {
        write_break(p, errno);
        return true;
    }
    if (p->tap != NULL)
        tap_to(p, iov, (size_t)n);
    slice_queue_skip(q, (size_t)n);
    conduit_consumed(p->conduit, (size_t)n);
    p->bytes_to += (size_t)n;
    if (p->meter != NULL)
        atomic_fetch_add_explicit(&p->meter->to, (unsigned long long)n, memory_order_relaxed);
    pump_moved(p, false);
    return true;
}

void pump_readable(struct pump *p)
{
    CHECK_OBJECT(p, PUMP_MAGIC);
    if (!p->started)
        return;
    struct slice_queue *q = conduit_input(p->conduit);
    while (q->bytes > 0) {
        if (p->write_broken || p->fd < 0)
            input_drop(p);
        else if (!write_once(p))
            return;
    }
    if (conduit_read_finished(p->conduit) && !p->write_done) {
        p->write_done = true;
        if (p->fd >= 0 && !p->write_broken)
            shutdown(p->fd, SHUT_WR);
    }
    pump_settle(p);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct pump *p = arg;
    CHECK_OBJECT(p, PUMP_MAGIC);
    (void)fd;
    (void)what;
    pump_readable(p);
}

/* -- both ---------------------------------------------------------------------------------------------------------- */

void pump_init(struct pump *p, struct pump_room *room, struct conduit *c, const struct error *cut_reason,
               uint64_t linger_us, void (*done)(void *ctx, const struct error *reason), void *ctx)
{
    *p = (struct pump){
        .magic = PUMP_MAGIC,
        .room = room,
        .conduit = c,
        .cut_reason = cut_reason,
        .linger_us = linger_us,
        .done = done,
        .ctx = ctx,
        .fd = -1,
    };
}

void pump_start(struct pump *p, int fd)
{
    CHECK_OBJECT(p, PUMP_MAGIC);
    struct event_base *events = worker_events(p->room->worker);
    p->fd = fd;
    p->started = true;
    p->moved_us = worker_now_us(p->room->worker);
    event_assign(&p->readable, events, fd, EV_READ | EV_PERSIST, on_readable, p);
    event_assign(&p->writable, events, fd, EV_WRITE, on_writable, p);
    pump_writable(p);
    pump_readable(p);
}

bool pump_is_quiet(const struct pump *p)
{
    return p->fd >= 0 && p->answering && p->reading && conduit_input(p->conduit)->bytes == 0;
}

void pump_finish(struct pump *p)
{
    socket_close(p, false);
    p->reading = false;
    if (!p->read_done) {
        p->read_done = true;
        conduit_write(p->conduit, SLICE_NONE, true);
    }
    pump_settle(p);
}
