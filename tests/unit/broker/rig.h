/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broker with some workers on a loopback port that the kernel chose, and plain blocking clients that speak MQTT
 * packets. Waiting is always for something (a packet, the end of the connection, an event), with a limit that only a
 * failure meets.
 */
#ifndef TESTS_BROKER_RIG_H
#define TESTS_BROKER_RIG_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counters.h"
#include "broker/broker.h"
#include "mdm-tunnel/limits.h"
#include "mqtt/packet.h"
#include "tap.h"

#define RIG_WAIT_MS 20000
#define RIG_WORKERS_MAX 4
#define RIG_TEXT 256

/* Something that happened on a worker. */
struct rig_event {
    char what[RIG_TEXT];
    unsigned worker;
};

static struct {
    struct worker *workers[RIG_WORKERS_MAX];
    unsigned count;
    struct broker *broker;
    const struct broker_guard *guard; /* of brokers that are created; NULL: none */
    uint16_t port;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct rig_event *events;
    size_t event_count;
} rig = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* -- events -------------------------------------------------------------------------------------------------------- */

static inline void rig_note(const char *what)
{
    pthread_mutex_lock(&rig.lock);
    rig.events = realloc(rig.events, (rig.event_count + 1) * sizeof(*rig.events));
    struct rig_event *e = &rig.events[rig.event_count++];
    snprintf(e->what, sizeof(e->what), "%s", what);
    e->worker = worker_self() != NULL ? worker_index(worker_self()) : UINT32_MAX;
    pthread_cond_broadcast(&rig.changed);
    pthread_mutex_unlock(&rig.lock);
}

/* Waits for the `nth` (from 1) event that starts with this text; its worker, or -1. */
static inline int rig_wait(const char *what, unsigned nth)
{
    struct timespec until;
    int worker = -1;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += RIG_WAIT_MS / 1000;
    pthread_mutex_lock(&rig.lock);
    for (bool late = false; worker < 0 && !late;) {
        unsigned seen = 0;
        for (size_t i = 0; i < rig.event_count && worker < 0; i++)
            if (strncmp(rig.events[i].what, what, strlen(what)) == 0 && ++seen == nth)
                worker = (int)rig.events[i].worker;
        if (worker < 0)
            late = pthread_cond_timedwait(&rig.changed, &rig.lock, &until) != 0;
    }
    pthread_mutex_unlock(&rig.lock);
    return worker;
}

static inline unsigned rig_count(const char *what)
{
    unsigned n = 0;
    pthread_mutex_lock(&rig.lock);
    for (size_t i = 0; i < rig.event_count; i++)
        n += strncmp(rig.events[i].what, what, strlen(what)) == 0;
    pthread_mutex_unlock(&rig.lock);
    return n;
}

static inline void rig_connected(void *ctx, const struct broker_client *who)
{
    char text[RIG_TEXT];
    (void)ctx;
    snprintf(text, sizeof(text), "+%s", who->client_id);
    rig_note(text);
}

static inline void rig_disconnected(void *ctx, const struct broker_client *who, const char *why)
{
    char text[RIG_TEXT];
    (void)ctx;
    snprintf(text, sizeof(text), "-%s %s", who->client_id, why);
    rig_note(text);
}

/* -- the broker ---------------------------------------------------------------------------------------------------- */

static inline bool rig_create(unsigned workers, const struct broker_policy *policy, uint64_t connect_timeout_us)
{
    static const struct broker_events events = {.connected = rig_connected, .disconnected = rig_disconnected};
    rig.count = workers;
    for (unsigned i = 0; i < workers; i++)
        rig.workers[i] = worker_create("worker", i);
    struct broker_config config = {.workers = rig.workers,
                                   .worker_count = workers,
                                   .policy = policy,
                                   .guard = rig.guard,
                                   .events = &events,
                                   .connect_timeout_us = connect_timeout_us,
                                   .strangers_max = MQTT_STRANGERS_MAX,
                                   .strangers_per_address_max = MQTT_STRANGERS_PER_ADDRESS_MAX};
    rig.broker = broker_create(&config);
    rig.port = 0;
    return rig.broker != NULL && broker_listen(rig.broker, &broker_plain, "127.0.0.1", &rig.port) == 0 && rig.port != 0;
}

