/* SPDX-License-Identifier: Apache-2.0 */
/* A client and its connection to the broker: accepted, asked about, dialled, open, closing, ended. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/access.h"
#include "proxy/aliases.h"
#include "proxy/inner.h"

/* How long the last output may take. */
#define LINGER_US (2 * US_PER_S)

static const char *client_name(const struct pair *p)
{
    const struct mdm_session *facts = p->session == NULL ? NULL : hook_session_facts(p->session);
    return facts == NULL || facts->client_id[0] == '\0' ? p->address : facts->client_id;
}

/* -- the timer: what it means depends on the state -------------------------------------------------------------------- */

static void timer_set(struct pair *p, uint64_t us)
{
    struct timeval tv = {.tv_sec = (time_t)(us / US_PER_S), .tv_usec = (suseconds_t)(us % US_PER_S)};
    event_add(&p->timer, &tv);
}

/* When the open pair has to be looked at again; CLOCK_NEVER: there is no reason. */
static uint64_t deadline_of(const struct pair *p)
{
    uint64_t silence = p->keep_alive_us == 0 ? CLOCK_NEVER : p->last_us + p->keep_alive_us;
    uint64_t answer = p->up == NULL && p->down == NULL ? CLOCK_NEVER : p->asked_us + p->post->common->connect_us;
    return answer < silence ? answer : silence;
}

static void pair_end(struct pair *p);

/* What it waits for did not come. */
static void time_is_up(struct pair *p)
{
    counter_add(counters_self(), COUNTER_proxy_timeouts, 1);
    if (p->state == PAIR_OPENING) {
        pair_close(p, p->client.way.sock.handshaking ? "no TLS handshake in time" : "no CONNECT in time");
        pair_end(p);
    } else if (p->state == PAIR_ASKING) {
        pair_refuse(p, MQTT_SERVER_BUSY, "no answer from a hook in time");
    } else if (p->state != PAIR_OPEN) {
        pair_refuse(p, MQTT_SERVER_UNAVAILABLE, "no answer from the broker in time");
    } else if (p->up != NULL || p->down != NULL) {
        pair_fail(p, MQTT_SERVER_BUSY, "no answer from a hook in time");
    } else {
        pair_fail(p, MQTT_KEEP_ALIVE_TIMEOUT, "nothing came within one and a half times the keep alive");
    }
}

void pair_watch(struct pair *p)
{
    uint64_t now = worker_now_us(p->post->worker), deadline = deadline_of(p);
    if (deadline == CLOCK_NEVER)
        event_del(&p->timer);
    else if (now < deadline)
        timer_set(p, deadline - now);
    else
        time_is_up(p);
}

static void timer_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct pair *p = arg;
    CHECK_OBJECT(p, PAIR_MAGIC);
    if (p->state >= PAIR_CLOSING)
        pair_end(p);
    else if (p->state == PAIR_OPEN)
        pair_watch(p);
    else
        time_is_up(p);
}

/* -- who comes -------------------------------------------------------------------------------------------------------- */

