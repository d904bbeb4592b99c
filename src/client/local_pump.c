/* SPDX-License-Identifier: Apache-2.0 */
/* The pump between a local socket and its conduit. */
#include "client/local_pump.h"

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
/* A service that has answered in full and takes no more: what the visitor still sends is dropped for so long. */
#define LINGER_US (10 * US_PER_S)

static void local_moved(struct local *l, bool answering)
{
    l->moved_us = worker_now_us(l->shard->worker);
    l->answering = answering;
}

void local_pump_settle(struct local *l)
{
    if (l->read_done && l->write_done)
        local_close_socket(l, false);
    if (l->read_done && l->write_done && conduit_ended(l->conduit) != NULL)
        local_end(l, &error_none);
}

/* -- from the service ---------------------------------------------------------------------------------------------- */

static void read_pause(struct local *l)
{
    event_del(&l->readable);
    l->reading = false;
}

static void read_finish(struct local *l)
{
    if (l->reset) {
        local_end(l, &error_service_reset);
        return;
    }
    read_pause(l);
    l->read_done = true;
    conduit_write(l->conduit, SLICE_NONE, true);
    local_pump_settle(l);
}

/* The first `n` bytes of the scratch chunk as a slice; .data NULL without memory. */
static struct slice scratch_take(struct client_shard *shard, size_t n)
{
    if (n <= COPY_BYTES)
        return slice_copy(shard->scratch->data, n);
    struct chunk *c = shard->scratch;
    shard->scratch = NULL;
    return slice_of(c, 0, n);
}

static bool scratch_ready(struct client_shard *shard)
{
    if (shard->scratch == NULL)
        shard->scratch = chunk_create(LOCAL_READ_BYTES);
    return shard->scratch != NULL;
}

/* True: as much as was asked for, so there may be more. The local may be gone after false. */
static bool read_once(struct local *l)
{
    size_t room = conduit_room(l->conduit);
    if (room == 0) {
        read_pause(l);
        return false;
    }
    if (!scratch_ready(l->shard)) {
        local_end(l, &error_no_memory);
        return false;
    }
    size_t want = room < LOCAL_READ_BYTES ? room : LOCAL_READ_BYTES;
    ssize_t n = recv(l->fd, l->shard->scratch->data, want, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n < 0) {
        local_end(l, &error_service_reset);
        return false;
    }
    if (n == 0) {
        read_finish(l);
        return false;
    }
    struct slice bytes = scratch_take(l->shard, (size_t)n);
    if (bytes.data == NULL) {
        local_end(l, &error_no_memory);
        return false;
    }
    l->bytes_from += (size_t)n;
    local_moved(l, true);
    conduit_write(l->conduit, bytes, false);
    return (size_t)n == want;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct local *l = arg;
    CHECK_OBJECT(l, LOCAL_MAGIC);
    (void)fd;
    (void)what;
    for (unsigned round = 0; round < READ_ROUNDS && read_once(l); round++)
        ;
}

void local_pump_resume(struct local *l)
{
    if (l->fd < 0 || l->reading || l->read_done || conduit_room(l->conduit) == 0)
        return;
    l->reading = true;
    event_add(&l->readable, NULL);
}

/* -- to the service ------------------------------------------------------------------------------------------------ */

static void on_linger_over(evutil_socket_t fd, short what, void *arg)
{
    struct local *l = arg;
    CHECK_OBJECT(l, LOCAL_MAGIC);
    (void)fd;
    (void)what;
    local_end(l, &error_service_reset);
}

/* Its answer may still be on the way to us, or to the visitor: reading goes on, for a while. */
static void write_break(struct local *l, int error)
{
    const struct timeval over = {LINGER_US / US_PER_S, 0};
    l->write_broken = true;
    l->reset = error != EPIPE && !l->read_done;
    l->lingering = true;
    event_del(&l->writable);
    evtimer_assign(&l->writable, worker_events(l->shard->worker), on_linger_over, l);
    event_add(&l->writable, &over);
}

static void input_drop(struct local *l)
{
    struct slice_queue *q = conduit_input(l->conduit);
    size_t n = q->bytes;
    slice_queue_skip(q, n);
    conduit_consumed(l->conduit, n);
}

/* True: go on. */
static bool write_once(struct local *l)
{
    struct slice_queue *q = conduit_input(l->conduit);
    struct iovec iov[WRITE_SLICES];
    struct msghdr m = {.msg_iov = iov};
    m.msg_iovlen = (size_t)slice_queue_iovec(q, iov, WRITE_SLICES);
    ssize_t n = sendmsg(l->fd, &m, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR)
        return true;
    if (n < 0 && errno == EAGAIN) {
        event_add(&l->writable, NULL);
        return false;
    }
    if (n < 0) {
        write_break(l, errno);
        return true;
    }
    slice_queue_skip(q, (size_t)n);
    conduit_consumed(l->conduit, (size_t)n);
    l->bytes_to += (size_t)n;
    local_moved(l, false);
    return true;
}

void local_pump_write(struct local *l)
{
    struct slice_queue *q = conduit_input(l->conduit);
    while (q->bytes > 0) {
        if (l->write_broken || l->fd < 0)
            input_drop(l);
        else if (!write_once(l))
            return;
    }
    if (conduit_read_finished(l->conduit) && !l->write_done) {
        l->write_done = true;
        if (l->fd >= 0 && !l->write_broken)
            shutdown(l->fd, SHUT_WR);
    }
    local_pump_settle(l);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct local *l = arg;
    CHECK_OBJECT(l, LOCAL_MAGIC);
    (void)fd;
    (void)what;
    local_pump_write(l);
}

/* -- both ---------------------------------------------------------------------------------------------------------- */

void local_pump_start(struct local *l, int fd)
{
    struct event_base *events = worker_events(l->shard->worker);
    l->fd = fd;
    l->moved_us = worker_now_us(l->shard->worker);
    event_assign(&l->readable, events, fd, EV_READ | EV_PERSIST, on_readable, l);
    event_assign(&l->writable, events, fd, EV_WRITE, on_writable, l);
    local_pump_resume(l);
    local_pump_write(l);
}

bool local_pump_is_quiet(const struct local *l)
{
    return l->fd >= 0 && l->answering && l->reading && conduit_input(l->conduit)->bytes == 0;
}

void local_pump_finish(struct local *l)
{
    local_close_socket(l, false);
    l->reading = false;
    if (!l->read_done) {
        l->read_done = true;
        conduit_write(l->conduit, SLICE_NONE, true);
    }
    local_pump_settle(l);
}
