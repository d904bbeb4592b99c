/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams of one sender at a workstation, to a port that this device reaches, and the answers. */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/object.h"
#include "client/guest.h"
#include "config/target.h"
#include "relay/datagram.h"
#include "dial/dial.h"

/* The workstation ends what is idle, and earlier; this is for one that does not. */
#define IDLE_US (300 * US_PER_S)
/* In one turn, then others are looked at. */
#define ROUNDS 64

struct udp {
    OBJECT_MAGIC;
    struct client_shard *shard;
    struct conduit *conduit;
    struct tunnel *tunnel;
    struct lookup *lookup; /* while the name is asked for */
    int fd;                /* -1: not yet */
    unsigned number;
    struct event readable, idle;
};
#define UDP_MAGIC 0x75647073

static void udp_free(struct udp *u, const char *why)
{
    char text[96];
    snprintf(text, sizeof(text), "%llu bytes there, %llu back: %s", atomic_load(&u->tunnel->meter.to),
             atomic_load(&u->tunnel->meter.from), why);
    guest_say(u->shard, u->tunnel, u->number, "ended", text);
    lookup_cancel(&u->lookup);
    if (u->fd >= 0) {
        event_del(&u->readable);
        close(u->fd);
    }
    event_del(&u->idle);
    tunnel_end(&u->tunnel, why);
    FREE_OBJECT(u);
}

static void udp_cut(void *ctx, const struct error *reason)
{
    struct udp *u = ctx;
    CHECK_OBJECT(u, UDP_MAGIC);
    conduit_close(&u->conduit, reason);
    udp_free(u, reason->text);
}

static void on_idle(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    udp_cut(arg, &error_session_idle);
}

static void udp_moved(struct udp *u)
{
    const struct timeval idle = {IDLE_US / US_PER_S, 0};
    event_add(&u->idle, &idle);
}

/* -- both ways ----------------------------------------------------------------------------------------------------- */

/* Errors are news of ICMP about earlier ones: lost, as on any way. */
static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct udp *u = arg;
    uint8_t buffer[DATAGRAM_HEAD + DATAGRAM_MAX];
    CHECK_OBJECT(u, UDP_MAGIC);
    (void)what;
    for (unsigned i = 0; i < ROUNDS; i++) {
        ssize_t n = recv(fd, buffer + DATAGRAM_HEAD, DATAGRAM_MAX, MSG_DONTWAIT);
        if (n < 0)
            break;
        if (datagram_write(u->conduit, buffer, (size_t)n))
            atomic_fetch_add_explicit(&u->tunnel->meter.from, (unsigned long long)n, memory_order_relaxed);
    }
    udp_moved(u);
}

static void on_readable(void *ctx)
{
    struct udp *u = ctx;
    uint8_t data[DATAGRAM_MAX];
    size_t len;
    CHECK_OBJECT(u, UDP_MAGIC);
    if (u->fd < 0)
        return;
    while (datagram_read(u->conduit, data, &len))
        if (send(u->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len)
            atomic_fetch_add_explicit(&u->tunnel->meter.to, (unsigned long long)len, memory_order_relaxed);
    if (conduit_read_finished(u->conduit))
        udp_cut(u, &error_none);
    else
        udp_moved(u);
}

static void on_ended(void *ctx, const struct error *reason) { udp_cut(ctx, reason); }

static const struct conduit_events udp_conduit_events = {.readable = on_readable, .ended = on_ended};

/* -- the beginning ------------------------------------------------------------------------------------------------- */

static void udp_fail(struct udp *u, const struct error *error, const char *why)
{
    char text[160];
    snprintf(text, sizeof(text), "%s: %s", error->text, why);
    conduit_refuse(&u->conduit, error);
    udp_free(u, text);
}

static void on_found(void *ctx, const struct address *list, size_t count, const char *why)
{
    struct udp *u = ctx;
    int error = 0;
    CHECK_OBJECT(u, UDP_MAGIC);
    u->lookup = NULL;
    for (size_t i = 0; i < count && u->fd < 0; i++) {
        const struct sockaddr *at = (const struct sockaddr *)&list[i].at;
        int fd = socket(at->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, at, list[i].len) == 0) {
            u->fd = fd;
            break;
        }
        error = errno;
        if (fd >= 0)
            close(fd);
    }
    if (u->fd < 0) {
        udp_fail(u, &error_service_refused, count == 0 ? why : strerror(error));
        return;
    }
    event_assign(&u->readable, worker_events(u->shard->worker), u->fd, EV_READ | EV_PERSIST, on_socket, u);
    event_add(&u->readable, NULL);
    conduit_accept(u->conduit);
    on_readable(u);
}

static void resolve(struct udp *u, const struct target *target)
{
    struct address list[LOOKUP_ADDRESSES_MAX];
    size_t count = lookup_numeric(target->host, target->port, list);
    if (count > 0) {
        on_found(u, list, count, "");
        return;
    }
    u->lookup = lookup_ask(u->shard->lookups, u->shard->worker, target->host, target->port, on_found, u);
    if (u->lookup == NULL)
        udp_fail(u, &error_limit, "too many names are asked for");
}

void guest_udp(struct client_shard *shard, struct conduit *c, const struct open_head *head)
{
    struct target target;
    struct gate_who who = {.name = ""};
    struct config_error why = {.text = ""};
    struct udp *u = NULL;
    const struct error *error = &error_port_not_allowed;
    if (target_parse(head->target, &target, &why) == 0 && target.kind == TARGET_TCP)
        error = gate_port(shard->gate, conduit_peer(c), &target, PORT_UDP, &who, &why);
    struct tunnel_start start = {.peer = conduit_peer(c), .who = &who, .kind = "udp", .what = head->target, .from = head->visitor,
                                 .cut = udp_cut};
    if (error == NULL)
        ALLOC_OBJECT(u, UDP_MAGIC);
    start.ctx = u;
    struct tunnel *t = u == NULL ? NULL : tunnel_create(shard->ledger, &shard->tunnels, &start);
    if (t == NULL) {
        free(u);
        guest_refuse(shard, &c, &start, error != NULL ? error : &error_no_memory, why.text);
        return;
    }
    u->shard = shard;
    u->conduit = c;
    u->tunnel = t;
    u->fd = -1;
    u->number = conduit_number(c);
    evtimer_assign(&u->idle, worker_events(shard->worker), on_idle, u);
    udp_moved(u);
    conduit_set_events(c, &udp_conduit_events, u);
    guest_say(shard, t, u->number, "opened", head->visitor);
    resolve(u, &target);
}
