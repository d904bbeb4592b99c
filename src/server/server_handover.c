/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a server that is replaced (SIGUSR2):
 *
 *     1. its workers say which sockets they listen at, and the new process is started and gets them;
 *     2. when that is ready this one takes nobody in any more, and finishes what its visitors have begun;
 *     3. its sessions change from the line into our own broker to a connection to the new one's;
 *     4. its broker sends its clients away: they come to the new one, and resume the sessions with both.
 *
 * Until 2 nothing has changed: if the new process does not get ready, this one goes on.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "link/link.h"
#include "mdm-tunnel/limits.h"
#include "server/server_inner.h"
#include "server/tcp_port.h"

#define GATHER_US (10 * US_PER_S)   /* for the workers' answers */
#define START_US (60 * US_PER_S)    /* for the new process to get ready */
#define CHANGE_US (5 * US_PER_S)    /* for the links to the new broker */

/* -- 1. sockets ---------------------------------------------------------------------------------------------------- */

static void gather_give(void *ctx, const char *name, int fd) { gifts_add(&((struct server_part *)ctx)->gifts, name, fd); }

static void gather_deliver(struct worker *self, struct mail *m)
{
    struct server_part *p = CONTAINER_OF(m, struct server_part, gather);
    struct server *s = p->server;

    (void)self;
    front_sockets(p->front, gather_give, p);
    if (s->clients.broker != NULL)
        broker_sockets(broker_shard(s->clients.broker, worker_index(p->worker)), gather_give, p);
    atomic_fetch_add(&s->gathered, 1);
    server_wake(s);
}

static bool all_gathered(const struct server *s) { return atomic_load(&s->gathered) == s->count; }

static void leave_deliver(struct worker *self, struct mail *m)
{
    (void)self;
    front_leave_ports(CONTAINER_OF(m, struct server_part, leave)->front);
}

static void mail_discard(struct mail *m) { (void)m; }

void server_handover_init(struct server *s)
{
    s->successor.fd = -1;
    for (unsigned i = 0; i < s->count; i++) {
        s->part[i].gather = (struct mail){.deliver = gather_deliver, .discard = mail_discard};
        s->part[i].leave = (struct mail){.deliver = leave_deliver, .discard = mail_discard};
    }
}

void server_handover_done(struct server *s)
{
    for (unsigned i = 0; i < s->count; i++)
        gifts_done(&s->part[i].gifts);
    if (s->elders >= 0)
        close(s->elders);
}

/* The socket at which brokers take in those who came before them: made once, then it goes from process to process. Its name is
 * not in the file system; who comes is asked of the kernel. */
static bool elders_open(struct server *s, char *why, size_t size)
{
    const struct sockaddr_un any = {.sun_family = AF_UNIX};

    if (s->elders >= 0 || s->clients.broker == NULL)
        return true;
    s->elders = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->elders >= 0 && bind(s->elders, (const struct sockaddr *)&any, sizeof(any.sun_family)) == 0 && listen(s->elders, WORKERS_MAX) == 0)
        return true;
    snprintf(why, size, "socket: %s", strerror(errno));
    return false;
}

bool server_elders_take(struct server *s, struct predecessor *p, struct config_error *err)
{
    if (p->elders < 0)
        return true;
    if (s->clients.broker == NULL) {
        config_error_set(err, "broker: the running process has one of its own; where clients meet changes with a restart");
        return false;
    }
    s->elders = p->elders;
    p->elders = -1;
    int failure = broker_listen_at(s->clients.broker, &broker_elders, s->elders);
    return failure == 0 || server_failed(err, "handover", failure);
}

/* -- the new process ----------------------------------------------------------------------------------------------- */

static void server_stays(const char *why) { log_fatal("mdm-tunnel-server", "no handover: %s; this process goes on", why); }

static bool successor_begin(struct server *s, char *const argv[], char *why, size_t size)
{
    const struct gifts *gifts[WORKERS_MAX + 1];
    struct gifts own = {.list = NULL};
    unsigned count = 0;
    bool ok = elders_open(s, why, size);

    for (unsigned i = 0; s->admin != NULL && i < s->settings->admin_count; i++) {
        char name[32] = SHELF_ADMIN;
        if (i > 0)
            snprintf(name, sizeof(name), SHELF_ADMIN "-%u", i);
        gifts_add(&own, name, admin_fd(s->admin, i));
    }
    if (s->elders >= 0)
        gifts_add(&own, HANDOVER_ELDERS, s->elders);
    gifts[count++] = &own;
    bool failed = own.failed;
    for (unsigned i = 0; i < s->count; i++) {
        gifts[count++] = &s->part[i].gifts;
        failed |= s->part[i].gifts.failed;
    }
    if (ok && failed) {
        snprintf(why, size, "no memory or descriptors for the sockets");
        ok = false;
    }
    ok = ok && successor_start(&s->successor, argv, gifts, count, why, size);
    gifts_done(&own);
    return ok;
}