static void socket_prepare(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static struct pair *pair_create(struct proxy_post *post, const struct proxy_door *door, const struct sockaddr *peer)
{
    struct pair *p;
    uint32_t place = crowd_enter(post->common->clients, peer);
    if (place == 0) {
        counter_add(counters_self(), COUNTER_proxy_refused, 1);
        return NULL;
    }
    ALLOC_OBJECT(p, PAIR_MAGIC);
    if (p == NULL) {
        crowd_leave(post->common->clients, &place);
        return NULL;
    }
    p->post = post;
    p->door = door;
    p->place = place;
    p->version = MQTT_V3_1_1;
    p->began_us = p->last_us = worker_now_us(post->worker);
    list_init(&p->partials);
    denials_init(p);
    tcp_address_text(peer, p->address, sizeof(p->address));
    side_init(&p->client, p);
    side_init(&p->broker, p);
    list_append(&post->pairs, &p->at_post);
    event_assign(&p->timer, worker_events(post->worker), -1, 0, timer_due, p);
    counter_add(counters_self(), COUNTER_proxy_clients, 1);
    return p;
}

void pair_accept(struct proxy_post *post, const struct proxy_door *door, int fd, const struct sockaddr *peer)
{
    struct pair *p = pair_create(post, door, peer);
    if (p == NULL) {
        close(fd);
        return;
    }
    socket_prepare(fd);
    if (!transport_init(&p->client.way, &door->kind, post->worker, fd, &side_events, &p->client)) {
        pair_close(p, "out of memory");
        return;
    }
    p->client.closed = false;
    p->client.open = true;
    side_update(&p->client);
    timer_set(p, post->common->connect_us);
}

struct hook_session *pair_session(struct pair *p)
{
    size_t len = 0;
    char *request = transport_take_request(&p->client.way, &len);
    return hook_session_of(&p->client.way.sock, p->address, p->door->kind.name, request, len);
}

/* -- the broker's side ------------------------------------------------------------------------------------------------ */

static void dialled(void *ctx, int fd, const struct error *error, const char *why)
{
    struct pair *p = ctx;
    (void)error;
    CHECK_OBJECT(p, PAIR_MAGIC);
    if (fd < 0) {
        counter_add(counters_self(), COUNTER_proxy_unreachable, 1);
        snprintf(p->words, sizeof(p->words), "no connection to the broker: %s", why);
        pair_refuse(p, MQTT_SERVER_UNAVAILABLE, p->words);
        return;
    }
    socket_prepare(fd);
    p->broker.closed = false; /* a WebSocket has something to say at once */
    if (!transport_connect(&p->broker.way, &p->door->way, p->post->worker, fd, &side_events, &p->broker)) {
        p->broker.closed = true;
        pair_refuse(p, MQTT_SERVER_UNAVAILABLE, "out of memory");
    }
}

void pair_dial(struct pair *p, struct slice connect)
{
    p->connect = connect;
    p->state = PAIR_DIALLING;
    timer_set(p, p->post->common->connect_us);
    dial_start(&p->dial, p->post->worker, p->post->common->lookups, &p->door->target, dialled, p);
}

/* -- the end ---------------------------------------------------------------------------------------------------------- */

void pair_tell_connect(struct pair *p)
{
    p->told = true;
    counter_add(counters_self(), COUNTER_proxy_sessions, 1);
    log_info(client_name(p), "connected from %s (%s)", p->address, p->door->kind.name);
    if (p->post->common->wants->connect)
        hook_chain_connect(p->post->common->hooks, p->session);
}

static void tell_end(struct pair *p)
{
    if (p->told && p->post->common->wants->disconnect)
        hook_chain_disconnect(p->post->common->hooks, p->session, p->why);
    log_info(client_name(p), "%s: %s; %llu packets (%llu bytes) up, %llu (%llu) down", p->told ? "disconnected" : "not connected",
             p->why, (unsigned long long)p->up_packets, (unsigned long long)p->up_bytes, (unsigned long long)p->down_packets,
             (unsigned long long)p->down_bytes);
    access_pair(p);
    p->told = false;
}

static void pair_end(struct pair *p)
{
    if (p->state == PAIR_ENDED)
        return;
    struct proxy_post *post = p->post;
    p->state = PAIR_ENDED;
    event_del(&p->timer);
    side_close(&p->client);
    side_close(&p->broker);
    crowd_leave(post->common->clients, &p->place);
    counter_sub(counters_self(), COUNTER_proxy_clients, 1);
    list_remove(&p->at_post);
    list_append(&post->ended, &p->at_post);
    worker_at_turn(post->worker, TURN_WRITE, &post->sweep);
}

void pair_side_closed(struct pair *p)
{
    if (p->state == PAIR_CLOSING && p->client.closed && p->broker.closed)
        pair_end(p);
}

void pair_close(struct pair *p, const char *why)
{
    if (p->state >= PAIR_CLOSING)
        return;
    p->why = why;
    packet_forget(p);
    dial_cancel(&p->dial);
    slice_done(&p->connect);
    p->state = PAIR_CLOSING;
    side_pass_done(&p->client);
    side_pass_done(&p->broker);
    tell_end(p);
    side_finish(&p->client);
    side_finish(&p->broker);
    timer_set(p, LINGER_US);
    pair_side_closed(p);
}

/* What a client of MQTT 5 is told; where it takes no properties, or has not said so yet, the code does. */
static void disconnect_say(struct pair *p, enum mqtt_reason reason, const char *words)
{
    uint8_t space[192];
    struct bytes_writer w;
    bytes_writer_init(&w, space, sizeof(space));
    mqtt_property_write_text(&w, MQTT_PROPERTY_REASON_STRING, mqtt_span_of(words));
    struct mqtt_packet packet = {.type = MQTT_DISCONNECT, .disconnect = {.reason = (uint8_t)reason}};
    if (!w.failed)
        packet.disconnect.properties = (struct mqtt_span){space, bytes_written(&w)};
    side_send(&p->client, &packet);
}

void pair_fail(struct pair *p, enum mqtt_reason reason, const char *why)
{
    if (p->state >= PAIR_CLOSING)
        return;
    if (p->state == PAIR_WAITING || p->state == PAIR_DIALLING) {
        pair_refuse(p, MQTT_SERVER_UNAVAILABLE, why);
        return;
    }
    if (reason >= MQTT_MALFORMED_PACKET && reason <= MQTT_PROTOCOL_ERROR)
        counter_add(counters_self(), COUNTER_proxy_protocol_errors, 1);
    if (p->state == PAIR_OPEN && p->version == MQTT_V5 && !p->said_goodbye)
        disconnect_say(p, reason, why);
    pair_close(p, why);
}

void pair_refuse(struct pair *p, enum mqtt_reason reason, const char *why)
{
    if (p->state >= PAIR_CLOSING)
        return;
    struct mqtt_packet packet = {.type = MQTT_CONNACK};
    packet.connack.code = p->version == MQTT_V5 ? (uint8_t)reason : mqtt_reason_to_connack3(reason);
    if (p->state != PAIR_OPEN) {
        p->answered = true;
        p->code = packet.connack.code;
        side_send(&p->client, &packet);
    }
    pair_close(p, why);
}

void pair_free(struct pair *p)
{
    CHECK_OBJECT(p, PAIR_MAGIC);
    packet_forget(p);
    dial_cancel(&p->dial);
    slice_done(&p->connect);
    event_del(&p->timer);
    side_done(&p->client);
    side_done(&p->broker);
    for (struct list *node; (node = list_shift(&p->partials)) != NULL;)
        free(CONTAINER_OF(node, struct partial, node));
    aliases_free(&p->up_aliases);
    aliases_free(&p->down_aliases);
    free(p->refused);
    denials_done(p);
    hook_session_unref(p->session);
    FREE_OBJECT(p);
}
