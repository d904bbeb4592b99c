/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link to a broker in another process of ours, through a local socket: MQTT 3.1.1 with our own packets. As
 * connecting there never waits, all of it is on the worker. When the connection is lost it is made again.
 */
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "link/backoff.h"
#include "link/link_kind.h"
#include "mdm-tunnel/limits.h"
#include "mqtt/packet.h"

#define LOCAL_CLIENT_ID_MAX 64
#define LOCAL_VECTORS 64
#define LOCAL_READS 8 /* a turn */
/* What is queued beyond the first is sent before more is taken; below the second there is room again. */
#define LOCAL_OUTPUT_HIGH (512 * KIB)
#define LOCAL_OUTPUT_LOW (128 * KIB)
#define LOCAL_INPUT (2 * MQTT_PACKET_MAX)
#define SUBSCRIBE_ID 1

enum local_step { LOCAL_AWAY, LOCAL_GREETS, LOCAL_SUBSCRIBES, LOCAL_UP };

struct link_local {
    struct link base;
    struct sockaddr_un address;
    socklen_t address_len;
    char client_id[LOCAL_CLIENT_ID_MAX];
    unsigned origin;
    enum local_step step;
    bool closed, told_closed, crowded; /* crowded: the user waits for room */
    int fd; /* -1: none */
    struct event readable, writable, timer;
    struct turn flush;
    struct slice_queue out;
    struct chunk *in; /* NULL: nothing was read yet */
    size_t in_from, in_to;
    struct backoff backoff;
    uint64_t up_us;
};

static struct link_local *local_of(struct link *l) { return CONTAINER_OF(l, struct link_local, base); }

/* -- the way ends -------------------------------------------------------------------------------------------------- */

static void local_disconnect(struct link_local *l)
{
    if (l->fd < 0)
        return;
    event_del(&l->readable);
    event_del(&l->writable);
    turn_cancel(&l->flush);
    close(l->fd);
    l->fd = -1;
    l->step = LOCAL_AWAY;
    slice_queue_done(&l->out);
    slice_queue_init(&l->out, LOCAL_OUTPUT_HIGH + 2 * MQTT_PACKET_MAX);
    chunk_unref(l->in);
    l->in = NULL;
    l->in_from = l->in_to = 0;
}

/* `why`: static, or valid during the call. */
static void local_lost(struct link_local *l, const char *why)
{
    bool was_up = l->step == LOCAL_UP;
    uint64_t lived_us = was_up ? worker_now_us(l->base.worker) - l->up_us : 0;
    uint32_t random = 0;
    char reason[128];
    snprintf(reason, sizeof(reason), "%s", why);
    local_disconnect(l);
    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        random = 0;
    uint64_t pause_us = backoff_next(&l->backoff, lived_us, random);
    event_add(&l->timer, &(struct timeval){(time_t)(pause_us / US_PER_S), (suseconds_t)(pause_us % US_PER_S)});
    link_tell_down(&l->base, reason, pause_us);
}

/* -- bytes out ----------------------------------------------------------------------------------------------------- */

/* False: the way is lost, and errno. */
static bool local_write(struct link_local *l)
{
    while (l->out.count > 0) {
        struct iovec iov[LOCAL_VECTORS];
        struct msghdr m = {.msg_iov = iov};
        m.msg_iovlen = (size_t)slice_queue_iovec(&l->out, iov, LOCAL_VECTORS);
        ssize_t n = sendmsg(l->fd, &m, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        slice_queue_skip(&l->out, (size_t)n);
    }
    return true;
}

static void local_flush(struct link_local *l)
{
    if (l->fd < 0)
        return;
    if (!local_write(l)) {
        local_lost(l, strerror(errno));
        return;
    }
    if (l->out.count > 0)
        event_add(&l->writable, NULL);
    if (l->crowded && l->step == LOCAL_UP && l->out.bytes < LOCAL_OUTPUT_LOW) {
        l->crowded = false;
        link_tell_writable(&l->base);
    }
}

static void on_flush(struct turn *t) { local_flush(CONTAINER_OF(t, struct link_local, flush)); }

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    local_flush(local_of(ctx));
}

/* Takes the slice. */
static bool local_queue(struct link_local *l, struct slice s)
{
    if (s.data != NULL && slice_queue_push(&l->out, s)) {
        worker_at_turn(l->base.worker, TURN_WRITE, &l->flush);
        return true;
    }
    slice_done(&s);
    return false;
}

static bool local_send(struct link_local *l, const struct mqtt_packet *p)
{
    size_t size = mqtt_encoded_size(MQTT_V3_1_1, p);
    struct chunk *c = size > 0 ? chunk_create(size) : NULL;
    struct bytes_writer w;
    if (c == NULL)
        return false;
    bytes_writer_init(&w, c->data, size);
    mqtt_encode(&w, MQTT_V3_1_1, p);
    return local_queue(l, slice_of(c, 0, size));
}

/* -- packets in ---------------------------------------------------------------------------------------------------- */

static void local_up(struct link_local *l)
{
    l->step = LOCAL_UP;
    l->up_us = worker_now_us(l->base.worker);
    link_tell_up(&l->base, "the broker of another process");
}