static bool successor_spoke(const struct server *s)
{
    struct server *changes = (struct server *)(uintptr_t)s;

    changes->news = successor_heard(&changes->successor, changes->why, sizeof(changes->why));
    return changes->news != SUCCESSOR_SILENT;
}

/* True: a signal to end came. Else s->news says how it went. */
static bool successor_await(struct server *s, struct signals *signals)
{
    struct epoll_event readable = {.events = EPOLLIN};
    bool ends = epoll_ctl(s->wait_fd, EPOLL_CTL_ADD, s->successor.fd, &readable) == 0 &&
                server_wait(s, signals, successor_spoke, START_US);

    if (s->news == SUCCESSOR_READY) {
        epoll_ctl(s->wait_fd, EPOLL_CTL_DEL, s->successor.fd, NULL);
        return false;
    }
    if (s->news == SUCCESSOR_SILENT) {
        successor_end(&s->successor);
        snprintf(s->why, sizeof(s->why), "the new process was not ready in time");
    }
    return ends;
}

/* -- 3. the way to the clients ------------------------------------------------------------------------------------- */

static bool links_are_up(const struct server *s) { return atomic_load(&s->links_up) >= s->links_wanted; }

/* Envelopes come to worker 0 alone, or there would be as many of each as there are connections. */
static struct link *elder_link(struct server *s, unsigned index)
{
    struct link_config config;
    struct sockaddr_un address;
    socklen_t len = sizeof(address);
    char client_id[INSTANCE_TEXT_BYTES + 16];

    if (getsockname(s->elders, (struct sockaddr *)&address, &len) != 0)
        return NULL;
    hub_link_config(s->hub, index, &config);
    if (index > 0)
        config.filters = NULL;
    snprintf(client_id, sizeof(client_id), "%s-%u", s->instance, index);
    return link_local_create(&config, &address, len, client_id, 0);
}

static void links_change(struct server *s)
{
    s->links_wanted = atomic_load(&s->links_up) + s->count;
    for (unsigned i = 0; i < s->count; i++) {
        struct link *l = elder_link(s, i);
        if (l != NULL)
            hub_change_link(s->hub, i, l);
        else
            log_error("server", "no memory for the way to the new process: what its visitors do on worker %u ends", i);
    }
}

/* -- all of it ----------------------------------------------------------------------------------------------------- */

/* 2 to 4. True: a signal to end came meanwhile. */
static bool server_let_go(struct server *s, struct signals *signals)
{
    bool ends = false;

    log_info("server", "process %ld takes over; finishing what is in flight", (long)s->successor.pid);
    s->left = true;
    atomic_store(&s->draining, true);
    notify_successor(s->successor.pid);
    if (s->admin != NULL)
        admin_stop(s->admin);
    for (unsigned i = 0; i < s->count; i++)
        worker_post(s->workers[i], &s->part[i].leave);
    if (s->clients.broker != NULL) {
        broker_close(s->clients.broker);
        links_change(s);
        ends = server_wait(s, signals, links_are_up, CHANGE_US);
    }
    successor_yours(&s->successor);
    if (s->clients.broker != NULL)
        broker_dismiss(s->clients.broker);
    return ends;
}

bool server_hand_over(struct server *s, struct signals *signals, char *const argv[])
{
    bool ends = false;

    s->replace = false;
    if (getpid() == 1) {
        server_stays("the end of process 1 is the end of its container");
        return false;
    }
    log_info("server", "a new process is started to take over");
    server_remember(s);
    atomic_store(&s->gathered, 0);
    for (unsigned i = 0; i < s->count; i++)
        worker_post(s->workers[i], &s->part[i].gather);
    ends = server_wait(s, signals, all_gathered, GATHER_US);
    if (!all_gathered(s))
        return ends;
    s->news = SUCCESSOR_SILENT;
    bool begun = !ends && successor_begin(s, argv, s->why, sizeof(s->why));
    for (unsigned i = 0; i < s->count; i++)
        gifts_done(&s->part[i].gifts);
    if (begun)
        ends = successor_await(s, signals);
    if (begun && s->news == SUCCESSOR_READY)
        return server_let_go(s, signals);
    if (!ends)
        server_stays(s->why);
    return ends;
}
