/* SPDX-License-Identifier: Apache-2.0 */
/* Upgraded connections. An idle one costs this object, a descriptor, and its stream. */
#include "server/upgrade.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/log.h"
#include "server/bridge.h"
#include "server/exchange.h"
#include "server/front.h"
#include "server/visitor.h"

#define UPGRADE_MAGIC 0x75706772
#define UPGRADE_IOV 64
#define UPGRADE_ROUNDS 8 /* before others get their turn */

/* What was opened here, until the service has accepted it: a refusal says something about the instance. */
struct pass {
    struct hub_choice at;
    char service[NAME_MAX_BYTES + 1];
};

struct upgrade {
    OBJECT_MAGIC;
    int fd;
    struct front *front;
    struct conduit *conduit;
    struct list node;
    struct hangup hangup;
    struct event readable, writable; /* the visitor's socket */
    struct deadline deadline;
    struct bridge_end end;   /* of a visitor that came with TLS */
    uint32_t place;          /* in the crowd of visitors; 0: none, or the bridge's */
    struct gate gate;        /* the rules of the service */
    struct slice early_up;   /* bytes of the visitor that libmicrohttpd had read */
    struct slice early_down; /* bytes of the service that came with its 101 */
    struct pass *pass;       /* heap; NULL: accepted, or taken over from a request */
    struct access_stream *access;
    bool passes;             /* without a request, from its first byte on */
    bool read_done, write_done;
    uint64_t up_bytes, down_bytes;
    char subject[160];
};

static void upgrade_end(struct upgrade *u, const struct error *reason)
{
    struct front *f = u->front;

    log_at(u->passes ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, u->subject, "connection over: %" PRIu64 " bytes up, %" PRIu64 " down%s%s",
           u->up_bytes, u->down_bytes, reason != &error_none ? ": " : "", reason != &error_none ? reason->text : "");
    access_stream_end(&u->access, u->up_bytes, u->down_bytes, reason);
    hangup_stop(&f->hangups, &u->hangup);
    event_del(&u->readable);
    event_del(&u->writable);
    deadline_clear(&u->deadline);
    list_remove(&u->node);
    bridge_end_detach(&u->end);
    if (u->conduit != NULL)
        conduit_close(&u->conduit, reason);
    gate_leave(&u->gate);
    free(u->pass);
    slice_done(&u->early_up);
    slice_done(&u->early_down);
    close(u->fd);
    front_leave(f, &u->place);
    FREE_OBJECT(u);
    f->upgrade_count--;
    counter_sub(counters_self(), COUNTER_upgrades, 1);
    front_check_drained(f);
}

