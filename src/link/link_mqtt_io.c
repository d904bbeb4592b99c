/* SPDX-License-Identifier: Apache-2.0 */
/* What the worker does with its connection: receiving, publishing, keeping it alive. Nothing here waits. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "link/link_mqtt.h"
#include "link/socket.h"
#include "mdm-tunnel/limits.h"
#include "mqtt/packet.h"

/* Less room than this is none: envelopes would get too small. */
#define ROOM_MIN (4 * KIB)
/* A PUBLISH's fixed head, topic length and properties beyond topic and payload. */
#define PACKET_OVERHEAD 16
/* When the kernel calls a socket writable that has less room than we want. */
#define ROOM_RETRY_US (5 * US_PER_MS)
/* Without any received byte for so many keep-alive times the connection is given up. */
#define SILENCE_KEEP_ALIVES 2
/* paho looks at its keep-alive when it is called: so often in each, and at least once in a second. */
#define TICKS_PER_KEEP_ALIVE 8
/* What one turn of the loop takes from the socket. */
#define TURN_PACKETS_MAX 64
#define TURN_BYTES_MAX (512 * KIB)
/* A DISCONNECT with its reason, and some words. */
#define LOOK_BYTES 256
/* TLS and WebSocket: there is nothing more to take after so many packets in a row that were no messages. */
#define IDLE_MAX 4

/* -- giving it back ------------------------------------------------------------------------------------------------ */

/* The descriptor is closed by the thread, after the library has closed its own: only then does the kernel forget it
 * together with its events. */
void link_mqtt_give_back(struct link_mqtt *l, const char *why)
{
    if (l->paho == NULL)
        return;
    event_del(&l->read_event);
    event_del(&l->write_event);
    event_del(&l->room_timer);
    event_del(&l->tick);
    l->paho = NULL;
    l->fd = -1;
    pthread_mutex_lock(&l->lock);
    l->given_back = true;
    snprintf(l->given_back_why, sizeof(l->given_back_why), "%s", why);
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

/* -- receiving ----------------------------------------------------------------------------------------------------- */

enum look { LOOK_NOTHING, LOOK_SOME, LOOK_WHOLE, LOOK_END };

/* Whether what stands at the front of the socket is a whole packet, and whether that is a DISCONNECT: which paho would
 * drop without a word. */
static enum look look_at(const struct link_mqtt *l, const uint8_t *bytes, size_t len, const char **why)
{
    struct mqtt_header h;
    struct mqtt_packet p;
    struct mqtt_fault fault;
    if (!l->boundary || mqtt_header_parse(bytes, len, &h) != MQTT_DONE || h.length > len - h.size)
        return LOOK_SOME;
    if (h.type != MQTT_DISCONNECT || !mqtt_decode(&p, MQTT_V5, &h, bytes + h.size, &fault))
        return LOOK_WHOLE;
    *why = p.disconnect.reason == MQTT_SUCCESS ? "disconnected by the broker" : mqtt_reason_text(p.disconnect.reason);
    return LOOK_END;
}

/* Looks at the front of the socket; LOOK_END: there will be nothing more, and *why. */
static enum look look(const struct link_mqtt *l, const char **why)
{
    uint8_t bytes[LOOK_BYTES];
    ssize_t n = recv(l->fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
    if (n > 0)
        return look_at(l, bytes, (size_t)n, why);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return LOOK_NOTHING;
    *why = n == 0 ? "closed by the broker" : strerror(errno);
    return LOOK_END;
}

/* The socket's bytes are MQTT as it is. */
static bool is_bare(const struct link_mqtt *l) { return !link_mqtt_url(l)->tls && !link_mqtt_url(l)->websocket; }

/* What one turn has taken. */
struct progress {
    unsigned messages, idle; /* idle: calls in a row that gave none */
    size_t bytes;
};

static void message_tell(struct link_mqtt *l, struct paho_message *m)
{
    struct slice payload = m->len == 0 ? SLICE_NONE : slice_copy(m->payload, m->len);
    if (m->len == 0 || payload.data != NULL)
        link_tell_message(&l->base, m->topic, &payload, m->retained, worker_index(l->base.worker));
    slice_done(&payload);
    paho_message_done(m);
}

static bool is_writable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, 0) > 0 && (p.revents & POLLOUT) != 0;
}