static inline void rig_run(void)
{
    for (unsigned i = 0; i < rig.count; i++)
        worker_start(rig.workers[i]);
}

static inline void rig_start(unsigned workers)
{
    OK(rig_create(workers, NULL, 10 * US_PER_S));
    rig_run();
}

static inline void rig_stop(void)
{
    broker_close(rig.broker);
    for (unsigned i = 0; i < rig.count; i++)
        worker_stop(rig.workers[i]);
    broker_free(&rig.broker);
    for (unsigned i = 0; i < rig.count; i++)
        worker_free(&rig.workers[i]);
    free(rig.events);
    rig.events = NULL;
    rig.event_count = 0;
}

/* Waits until a counter has reached a value. */
static inline bool rig_counter(enum counter id, uint64_t least)
{
    uint64_t until = clock_now_us() + RIG_WAIT_MS * US_PER_MS;
    while (counters_sum(id) < least && clock_now_us() < until)
        poll(NULL, 0, 1);
    return counters_sum(id) >= least;
}

/* -- clients ------------------------------------------------------------------------------------------------------- */

struct client {
    int fd;
    enum mqtt_version version;
    unsigned shard;
    uint8_t *in;
    size_t in_len, in_used, in_size; /* in_used: of the packet given last */
    struct mqtt_packet p;            /* it */
};