static void filters_write(struct bytes_writer *w, char *const *filters)
{
    for (; *filters != NULL; filters++)
        mqtt_filter_write(w, MQTT_SUBSCRIBE, &(struct mqtt_filter){.filter = mqtt_span_of(*filters)});
}

/* NULL, or why the way is of no use. */
static const char *local_subscribe(struct link_local *l)
{
    uint8_t space[4 * MQTT_TOPIC_MAX];
    struct bytes_writer w;
    bytes_writer_init(&w, space, sizeof(space));
    filters_write(&w, l->base.filters);
    filters_write(&w, l->base.everywhere_filters);
    struct mqtt_packet p = {.type = MQTT_SUBSCRIBE,
                            .subscribe = {.packet_id = SUBSCRIBE_ID, .filters = {space, bytes_written(&w)}}};
    l->step = LOCAL_SUBSCRIBES;
    return !w.failed && local_send(l, &p) ? NULL : "out of memory";
}

static const char *local_subscribed(struct link_local *l, const struct mqtt_suback *p)
{
    for (size_t i = 0; i < p->codes.len; i++)
        if (p->codes.data[i] >= 0x80)
            return "the broker refuses a subscription";
    local_up(l);
    return NULL;
}

static const char *local_message(struct link_local *l, const struct mqtt_publish *p)
{
    char topic[MQTT_TOPIC_MAX + 1];
    if (p->topic.len > MQTT_TOPIC_MAX)
        return "a topic is too long";
    memcpy(topic, p->topic.data, p->topic.len);
    topic[p->topic.len] = '\0';
    struct slice payload = SLICE_NONE;
    if (p->payload.len > 0)
        payload = slice_of(chunk_ref(l->in), (size_t)(p->payload.data - l->in->data), p->payload.len);
    link_tell_message(&l->base, topic, &payload, p->retain, l->origin);
    slice_done(&payload);
    return NULL;
}

static const char *local_packet(struct link_local *l, const struct mqtt_header *h, const uint8_t *body)
{
    struct mqtt_packet p;
    struct mqtt_fault fault;
    if (!mqtt_decode(&p, MQTT_V3_1_1, h, body, &fault))
        return fault.words;
    if (p.type == MQTT_CONNACK && l->step == LOCAL_GREETS)
        return p.connack.code == 0 ? local_subscribe(l) : "the broker refuses the connection";
    if (p.type == MQTT_SUBACK && l->step == LOCAL_SUBSCRIBES)
        return local_subscribed(l, &p.suback);
    if (p.type == MQTT_PUBLISH && l->step == LOCAL_UP)
        return local_message(l, &p.publish);
    return p.type == MQTT_PUBLISH ? NULL : "a packet that was not expected";
}

/* Handles what came whole. NULL, or why the way is of no use. */
static const char *local_take(struct link_local *l)
{
    struct mqtt_header h;
    const char *why = NULL;
    while (why == NULL && l->fd >= 0) {
        size_t len = l->in_to - l->in_from;
        enum mqtt_progress progress = mqtt_header_parse(l->in->data + l->in_from, len, &h);
        if (progress == MQTT_BAD || (progress == MQTT_DONE && (size_t)h.size + h.length > MQTT_PACKET_MAX))
            return "a packet is malformed or too long";
        if (progress == MQTT_MORE || len - h.size < h.length)
            return NULL;
        size_t at = l->in_from + h.size;
        l->in_from = at + h.length;
        why = local_packet(l, &h, l->in->data + at);
    }
    return why;
}

/* Room for a whole packet behind what is left of the last read. */
static bool input_prepare(struct link_local *l)
{
    size_t left = l->in_to - l->in_from;
    if (l->in != NULL && LOCAL_INPUT - l->in_from >= MQTT_PACKET_MAX)
        return true;
    bool alone = l->in != NULL && atomic_load_explicit(&l->in->refs, memory_order_acquire) == 1;
    struct chunk *c = alone ? l->in : chunk_create(LOCAL_INPUT);
    if (c == NULL)
        return false;
    if (left > 0)
        memmove(c->data, l->in->data + l->in_from, left);
    if (!alone)
        chunk_unref(l->in);
    l->in = c;
    l->in_from = 0;
    l->in_to = left;
    return true;
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct link_local *l = local_of(ctx);
    const char *why = NULL;
    (void)what;
    CHECK_OBJECT(&l->base, LINK_MAGIC);
    for (int i = 0; i < LOCAL_READS && why == NULL && l->fd >= 0; i++) {
        if (!input_prepare(l)) {
            why = "out of memory";
            break;
        }
        ssize_t n = recv(fd, l->in->data + l->in_to, LOCAL_INPUT - l->in_to, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n > 0) {
            l->in_to += (size_t)n;
            why = local_take(l);
        } else {
            why = n == 0 ? "closed by the broker" : strerror(errno);
        }
    }
    if (why != NULL && l->fd >= 0)
        local_lost(l, why);
}

/* -- the way begins ------------------------------------------------------------------------------------------------ */