/* The stream was cut: the visitor must see a cut, too. */
static void upgrade_cut(struct upgrade *u, const struct error *reason)
{
    static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(u->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    bridge_cut(&u->end);
    upgrade_end(u, reason);
}

void upgrade_expired(struct deadline *d)
{
    struct upgrade *u = CONTAINER_OF(d, struct upgrade, deadline);

    CHECK_OBJECT(u, UPGRADE_MAGIC);
    upgrade_cut(u, &error_visitor_gone);
}

/* Ends it when both directions have, and all that was said is sent; true if so. */
static bool upgrade_finished(struct upgrade *u)
{
    if (!u->read_done || !u->write_done || conduit_ended(u->conduit) == NULL)
        return false;
    upgrade_end(u, &error_none);
    return true;
}

/* -- visitor -> service -------------------------------------------------------------------------------------------- */

static void up_send_early(struct upgrade *u)
{
    size_t room = conduit_room(u->conduit), len = u->early_up.len < room ? u->early_up.len : room;

    if (len == 0)
        return;
    conduit_write(u->conduit, slice_part(&u->early_up, 0, len), false);
    slice_skip(&u->early_up, len);
    if (u->early_up.len == 0)
        slice_done(&u->early_up);
}

/* One read; false when there is nothing more to do for now. The object may be gone when *ended. */
static bool up_read(struct upgrade *u, bool *ended)
{
    char *bytes = u->front->bytes;
    size_t room = conduit_room(u->conduit), max = pace_portion(u->gate.pace, METER_UP, sizeof(u->front->bytes));

    if (room == 0)
        return false;
    ssize_t len = recv(u->fd, bytes, room < max ? room : max, 0);
    if (len < 0) {
        *ended = errno != EAGAIN && errno != EINTR;
        if (*ended)
            upgrade_end(u, &error_visitor_gone);
        return false;
    }
    if (len == 0) {
        u->read_done = true;
        conduit_write(u->conduit, SLICE_NONE, true);
        return false;
    }
    struct slice s = slice_copy(bytes, (size_t)len);
    *ended = s.data == NULL;
    if (*ended) {
        upgrade_cut(u, &error_no_memory);
        return false;
    }
    u->up_bytes += (size_t)len;
    conduit_write(u->conduit, s, false);
    return !pace_moved(u->gate.pace, METER_UP, (size_t)len) && (size_t)len == max;
}

static void upgrade_up(struct upgrade *u)
{
    bool ended = false;

    if (conduit_ended(u->conduit) != NULL || u->read_done)
        return;
    up_send_early(u);
    for (int i = 0; i < UPGRADE_ROUNDS && u->early_up.len == 0 && !pace_waits(u->gate.pace, METER_UP) && up_read(u, &ended);
         i++)
        continue;
    if (ended || (u->read_done && upgrade_finished(u)))
        return;
    if (u->read_done || conduit_room(u->conduit) == 0 || pace_waits(u->gate.pace, METER_UP))
        event_del(&u->readable); /* reading goes on when the stream has room, and at its pace */
    else
        event_add(&u->readable, NULL);
}

/* -- service -> visitor -------------------------------------------------------------------------------------------- */

/* No more than `max` bytes of what `iov` has. */
static int iovec_cut(struct iovec *iov, int count, size_t max)
{
    for (int i = 0; i < count; i++) {
        if (iov[i].iov_len >= max) {
            iov[i].iov_len = max;
            return i + 1;
        }
        max -= iov[i].iov_len;
    }
    return count;
}

static int down_iovec(struct upgrade *u, struct iovec iov[static UPGRADE_IOV])
{
    int count = 1;

    if (u->early_down.len == 0)
        count = slice_queue_iovec(conduit_input(u->conduit), iov, UPGRADE_IOV);
    else
        iov[0] = (struct iovec){(void *)(uintptr_t)u->early_down.data, u->early_down.len};
    return iovec_cut(iov, count, pace_portion(u->gate.pace, METER_DOWN, SIZE_MAX));
}

static void down_wrote(struct upgrade *u, size_t len)
{
    u->down_bytes += len;
    access_stream_answered(u->access);
    if (u->early_down.len > 0) {
        slice_skip(&u->early_down, len);
        if (u->early_down.len == 0)
            slice_done(&u->early_down);
        return;
    }
    slice_queue_skip(conduit_input(u->conduit), len);
    conduit_consumed(u->conduit, len);
}

enum down { DOWN_EMPTY, DOWN_BLOCKED, DOWN_PACED, DOWN_FAILED };

static enum down down_write(struct upgrade *u)
{
    struct iovec iov[UPGRADE_IOV];

    for (int i = 0; i < UPGRADE_ROUNDS; i++) {
        if (pace_waits(u->gate.pace, METER_DOWN))
            return DOWN_PACED;
        struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)down_iovec(u, iov)};
        if (m.msg_iovlen == 0)
            return DOWN_EMPTY;
        ssize_t len = sendmsg(u->fd, &m, MSG_NOSIGNAL);
        if (len < 0 && errno != EINTR)
            return errno == EAGAIN ? DOWN_BLOCKED : DOWN_FAILED;
        if (len > 0) {
            down_wrote(u, (size_t)len);
            pace_moved(u->gate.pace, METER_DOWN, (size_t)len);
        }
    }
    return DOWN_BLOCKED;
}