/* paho reads only what it could answer. */
static void read_pause(struct link_mqtt *l)
{
    l->read_paused = true;
    event_del(&l->read_event);
    event_add(&l->write_event, NULL);
}

/* One call of paho, and what comes of it. */
static enum paho_got take(struct link_mqtt *l, struct progress *progress)
{
    struct paho_message m;
    enum paho_got got = paho_receive(l->paho, &m);
    if (got == PAHO_MESSAGE) {
        progress->messages++;
        progress->bytes += m.len;
        progress->idle = 0;
        l->boundary = true;
        message_tell(l, &m);
    } else if (got == PAHO_LOST)
        link_mqtt_give_back(l, "connection lost");
    return got;
}

/* Without a look at the socket: paho, or what lies between it and the socket, may have more than that. False when there
 * is nothing more to take now. */
static bool take_unseen(struct link_mqtt *l, struct progress *progress)
{
    enum paho_got got = take(l, progress);
    if (got != PAHO_NOTHING)
        return got == PAHO_MESSAGE;
    if (!is_bare(l))
        return ++progress->idle < IDLE_MAX;
    l->behind = false;
    l->boundary = true;
    return true;
}

static bool take_seen(struct link_mqtt *l, struct progress *progress)
{
    const char *why;
    enum look front = look(l, &why);
    if (front == LOOK_NOTHING)
        return false;
    if (front == LOOK_END) {
        link_mqtt_give_back(l, why);
        return false;
    }
    enum paho_got got = take(l, progress);
    if (got == PAHO_NOTHING)
        l->boundary = front == LOOK_WHOLE;
    return got == PAHO_MESSAGE || (got == PAHO_NOTHING && front == LOOK_WHOLE);
}

void link_mqtt_receive(struct link_mqtt *l)
{
    struct progress progress = {0};
    bool more = l->paho != NULL;
    for (int i = 0; i < TURN_PACKETS_MAX && progress.bytes < TURN_BYTES_MAX && more; i++) {
        more = l->behind ? take_unseen(l, &progress) : take_seen(l, &progress);
        more = more && l->paho != NULL;
    }
    if (l->paho == NULL)
        return;
    if (more && l->behind)
        event_active(&l->read_event, EV_READ, 1);
    else if (progress.messages == 0 && !is_writable(l->fd))
        read_pause(l);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct link_mqtt *l = link_mqtt_of(arg);
    (void)fd;
    (void)what;
    if (l->broken)
        link_mqtt_give_back(l, "connection lost");
    link_mqtt_receive(l);
}

/* -- publishing ---------------------------------------------------------------------------------------------------- */

static size_t message_cost(const char *topic, size_t len)
{
    return len + strlen(topic) + PACKET_OVERHEAD + SOCKET_MESSAGE_COST;
}

static bool can_publish(const struct link_mqtt *l) { return l->paho != NULL && !l->broken && !l->closed; }

/* Whether a message of that cost surely fits; asks the kernel only when the last answer is used up. */
static bool has_room(struct link_mqtt *l, size_t cost)
{
    if (l->room < cost)
        l->room = socket_room(l->fd, l->payload_max + MQTT_TOPIC_MAX + PACKET_OVERHEAD + SOCKET_MESSAGE_COST);
    return l->room >= cost;
}

size_t link_mqtt_room(struct link *base, const char *topic)
{
    struct link_mqtt *l = link_mqtt_of(base);
    if (!can_publish(l))
        return 0;
    size_t overhead = message_cost(topic, 0);
    if (!has_room(l, l->payload_max + overhead) && l->room < ROOM_MIN + overhead) {
        event_add(&l->write_event, NULL);
        return 0;
    }
    size_t room = l->room - overhead;
    return room < l->payload_max ? room : l->payload_max;
}

/* The connection may be gone; that is told by the next event, not from inside the user's call. */
static void published(struct link_mqtt *l, size_t cost, bool done)
{
    l->room -= cost;
    if (done)
        return;
    l->broken = true;
    event_active(&l->read_event, EV_READ, 1);
}