/* The name of such a socket may be taken by anybody once it is free. */
static bool local_is_ours(int fd)
{
    struct ucred who;
    socklen_t len = sizeof(who);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.uid == geteuid();
}

static const char *local_connect(struct link_local *l)
{
    struct event_base *events = worker_events(l->base.worker);
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        return strerror(errno);
    event_assign(&l->readable, events, l->fd, EV_READ | EV_PERSIST, on_readable, &l->base);
    event_assign(&l->writable, events, l->fd, EV_WRITE, on_writable, &l->base);
    if (connect(l->fd, (const struct sockaddr *)&l->address, l->address_len) != 0 || event_add(&l->readable, NULL) != 0)
        return strerror(errno);
    if (!local_is_ours(l->fd))
        return "the socket is another user's";
    l->step = LOCAL_GREETS;
    struct mqtt_packet p = {
        .type = MQTT_CONNECT,
        .connect = {.version = MQTT_V3_1_1, .clean_start = true, .client_id = mqtt_span_of(l->client_id)},
    };
    return local_send(l, &p) ? NULL : "out of memory";
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct link_local *l = local_of(ctx);
    (void)fd, (void)what;
    CHECK_OBJECT(&l->base, LINK_MAGIC);
    if (l->closed) {
        if (!l->told_closed)
            link_tell_down(&l->base, "closed", CLOCK_NEVER);
        l->told_closed = true;
        return;
    }
    const char *why = local_connect(l);
    if (why != NULL)
        local_lost(l, why);
}

/* Nothing is told from inside a call of the user. */
static void local_soon(struct link_local *l) { event_add(&l->timer, &(struct timeval){0, 0}); }

static void local_start(struct link *base) { local_soon(local_of(base)); }

/* -- the kind ------------------------------------------------------------------------------------------------------ */

/* It is for programs that have none. */
static void local_set_presence(struct link *base, const char *presence) { (void)base, (void)presence; }

static size_t local_max_payload(const struct link *base)
{
    (void)base;
    return ENVELOPE_MAX_EMBEDDED;
}

static size_t local_room(struct link *base, const char *topic)
{
    struct link_local *l = local_of(base);
    (void)topic;
    if (l->closed || l->step != LOCAL_UP)
        return 0;
    l->crowded = l->out.bytes >= LOCAL_OUTPUT_HIGH;
    return l->crowded ? 0 : ENVELOPE_MAX_EMBEDDED;
}

static void local_publish(struct link *base, const char *topic, struct slice payload)
{
    struct link_local *l = local_of(base);
    uint8_t head[MQTT_TOPIC_MAX + 16];
    struct bytes_writer w;
    struct mqtt_publish p = {.topic = mqtt_span_of(topic), .payload = {payload.data, payload.len}};
    bytes_writer_init(&w, head, sizeof(head));
    mqtt_publish_head_write(&w, MQTT_V3_1_1, &p);
    bool fits = !l->closed && l->step == LOCAL_UP && !w.failed && payload.len <= ENVELOPE_MAX_EMBEDDED &&
                l->out.bytes + payload.len + sizeof(head) <= l->out.max_bytes;
    if (!fits || !local_queue(l, slice_copy(head, bytes_written(&w)))) {
        slice_done(&payload);
        return;
    }
    if (payload.len > 0 && !local_queue(l, payload))
        shutdown(l->fd, SHUT_RDWR); /* half a packet; what comes of it is told later */
}

static void local_close(struct link *base)
{
    struct link_local *l = local_of(base);
    if (l->closed)
        return;
    l->closed = true;
    if (l->fd >= 0) {
        local_send(l, &(struct mqtt_packet){.type = MQTT_DISCONNECT});
        local_write(l); /* what does not fit into the socket is lost, as on any way */
    }
    local_disconnect(l);
    local_soon(l);
}

static void local_free(struct link *base)
{
    struct link_local *l = local_of(base);
    local_disconnect(l);
    event_del(&l->timer);
    slice_queue_done(&l->out);
    link_done(base);
    base->magic = 0;
    free(l);
}

static const struct link_kind local_kind = {
    .start = local_start,
    .set_presence = local_set_presence,
    .room = local_room,
    .max_payload = local_max_payload,
    .publish = local_publish,
    .close = local_close,
    .free = local_free,
};

struct link *link_local_create(const struct link_config *config, const struct sockaddr_un *address, unsigned address_len,
                               const char *client_id, unsigned origin)
{
    struct link_local *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return NULL;
    l->base.magic = LINK_MAGIC;
    l->fd = -1;
    l->origin = origin;
    l->address = *address;
    l->address_len = (socklen_t)address_len;
    snprintf(l->client_id, sizeof(l->client_id), "%s", client_id);
    slice_queue_init(&l->out, LOCAL_OUTPUT_HIGH + 2 * MQTT_PACKET_MAX);
    turn_init(&l->flush, on_flush);
    evtimer_assign(&l->timer, worker_events(config->worker), on_timer, &l->base);
    if (!link_init(&l->base, &local_kind, config)) {
        local_free(&l->base);
        return NULL;
    }
    return &l->base;
}