static void upgrade_down(struct upgrade *u)
{
    const struct error *ended = conduit_ended(u->conduit);
    enum down result = down_write(u);

    if (result == DOWN_FAILED) {
        upgrade_end(u, &error_visitor_gone);
        return;
    }
    if (result == DOWN_PACED)
        return;
    if (result == DOWN_BLOCKED) {
        event_add(&u->writable, NULL);
        if (ended != NULL && list_empty(&u->deadline.node))
            deadline_set(&u->front->deadlines, DEADLINE_UPGRADE, &u->deadline);
        return;
    }
    if (!u->write_done && conduit_read_finished(u->conduit)) {
        u->write_done = true;
        shutdown(u->fd, SHUT_WR);
    }
    if (ended != NULL && ended != &error_none)
        upgrade_cut(u, ended);
    else
        upgrade_finished(u);
}

/* -- events -------------------------------------------------------------------------------------------------------- */

static void socket_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct upgrade *u = ctx;

    (void)fd, (void)what;
    CHECK_OBJECT(u, UPGRADE_MAGIC);
    upgrade_up(u);
}

static void socket_writable(evutil_socket_t fd, short what, void *ctx)
{
    struct upgrade *u = ctx;

    (void)fd, (void)what;
    CHECK_OBJECT(u, UPGRADE_MAGIC);
    upgrade_down(u);
}

static void stream_writable(void *ctx)
{
    struct upgrade *u = ctx;

    CHECK_OBJECT(u, UPGRADE_MAGIC);
    upgrade_up(u);
}

static void stream_readable(void *ctx)
{
    struct upgrade *u = ctx;

    CHECK_OBJECT(u, UPGRADE_MAGIC);
    upgrade_down(u);
}

static void stream_accepted(void *ctx)
{
    struct upgrade *u = ctx;

    CHECK_OBJECT(u, UPGRADE_MAGIC);
    access_stream_accepted(u->access);
    free(u->pass);
    u->pass = NULL;
}

static void stream_ended(void *ctx, const struct error *reason)
{
    struct upgrade *u = ctx;

    CHECK_OBJECT(u, UPGRADE_MAGIC);
    if (u->pass != NULL)
        hub_refused(u->front->shard, &u->pass->at, u->pass->service, reason);
    stream_readable(u);
}

static const struct conduit_events stream_events = {
    .accepted = stream_accepted,
    .readable = stream_readable,
    .writable = stream_writable,
    .ended = stream_ended,
};

/* Its turn has come within the bandwidth. */
static void up_go(void *ctx) { stream_writable(ctx); }
static void down_go(void *ctx) { stream_readable(ctx); }

static void visitor_gone(struct hangup *w, enum hangup_news news)
{
    struct upgrade *u = CONTAINER_OF(w, struct upgrade, hangup);

    CHECK_OBJECT(u, UPGRADE_MAGIC);
    if (news == HANGUP_GONE)
        upgrade_end(u, &error_visitor_gone);
}

static void visitor_cut_off(struct bridge_end *end)
{
    struct upgrade *u = CONTAINER_OF(end, struct upgrade, end);

    CHECK_OBJECT(u, UPGRADE_MAGIC);
    bridge_end_detach(end);
    upgrade_end(u, &error_visitor_gone);
}

/* -- the start ----------------------------------------------------------------------------------------------------- */

static void socket_prepare(int fd)
{
    static const int on = 1;
    static const unsigned unacknowledged_ms = 120 * 1000;

    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof(unacknowledged_ms));
}

static struct upgrade *upgrade_create(struct front *f, int fd)
{
    struct event_base *base = worker_events(f->worker);
    struct upgrade *u;

    ALLOC_OBJECT(u, UPGRADE_MAGIC);
    if (u == NULL)
        return NULL;
    u->fd = fd;
    u->front = f;
    u->hangup = (struct hangup){.fd = -1, .news = visitor_gone};
    u->end.gone = visitor_cut_off;
    deadline_init(&u->deadline);
    event_assign(&u->readable, base, fd, EV_READ | EV_PERSIST, socket_readable, u);
    event_assign(&u->writable, base, fd, EV_WRITE, socket_writable, u);
    list_append(&f->upgrades, &u->node);
    f->upgrade_count++;
    counter_add(counters_self(), COUNTER_upgrades, 1);
    return u;
}