void link_mqtt_publish(struct link *base, const char *topic, struct slice payload)
{
    struct link_mqtt *l = link_mqtt_of(base);
    size_t cost = message_cost(topic, payload.len);
    if (can_publish(l) && payload.len <= l->payload_max && has_room(l, cost))
        published(l, cost, paho_publish(l->paho, topic, payload.data, payload.len));
    slice_done(&payload);
}

void link_mqtt_presence_send(struct link_mqtt *l)
{
    pthread_mutex_lock(&l->lock);
    bool wanted = l->presence_changed && l->base.presence_topic != NULL;
    size_t len = l->base.presence == NULL ? 0 : strlen(l->base.presence);
    pthread_mutex_unlock(&l->lock);
    if (!wanted || !can_publish(l) || !has_room(l, message_cost(l->base.presence_topic, len)))
        return;
    char *text = link_mqtt_presence_take(l);
    bool sent = paho_retain(l->paho, l->base.presence_topic, text == NULL ? "" : text);
    free(text);
    l->room -= l->room < len ? l->room : len;
    pthread_mutex_lock(&l->lock);
    l->presence_changed = l->presence_changed || !sent;
    pthread_mutex_unlock(&l->lock);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct link_mqtt *l = link_mqtt_of(arg);
    (void)fd;
    (void)what;
    if (l->read_paused) {
        l->read_paused = false;
        event_add(&l->read_event, NULL);
    }
    if (!can_publish(l))
        return;
    if (!has_room(l, ROOM_MIN + SOCKET_MESSAGE_COST + MQTT_TOPIC_MAX)) {
        const struct timeval pause = {0, ROOM_RETRY_US};
        event_add(&l->room_timer, &pause);
        return;
    }
    link_mqtt_presence_send(l);
    link_tell_writable(&l->base);
}

/* -- the way in and out -------------------------------------------------------------------------------------------- */

static void tick_add(struct link_mqtt *l)
{
    uint64_t us = l->keep_alive_us / TICKS_PER_KEEP_ALIVE;
    if (us > US_PER_S)
        us = US_PER_S;
    const struct timeval pause = {(time_t)(us / US_PER_S), (suseconds_t)(us % US_PER_S)};
    event_add(&l->tick, &pause);
}

/* The library asks for a sign of life after each keep-alive time of silence; after two the path is dead. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct link_mqtt *l = link_mqtt_of(arg);
    (void)fd;
    (void)what;
    if (socket_silent_us(l->fd) >= SILENCE_KEEP_ALIVES * l->keep_alive_us) {
        link_mqtt_give_back(l, "no sign of life from the broker");
        return;
    }
    const char *why;
    struct progress progress = {0};
    if ((!is_bare(l) || look(l, &why) == LOOK_NOTHING) && take(l, &progress) == PAHO_MESSAGE)
        l->behind = true;
    link_mqtt_receive(l);
    if (l->paho == NULL)
        return;
    link_mqtt_presence_send(l);
    tick_add(l);
}

void link_mqtt_attach(struct link_mqtt *l, struct paho *p, int fd)
{
    struct event_base *events = worker_events(l->base.worker);
    size_t overhead = MQTT_TOPIC_MAX + PACKET_OVERHEAD;
    size_t said = paho_limits(p)->packet_max, packet_max = said > overhead ? said - overhead : 0;
    l->paho = p;
    l->fd = fd;
    l->room = 0;
    l->broken = l->read_paused = l->boundary = false;
    l->behind = true;
    l->payload_max = packet_max < l->max_payload ? packet_max : l->max_payload;
    event_assign(&l->read_event, events, fd, EV_READ | EV_PERSIST, on_readable, &l->base);
    event_assign(&l->write_event, events, fd, EV_WRITE, on_writable, &l->base);
    evtimer_assign(&l->room_timer, events, on_writable, &l->base);
    evtimer_assign(&l->tick, events, on_tick, &l->base);
    event_add(&l->read_event, NULL);
    tick_add(l);
}
