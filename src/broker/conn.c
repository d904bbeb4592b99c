/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's life: accepted, open, lingering, ended. */
#include "broker/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/tcp.h"

/* How long the last output may take after a connection was taken out of service. */
#define LINGER_US (2 * US_PER_S)
/* Control packets fit even when messages fill the output. */
#define OUTPUT_RESERVE (64 * KIB)

/* -- who it is ----------------------------------------------------------------------------------------------------- */

const char *conn_client_id(const struct conn *c) { return c->claim == NULL ? "" : c->claim->id; }

struct broker_client conn_client(const struct conn *c)
{
    return (struct broker_client){
        .client_id = conn_client_id(c), .username = c->username, .address = c->address, .version = c->version,
        .listener = c->way.kind->name, .certificate = c->certificate};
}

/* -- the timer: what it means depends on the state ----------------------------------------------------------------- */

void conn_timer_set(struct conn *c, uint64_t us)
{
    struct timeval tv = {.tv_sec = (time_t)(us / US_PER_S), .tv_usec = (suseconds_t)(us % US_PER_S)};
    event_add(&c->timer, &tv);
}

static void keep_alive_check(struct conn *c)
{
    uint64_t now = clock_now_us(), deadline = c->last_packet_us + c->keep_alive_us;
    if (now < deadline)
        conn_timer_set(c, deadline - now);
    else
        conn_fail(c, MQTT_KEEP_ALIVE_TIMEOUT, "nothing came within one and a half times the keep alive");
}

static void conn_late(struct conn *c)
{
    counter_add(counters_self(), COUNTER_broker_timeouts, 1);
    conn_end(c, c->way.sock.handshaking ? "no TLS handshake in time" : "no CONNECT in time");
}

static void timer_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct conn *c = arg;
    CHECK_OBJECT(c, CONN_MAGIC);
    if (c->asking && c->state < CONN_LINGERING)
        conn_guard_late(c);
    else if (c->state == CONN_OPEN)
        keep_alive_check(c);
    else if (c->state == CONN_LINGERING)
        conn_end(c, "the last output did not leave in time");
    else
        conn_late(c);
}

/* -- creation ------------------------------------------------------------------------------------------------------ */

static void socket_prepare(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    tcp_suit_way(fd);
}

static void conn_init(struct conn *c, struct broker_shard *s)
{
    c->shard = s;
    c->version = MQTT_V3_1_1;
    list_init(&c->pending);
    list_init(&c->subscriptions);
    list_init(&c->at_route);
    list_append(&s->conns, &c->at_shard);
    slice_queue_init(&c->out, MQTT_OUTPUT_MAX + OUTPUT_RESERVE);
    turn_init(&c->flush, conn_flush);
    event_assign(&c->timer, worker_events(s->worker), -1, 0, timer_due, c);
}

/* A connection that has a place among the strangers and a handle; NULL when there are too many, or no memory. */
static struct conn *conn_create(struct broker_shard *s, const struct sockaddr *peer)
{
    struct conn *c;
    uint32_t stranger = crowd_enter(s->broker->strangers, peer->sa_family == AF_UNIX ? NULL : peer);
    if (stranger == 0) {
        counter_add(counters_self(), COUNTER_broker_refused, 1);
        return NULL;
    }
    ALLOC_OBJECT(c, CONN_MAGIC);
    uint64_t handle = c == NULL ? 0 : shard_enter(s, c);
    if (handle == 0) {
        free(c);
        crowd_leave(s->broker->strangers, &stranger);
        return NULL;
    }
    c->handle = handle;
    c->stranger = stranger;
    tcp_address_text(peer, c->address, sizeof(c->address));
    conn_init(c, s);
    return c;
}

static void conn_begin(struct conn *c, bool way_made)
{
    if (!way_made) {
        conn_end(c, "out of memory");
        return;
    }
    transport_reading(&c->way, true);
    conn_timer_set(c, c->shard->broker->connect_timeout_us);
}

void conn_accept(struct broker_shard *s, const struct transport_kind *kind, int fd, const struct sockaddr *peer)
{
    struct conn *c = conn_create(s, peer);
    if (c == NULL) {
        close(fd);
        return;
    }
    socket_prepare(fd);
    conn_begin(c, transport_init(&c->way, kind, s->worker, fd, &conn_transport_events, c));
}

void conn_adopt(struct broker_shard *s, int fd, const struct sockaddr *peer, const void *early, size_t len)
{
    static const struct transport_kind kind = {.name = "public", .path = "/"};
    struct conn *c = conn_create(s, peer);
    if (c == NULL) {
        close(fd);
        return;
    }
    socket_prepare(fd);
    conn_begin(c, transport_init_open(&c->way, &kind, s->worker, fd, early, len, &conn_transport_events, c));
}

/* -- the end ------------------------------------------------------------------------------------------------------- */

/* The client id is given back when the will is known everywhere, so that a successor's messages come after it. */
static void will_publish(struct conn *c, struct claim *claim)
{
    struct receipt receipt = {.claim = claim};
    if (c->will != NULL && c->will_expiry_s != UINT32_MAX)
        c->will->expires_us = clock_now_us() + c->will_expiry_s * US_PER_S;
    if (c->will == NULL || route_publish(c->shard, c->will, NULL, &receipt) != MQTT_SUCCESS)
        registry_release(claim);
    message_unref(c->will);
    c->will = NULL;
}