static void upgrade_begin(struct upgrade *u, struct conduit *c)
{
    socket_prepare(u->fd);
    hangup_start(&u->front->hangups, &u->hangup, u->fd);
    u->conduit = c;
    conduit_set_events(c, &stream_events, u);
    pace_on_go(u->gate.pace, METER_UP, up_go, u);
    pace_on_go(u->gate.pace, METER_DOWN, down_go, u);
    event_add(&u->readable, NULL);
    event_active(&u->readable, EV_READ, 1);
    event_active(&u->writable, EV_WRITE, 1);
}

void upgrade_start(void *ctx, struct MHD_Connection *c, void *exchange, const char *early, size_t early_len,
                   MHD_socket socket, struct MHD_UpgradeResponseHandle *handle)
{
    struct exchange *ex = ctx;
    struct visitor *v = ex->visitor;
    const struct answer *a = &ex->from_service;
    struct upgrade *u = NULL;

    (void)c, (void)exchange;
    CHECK_OBJECT(ex, EXCHANGE_MAGIC);
    int fd = ex->upstream != NULL ? fcntl(socket, F_DUPFD_CLOEXEC, 0) : -1;
    if (fd >= 0 && (u = upgrade_create(ex->front, fd)) == NULL)
        close(fd);
    if (u != NULL) {
        exchange_subject(ex, u->subject);
        enum stream_kind kind = ex->request.websocket ? STREAM_KIND_WS : STREAM_KIND_HTTP;
        u->access = access_stream_begin(u->front, kind, ex->route.client, ex->route.service, &v->address,
                                        worker_now_us(u->front->worker));
        if (u->access != NULL) {
            u->access->number = ex->number;
            u->access->secure = ex->request.secure;
        }
        hangup_stop(&u->front->hangups, &v->hangup);
        v->fd = -1; /* no more libmicrohttpd's to shut down */
        bridge_end_move(&v->end, &u->end);
        u->place = v->place;
        v->place = 0;
        gate_move(&u->gate, &ex->gate);
        u->early_up = slice_copy(early, early_len);
        u->early_down = slice_copy(a->input + a->head_len, a->input_len - a->head_len);
        upgrade_begin(u, upstream_release(&ex->upstream));
    }
    MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
    front_due(ex->front);
}

bool upgrade_open(struct front *f, int fd, uint32_t place, const struct hub_choice *at, const struct open_head *head,
                  struct access_stream *access, struct gate *gate, const char *client, const struct error **why)
{
    struct upgrade *u = upgrade_create(f, fd);

    *why = &error_no_memory;
    if (u == NULL) {
        access_stream_end(&access, 0, 0, *why);
        gate_leave(gate);
        front_leave(f, &place);
        close(fd);
        return false;
    }
    u->place = place;
    u->access = access;
    gate_move(&u->gate, gate);
    u->passes = true;
    u->pass = malloc(sizeof(*u->pass));
    if (u->pass != NULL) {
        u->pass->at = *at;
        snprintf(u->pass->service, sizeof(u->pass->service), "%s", head->service);
    }
    struct conduit *c = hub_open(f->shard, at, head, &stream_events, u, why);
    if (c == NULL) {
        upgrade_end(u, *why);
        return false;
    }
    snprintf(u->subject, sizeof(u->subject), "%s/%s#%u", client, head->service, conduit_number(c));
    if (u->access != NULL)
        u->access->number = conduit_number(c);
    log_info(u->subject, "%s passes through from %s", stream_kind_name(head->kind), head->visitor);
    upgrade_begin(u, c);
    return true;
}

void upgrades_stop(struct front *f)
{
    while (!list_empty(&f->upgrades))
        upgrade_cut(CONTAINER_OF(f->upgrades.next, struct upgrade, node), &error_shutting_down);
}
