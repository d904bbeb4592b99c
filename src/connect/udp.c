/* SPDX-License-Identifier: Apache-2.0 */
/* Local ports for datagrams. */
#include "connect/udp.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/object.h"
#include "relay/datagram.h"

/* A sender that was silent for so long is looked for in vain by most answers (RFC 4787, 4.3, wants two minutes at least). */
#define IDLE_US (150 * US_PER_S)
#define SWEEP_US (5 * US_PER_S)
/* In one turn, then others are looked at. */
#define ROUNDS 64
/* A service's name has to stand in every OPEN. */
#define NO_SERVICE "target"

struct udp_door {
    OBJECT_MAGIC;
    const struct door *door;
    struct hub_shard *hub;
    struct worker *worker;
    struct event readable, sweep;
    struct list senders; /* who spoke last stands last */
    unsigned count;
    bool told; /* why datagrams are lost; not again until one gets through */
};
#define UDP_DOOR_MAGIC 0x7564646f

struct sender {
    OBJECT_MAGIC;
    struct list node;
    struct udp_door *door;
    struct conduit *conduit;
    struct sockaddr_storage at;
    socklen_t at_len;
    uint64_t moved_us;
};
#define SENDER_MAGIC 0x73656e64

static struct sender *sender_at(struct list *node) { return CONTAINER_OF(node, struct sender, node); }

static void sender_free(struct sender *s, const struct error *reason)
{
    conduit_close(&s->conduit, reason);
    list_remove(&s->node);
    s->door->count--;
    FREE_OBJECT(s);
}

/* Every datagram would say so. */
static void lost_say(struct udp_door *u, const struct error *why)
{
    char text[400];
    if (u->told)
        return;
    u->told = true;
    wish_text(u->door->wish, text, sizeof(text));
    log_warning(text, "datagrams are lost: %s", why->text);
}

/* -- from the device ----------------------------------------------------------------------------------------------- */

static struct sender *sender_of(void *ctx)
{
    struct sender *s = ctx;
    CHECK_OBJECT(s, SENDER_MAGIC);
    return s;
}

static void on_accepted(void *ctx) { sender_of(ctx)->door->told = false; }

static void on_answer(void *ctx)
{
    struct sender *s = sender_of(ctx);
    uint8_t data[DATAGRAM_MAX];
    size_t len;
    while (datagram_read(s->conduit, data, &len)) {
        ssize_t sent = sendto(s->door->door->port.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&s->at, s->at_len);
        (void)sent; /* lost, as on any way */
    }
    s->moved_us = worker_now_us(s->door->worker);
    if (conduit_read_finished(s->conduit))
        sender_free(s, &error_none);
}

static void on_ended(void *ctx, const struct error *reason)
{
    struct sender *s = sender_of(ctx);
    if (reason != &error_none && reason != &error_session_idle)
        lost_say(s->door, reason);
    sender_free(s, reason);
}

static const struct conduit_events sender_conduit_events = {
    .accepted = on_accepted, .readable = on_answer, .ended = on_ended};

/* -- to the device ------------------------------------------------------------------------------------------------- */

static struct sender *sender_find(struct udp_door *u, const struct sockaddr_storage *at, socklen_t len)
{
    LIST_FOREACH(node, &u->senders) {
        struct sender *s = sender_at(node);
        if (s->at_len == len && memcmp(&s->at, at, len) == 0)
            return s;
    }
    return NULL;
}

static struct conduit *stream_open(struct udp_door *u, struct sender *s, const struct error **why)
{
    const struct wish *wish = u->door->wish;
    struct open_head head = {.kind = STREAM_KIND_UDP, .service = NO_SERVICE};
    struct hub_choice choice;
    char from[LOCAL_ADDRESS_TEXT];
    uint16_t port;
    if (!hub_choose(u->hub, wish->device, NULL, &choice, why))
        return NULL;
    local_address_text(&s->at, from, &port);
    snprintf(head.target, sizeof(head.target), "%s", wish->target);
    snprintf(head.visitor, sizeof(head.visitor), "%.63s", from);
    return hub_open(u->hub, &choice, &head, &sender_conduit_events, s, why);
}

/* NULL: said why. */
static struct sender *sender_create(struct udp_door *u, const struct sockaddr_storage *at, socklen_t len)
{
    struct sender *s;
    const struct error *why = &error_no_memory;
    if (u->count >= UDP_SENDERS_MAX)
        sender_free(sender_at(u->senders.next), &error_none);
    ALLOC_OBJECT(s, SENDER_MAGIC);
    if (s != NULL) {
        s->door = u;
        s->at = *at;
        s->at_len = len;
        s->conduit = stream_open(u, s, &why);
    }
    if (s == NULL || s->conduit == NULL) {
        lost_say(u, why);
        free(s);
        return NULL;
    }
    list_append(&u->senders, &s->node);
    u->count++;
    return s;
}

static void on_datagram(evutil_socket_t fd, short what, void *arg)
{
    struct udp_door *u = arg;
    uint8_t buffer[DATAGRAM_HEAD + DATAGRAM_MAX];
    CHECK_OBJECT(u, UDP_DOOR_MAGIC);
    (void)what;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct sockaddr_storage at;
        socklen_t len = sizeof(at);
        memset(&at, 0, sizeof(at));
        ssize_t n = recvfrom(fd, buffer + DATAGRAM_HEAD, DATAGRAM_MAX, MSG_DONTWAIT, (struct sockaddr *)&at, &len);
        if (n < 0)
            return;
        struct sender *s = sender_find(u, &at, len);
        if (s == NULL && (s = sender_create(u, &at, len)) == NULL)
            continue;
        s->moved_us = worker_now_us(u->worker);
        list_remove(&s->node);
        list_append(&u->senders, &s->node);
        datagram_write(s->conduit, buffer, (size_t)n);
    }
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
    struct udp_door *u = arg;
    CHECK_OBJECT(u, UDP_DOOR_MAGIC);
    (void)fd;
    (void)what;
    uint64_t now_us = worker_now_us(u->worker);
    LIST_FOREACH_SAFE (node, next, &u->senders)
        if (now_us - sender_at(node)->moved_us >= IDLE_US)
            sender_free(sender_at(node), &error_none);
}

struct udp_door *udp_door_create(const struct door *d, struct hub_shard *hub, struct worker *worker)
{
    const struct timeval every = {SWEEP_US / US_PER_S, 0};
    struct udp_door *u;
    ALLOC_OBJECT(u, UDP_DOOR_MAGIC);
    if (u == NULL)
        return NULL;
    u->door = d;
    u->hub = hub;
    u->worker = worker;
    list_init(&u->senders);
    event_assign(&u->readable, worker_events(worker), d->port.fd, EV_READ | EV_PERSIST, on_datagram, u);
    event_assign(&u->sweep, worker_events(worker), -1, EV_PERSIST, on_sweep, u);
    event_add(&u->readable, NULL);
    event_add(&u->sweep, &every);
    return u;
}

void udp_door_free(struct udp_door **up)
{
    struct udp_door *u;
    if (*up == NULL)
        return;
    TAKE_OBJECT(u, up, UDP_DOOR_MAGIC);
    event_del(&u->readable);
    event_del(&u->sweep);
    LIST_FOREACH_SAFE (node, next, &u->senders)
        sender_free(sender_at(node), &error_shutting_down);
    FREE_OBJECT(u);
}