static inline struct client client_open(enum mqtt_version version)
{
    struct client c = {.fd = socket(AF_INET, SOCK_STREAM, 0), .version = version, .in_size = 1 << 16};
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(rig.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    c.in = malloc(c.in_size);
    OK(connect(c.fd, (struct sockaddr *)&a, sizeof(a)) == 0);
    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return c;
}

static inline void client_close(struct client *c)
{
    close(c->fd);
    free(c->in);
    *c = (struct client){.fd = -1};
}

static inline bool client_write(struct client *c, const void *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = send(c->fd, (const char *)data + done, len - done, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}
#define CLIENT_WRITE(c, literal) client_write(c, literal, sizeof(literal) - 1)

static inline void client_send(struct client *c, const struct mqtt_packet *p)
{
    size_t size = mqtt_encoded_size(c->version, p);
    uint8_t *bytes = malloc(size);
    struct bytes_writer w;
    bytes_writer_init(&w, bytes, size);
    mqtt_encode(&w, c->version, p);
    OK(!w.failed && client_write(c, bytes, size));
    free(bytes);
}

/* More bytes; false at the end of the connection or when nothing comes. */
static inline bool client_fill(struct client *c, int wait_ms)
{
    if (c->in_len == c->in_size)
        c->in = realloc(c->in, c->in_size *= 2);
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    if (poll(&p, 1, wait_ms) != 1)
        return false;
    ssize_t n = recv(c->fd, c->in + c->in_len, c->in_size - c->in_len, 0);
    c->in_len += n > 0 ? (size_t)n : 0;
    return n > 0;
}

/* The next packet's type; 0 at the end of the connection. It is valid until the next call. */
static inline enum mqtt_type client_next_within(struct client *c, int wait_ms)
{
    struct mqtt_header h;
    struct mqtt_fault fault;
    memmove(c->in, c->in + c->in_used, c->in_len - c->in_used);
    c->in_len -= c->in_used;
    c->in_used = 0;
    while (mqtt_header_parse(c->in, c->in_len, &h) != MQTT_DONE || h.size + (size_t)h.length > c->in_len)
        if (!client_fill(c, wait_ms))
            return (enum mqtt_type)0;
    c->in_used = h.size + (size_t)h.length;
    if (!OK(mqtt_decode(&c->p, c->version, &h, c->in + h.size, &fault)))
        printf("#   %s: %s\n", mqtt_type_name(h.type), fault.words);
    return h.type;
}
static inline enum mqtt_type client_next(struct client *c) { return client_next_within(c, RIG_WAIT_MS); }

/* The connection ends without another packet. */
static inline bool client_ends(struct client *c) { return client_next(c) == 0 && c->in_len == 0; }

static inline struct mqtt_packet connect_packet(enum mqtt_version version, const char *id)
{
    return (struct mqtt_packet){
        .type = MQTT_CONNECT, .connect = {.version = version, .clean_start = true, .client_id = mqtt_span_of(id)}};
}

/* Sends a CONNECT and gives CONNACK's code, or -1. */
static inline int client_connack(struct client *c, const struct mqtt_packet *connect)
{
    client_send(c, connect);
    return client_next(c) == MQTT_CONNACK ? c->p.connack.code : -1;
}

static inline struct client client_connect(enum mqtt_version version, const char *id)
{
    struct client c = client_open(version);
    struct mqtt_packet p = connect_packet(version, id);
    OK_INT(client_connack(&c, &p), 0);
    return c;
}

/* Tries until the kernel has chosen the listener of this worker. */
static inline struct client client_connect_at(enum mqtt_version version, const char *id, unsigned shard,
                                              const struct mqtt_packet *connect)
{
    char event[RIG_TEXT];
    snprintf(event, sizeof(event), "+%s", id);
    struct mqtt_packet plain = connect_packet(version, id);
    for (unsigned i = 0; i < 1000; i++) {
        unsigned before = rig_count(event);
        struct client c = client_open(version);
        client_connack(&c, connect != NULL ? connect : &plain);
        if (rig_wait(event, before + 1) == (int)shard)
            return c;
        client_send(&c, &(struct mqtt_packet){.type = MQTT_DISCONNECT});
        client_ends(&c);
        client_close(&c);
    }
    OK(!"a connection reached the worker");
    return client_open(version);
}

static inline struct mqtt_packet publish_packet(const char *topic, const char *payload, unsigned qos, bool retain)
{
    return (struct mqtt_packet){.type = MQTT_PUBLISH,
                                .publish = {.qos = (uint8_t)qos,
                                            .retain = retain,
                                            .packet_id = qos > 0 ? 7 : 0,
                                            .topic = mqtt_span_of(topic),
                                            .payload = mqtt_span_of(payload)}};
}

static inline void client_publish(struct client *c, const char *topic, const char *payload, unsigned qos, bool retain)
{
    struct mqtt_packet p = publish_packet(topic, payload, qos, retain);
    client_send(c, &p);
    if (qos == 1) {
        OK_INT(client_next(c), MQTT_PUBACK);
        OK_INT(c->p.ack.packet_id, 7);
        OK_INT(c->p.ack.reason, 0);
    }
}

/* The next packet that is no PUBLISH; the messages before it stay next in line (they may come before SUBACK, 3.8.4). */
static inline enum mqtt_type client_next_answer(struct client *c, uint8_t *code)
{
    static uint8_t early[1 << 16];
    size_t early_len = 0;
    enum mqtt_type type;
    while ((type = client_next(c)) == MQTT_PUBLISH && OK(early_len + c->in_used <= sizeof(early))) {
        memcpy(early + early_len, c->in, c->in_used);
        early_len += c->in_used;
    }
    if (type == MQTT_SUBACK && OK(c->p.suback.packet_id == 9 && c->p.suback.codes.len == 1))
        *code = c->p.suback.codes.data[0];
    size_t later = c->in_len - c->in_used;
    if (!OK(early_len + later <= c->in_size))
        return (enum mqtt_type)0;
    memmove(c->in + early_len, c->in + c->in_used, later);
    memcpy(c->in, early, early_len);
    c->in_len = early_len + later;
    c->in_used = 0;
    return type;
}

/* The result of subscribing to one filter with these options. */
static inline int client_subscribe_with(struct client *c, const struct mqtt_filter *f)
{
    uint8_t filters[1024];
    struct bytes_writer w;
    bytes_writer_init(&w, filters, sizeof(filters));
    mqtt_filter_write(&w, MQTT_SUBSCRIBE, f);
    client_send(c, &(struct mqtt_packet){.type = MQTT_SUBSCRIBE,
                                         .subscribe = {.packet_id = 9, .filters = {filters, bytes_written(&w)}}});
    uint8_t code = 0xff;
    return OK(client_next_answer(c, &code) == MQTT_SUBACK) ? code : -1;
}

static inline int client_subscribe(struct client *c, const char *filter, unsigned qos)
{
    return client_subscribe_with(c, &(struct mqtt_filter){.filter = mqtt_span_of(filter), .qos = (uint8_t)qos});
}

static inline int client_unsubscribe(struct client *c, const char *filter)
{
    uint8_t filters[1024];
    struct bytes_writer w;
    bytes_writer_init(&w, filters, sizeof(filters));
    mqtt_filter_write(&w, MQTT_UNSUBSCRIBE, &(struct mqtt_filter){.filter = mqtt_span_of(filter)});
    client_send(c, &(struct mqtt_packet){.type = MQTT_UNSUBSCRIBE,
                                         .subscribe = {.packet_id = 11, .filters = {filters, bytes_written(&w)}}});
    if (!OK(client_next(c) == MQTT_UNSUBACK) || !OK(c->p.suback.packet_id == 11))
        return -1;
    return c->version == MQTT_V5 ? c->p.suback.codes.data[0] : 0;
}

/* The next packet is this message; a QoS 1 one is acknowledged. */
static inline bool client_gets(struct client *c, const char *topic, const char *payload, unsigned qos, bool retain)
{
    enum mqtt_type type = client_next(c);
    const struct mqtt_publish *p = &c->p.publish;
    bool ok = type == MQTT_PUBLISH && mqtt_span_equal(p->topic, mqtt_span_of(topic)) &&
              mqtt_span_equal(p->payload, mqtt_span_of(payload)) && p->qos == qos && p->retain == retain;
    if (!ok && type == MQTT_PUBLISH)
        printf("#   got %.*s=%.*s QoS %u retain %d\n", (int)p->topic.len, (const char *)p->topic.data,
               (int)p->payload.len, (const char *)p->payload.data, p->qos, p->retain);
    else if (!ok)
        printf("#   got %s\n", mqtt_type_name(type));
    if (type == MQTT_PUBLISH && p->qos == 1)
        client_send(c, &(struct mqtt_packet){.type = MQTT_PUBACK, .ack = {.packet_id = p->packet_id}});
    return ok;
}

/* Nothing is on its way to the client: PINGRESP is next. (Others' messages sent before and answered are already
 * queued.) */
static inline bool client_idle(struct client *c)
{
    client_send(c, &(struct mqtt_packet){.type = MQTT_PINGREQ});
    return client_next(c) == MQTT_PINGRESP;
}

/* The connection ends with a DISCONNECT of this reason. */
static inline bool client_dismissed(struct client *c, enum mqtt_reason reason)
{
    enum mqtt_type type = client_next(c);
    bool ok = type == MQTT_DISCONNECT && c->p.disconnect.reason == reason;
    if (!ok)
        printf("#   got %s with 0x%02x\n", mqtt_type_name(type), type == MQTT_DISCONNECT ? c->p.disconnect.reason : 0);
    return client_ends(c) && ok;
}

static inline uint32_t connack_number(const struct client *c, enum mqtt_property_id id, uint32_t otherwise)
{
    return mqtt_property_number(c->p.connack.properties, id, otherwise);
}

#endif