void conn_is_no_stranger(struct conn *c)
{
    crowd_leave(c->shard->broker->strangers, &c->stranger);
}

/* Out of service: no message reaches it any more, its will is published, its client id given back. */
static void conn_retire(struct conn *c, const char *why)
{
    struct broker *b = c->shard->broker;
    bool was_open = c->state == CONN_OPEN;
    struct broker_client who = conn_client(c);
    c->state = CONN_LINGERING;
    conn_unsubscribe_all(c);
    conn_forget_pending(c);
    if (was_open)
        counter_sub(counters_self(), COUNTER_broker_connections, 1);
    if (was_open && c->way.kind->trusted)
        atomic_fetch_sub(&b->elders, 1);
    if (was_open && b->events.disconnected != NULL)
        b->events.disconnected(b->ctx, &who, why);
    conn_guard_leave(c, why); /* whose words `why` may be */
    if (!was_open)
        return;
    struct claim *claim = c->claim;
    c->claim = NULL;
    will_publish(c, claim);
}

static void part_drop(struct conn *c)
{
    chunk_unref(c->part);
    c->part = NULL;
    c->part_len = c->head_len = 0;
}

void conn_linger(struct conn *c, const char *why)
{
    if (c->state >= CONN_LINGERING)
        return;
    conn_retire(c, why);
    part_drop(c);
    transport_goodbye(&c->way);
    transport_reading(&c->way, true);
    conn_timer_set(c, LINGER_US);
    worker_at_turn(c->shard->worker, TURN_WRITE, &c->flush);
}

void conn_end(struct conn *c, const char *why)
{
    if (c->state == CONN_ENDED)
        return;
    if (c->state != CONN_LINGERING)
        conn_retire(c, why);
    c->state = CONN_ENDED;
    event_del(&c->timer);
    turn_cancel(&c->flush);
    transport_close(&c->way);
    conn_is_no_stranger(c);
    shard_leave(c->shard, c->handle);
    list_remove(&c->at_shard);
    list_append(&c->shard->ended, &c->at_shard);
    worker_at_turn(c->shard->worker, TURN_WRITE, &c->shard->sweep);
}

static void conn_disconnect(struct conn *c, enum mqtt_reason reason, const char *words)
{
    if (c->state == CONN_OPEN && c->version == MQTT_V5) {
        uint8_t space[160];
        struct bytes_writer w;
        bytes_writer_init(&w, space, sizeof(space));
        mqtt_property_write_text(&w, MQTT_PROPERTY_REASON_STRING, mqtt_span_of(words));
        struct mqtt_packet p = {.type = MQTT_DISCONNECT, .disconnect = {.reason = (uint8_t)reason}};
        if (!w.failed)
            p.disconnect.properties = (struct mqtt_span){space, bytes_written(&w)};
        if (mqtt_encoded_size(MQTT_V5, &p) > c->packet_max)
            p.disconnect.properties = MQTT_SPAN_NONE;
        conn_send(c, &p);
    }
    conn_linger(c, words);
}

void conn_dismiss(struct conn *c)
{
    if (c->state < CONN_LINGERING)
        conn_disconnect(c, MQTT_SERVER_SHUTTING_DOWN, "another process takes over");
}

void conn_fail(struct conn *c, enum mqtt_reason reason, const char *words)
{
    if (c->state >= CONN_LINGERING)
        return;
    if (reason >= MQTT_MALFORMED_PACKET && reason != MQTT_KEEP_ALIVE_TIMEOUT && reason != MQTT_SESSION_TAKEN_OVER &&
        reason != MQTT_QUOTA_EXCEEDED)
        counter_add(counters_self(), COUNTER_broker_protocol_errors, 1);
    conn_disconnect(c, reason, words);
}

void conn_doom(struct conn *c, const char *words)
{
    if (c->state >= CONN_LINGERING || c->doom != NULL)
        return;
    c->doom = words;
    worker_at_turn(c->shard->worker, TURN_WRITE, &c->flush);
}

static void subscriptions_free(struct conn *c)
{
    for (struct list *node; (node = list_shift(&c->subscriptions)) != NULL;)
        free(CONTAINER_OF(node, struct subscription, of_owner));
}

static void aliases_free(struct conn *c)
{
    for (unsigned i = 0; c->aliases != NULL && i < MQTT_TOPIC_ALIASES_MAX; i++)
        free(c->aliases->name[i]);
    free(c->aliases);
}

void conn_free(struct conn *c)
{
    CHECK_OBJECT(c, CONN_MAGIC);
    event_del(&c->timer);
    conn_guard_leave(c, "the server ends");
    transport_close(&c->way);
    turn_cancel(&c->flush);
    conn_forget_pending(c);
    subscriptions_free(c);
    aliases_free(c);
    free(c->received);
    free(c->claim);
    free(c->username);
    free(c->certificate);
    message_unref(c->will);
    chunk_unref(c->part);
    slice_queue_done(&c->out);
    FREE_OBJECT(c);
}
