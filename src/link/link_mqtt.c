/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's half of a link with an MQTT session of its own. Nothing here waits. */
#include "link/link_mqtt.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counters.h"
#include "link/socket.h"
#include "mdm-tunnel/limits.h"

/* Less room than this is none: envelopes would get too small. */
#define ROOM_MIN (4 * KIB)
/* A PUBLISH's fixed head, topic length and properties beyond topic and payload. */
#define PACKET_OVERHEAD 16
/* When the kernel calls a socket writable that has less room than we want. */
#define ROOM_RETRY_US (5 * US_PER_MS)
/* Without any received byte for so many keep-alive times the connection is given up. */
#define SILENCE_KEEP_ALIVES 2
/* link_free() waits so long for a thread that is stuck in the resolver or the library. */
#define FREE_WAIT_S 3

void link_mqtt_post(struct link_mqtt *l, struct mail *m)
{
    if (l->abandoned) {
        pthread_mutex_unlock(&l->lock);
        m->discard(m);
        pthread_mutex_lock(&l->lock);
        return;
    }
    l->posting++;
    pthread_mutex_unlock(&l->lock);
    worker_post(l->base.worker, m);
    pthread_mutex_lock(&l->lock);
    l->posting--;
    if (l->posts_awaited)
        pthread_cond_broadcast(&l->changed);
}

/* -- publishing ---------------------------------------------------------------------------------------------------- */

static size_t message_cost(const char *topic, size_t len)
{
    return len + strlen(topic) + PACKET_OVERHEAD + SOCKET_MESSAGE_COST;
}

static bool mqtt_can_publish(const struct link_mqtt *l) { return l->paho != NULL && !l->broken && !l->closed; }

static size_t mqtt_room(struct link *base, const char *topic)
{
    struct link_mqtt *l = link_mqtt_of(base);
    if (!mqtt_can_publish(l))
        return 0;
    size_t overhead = message_cost(topic, 0);
    if (l->room < l->payload_max + overhead)
        l->room = socket_room(l->fd);
    if (l->room < ROOM_MIN + overhead) {
        event_add(&l->writable_event, NULL);
        return 0;
    }
    size_t room = l->room - overhead;
    return room < l->payload_max ? room : l->payload_max;
}

static void mqtt_publish(struct link *base, const char *topic, struct slice payload)
{
    struct link_mqtt *l = link_mqtt_of(base);
    size_t cost = message_cost(topic, payload.len);
    if (mqtt_can_publish(l) && payload.len <= l->payload_max) {
        if (l->room < cost)
            l->room = socket_room(l->fd);
        /* A publish that fails makes paho free the messages that its other thread may be handing to us, so none is
         * made on a connection that has ended. One that ends between this look and paho's write is left open. */
        l->broken = !socket_is_connected(l->fd);
        if (!l->broken && l->room >= cost) {
            paho_publish(l->paho, topic, payload.data, payload.len);
            l->room -= cost;
        }
    }
    slice_done(&payload);
}

static size_t mqtt_max_payload(const struct link *base)
{
    return CONTAINER_OF(base, const struct link_mqtt, base)->max_payload;
}

static void on_socket_writable(evutil_socket_t fd, short what, void *arg)
{
    struct link_mqtt *l = link_mqtt_of(arg);
    (void)fd;
    (void)what;
    if (!mqtt_can_publish(l))
        return;
    l->room = socket_room(l->fd);
    if (l->room >= ROOM_MIN + SOCKET_MESSAGE_COST + MQTT_TOPIC_MAX)
        link_tell_writable(&l->base);
    else {
        const struct timeval pause = {0, ROOM_RETRY_US};
        event_add(&l->room_timer, &pause);
    }
}

static void on_socket_closed(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    link_mqtt_of(arg)->broken = true;
}

/* The library asks for a sign of life after each keep-alive time of silence; after two the path is dead. Shutting the
 * socket down is what the library notices at once. */
static void on_silence_due(evutil_socket_t fd, short what, void *arg)
{
    struct link_mqtt *l = link_mqtt_of(arg);
    (void)fd;
    (void)what;
    uint64_t silent_us = socket_silent_us(l->fd), dead_us = SILENCE_KEEP_ALIVES * l->keep_alive_us;
    if (silent_us >= dead_us) {
        l->broken = true;
        shutdown(l->fd, SHUT_RDWR);
        return;
    }
    uint64_t left_us = dead_us - silent_us;
    const struct timeval left = {(time_t)(left_us / US_PER_S), (suseconds_t)(left_us % US_PER_S)};
    event_add(&l->silence_timer, &left);
}

/* -- messages ------------------------------------------------------------------------------------------------------ */

static void message_free(struct link_message *m)
{
    slice_done(&m->payload);
    free(m);
}

/* Takes all that has come; returns how many were dropped before it. */
static uint64_t inbox_take(struct link_mqtt *l, struct list *out)
{
    list_init(out);
    pthread_mutex_lock(&l->lock);
    list_splice(out, &l->inbox);
    l->inbox_bytes = 0;
    l->inbox_count = 0;
    uint64_t dropped = l->inbox_dropped;
    l->inbox_dropped = 0;
    pthread_mutex_unlock(&l->lock);
    return dropped;
}

static void inbox_drain(struct link_mqtt *l, bool tell)
{
    struct list arrived;
    uint64_t dropped = inbox_take(l, &arrived);
    if (dropped > 0)
        counter_add(counters_self(), COUNTER_link_dropped, dropped);
    for (struct list *node; (node = list_shift(&arrived)) != NULL;) {
        struct link_message *m = CONTAINER_OF(node, struct link_message, node);
        if (tell)
            link_tell_message(&l->base, m->topic, &m->payload, m->retained, worker_index(l->base.worker));
        message_free(m);
    }
}

static void inbox_deliver(struct worker *self, struct mail *m)
{
    struct link_mqtt *l = CONTAINER_OF(m, struct link_mqtt, inbox_mail);
    CHECK_OBJECT(&l->base, LINK_MAGIC);
    (void)self;
    pthread_mutex_lock(&l->lock);
    l->inbox_pending = false;
    pthread_mutex_unlock(&l->lock);
    if (l->paho != NULL) /* else it waits for `up` */
        inbox_drain(l, true);
}

static void inbox_discard(struct mail *m)
{
    struct link_mqtt *l = CONTAINER_OF(m, struct link_mqtt, inbox_mail);
    pthread_mutex_lock(&l->lock);
    l->inbox_pending = false;
    pthread_mutex_unlock(&l->lock);
}

/* -- up and down --------------------------------------------------------------------------------------------------- */

static void mqtt_attach(struct link_mqtt *l, struct paho *p, int fd)
{
    struct event_base *events = worker_events(l->base.worker);
    size_t overhead = MQTT_TOPIC_MAX + PACKET_OVERHEAD;
    size_t packet_max = paho_packet_max(p) > overhead ? paho_packet_max(p) - overhead : 0;
    l->paho = p;
    l->fd = fd;
    l->room = 0;
    l->broken = false;
    l->payload_max = packet_max < l->max_payload ? packet_max : l->max_payload;
    /* Edge-triggered, so that an error that nobody asked for does not keep the loop busy. */
    event_assign(&l->writable_event, events, fd, EV_WRITE | EV_ET, on_socket_writable, &l->base);
    event_assign(&l->closed_event, events, fd, EV_CLOSED | EV_ET, on_socket_closed, &l->base);
    evtimer_assign(&l->room_timer, events, on_socket_writable, &l->base);
    evtimer_assign(&l->silence_timer, events, on_silence_due, &l->base);
    event_add(&l->closed_event, NULL);
    on_silence_due(fd, EV_TIMEOUT, &l->base);
}

/* While the loop runs, the library has closed its descriptor before (`down` comes after the disconnect): only so
 * does the kernel forget this one together with its events. */
static void mqtt_detach(struct link_mqtt *l)
{
    if (l->fd < 0)
        return;
    event_del(&l->writable_event);
    event_del(&l->closed_event);
    event_del(&l->room_timer);
    event_del(&l->silence_timer);
    close(l->fd);
    l->fd = -1;
    l->paho = NULL;
}

static void up_deliver(struct worker *self, struct mail *m)
{
    struct link_mqtt *l = CONTAINER_OF(m, struct link_mqtt, up_mail);
    CHECK_OBJECT(&l->base, LINK_MAGIC);
    (void)self;
    char note[LINK_NOTE_BYTES];
    pthread_mutex_lock(&l->lock);
    struct paho *p = l->up_paho;
    int fd = l->up_fd;
    memcpy(note, l->up_note, sizeof(note));
    l->up_fd = -1;
    l->up_pending = false;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    if (l->closed) {
        close(fd);
        return;
    }
    mqtt_attach(l, p, fd);
    link_tell_up(&l->base, note);
    inbox_drain(l, true);
}

static void up_discard(struct mail *m)
{
    struct link_mqtt *l = CONTAINER_OF(m, struct link_mqtt, up_mail);
    pthread_mutex_lock(&l->lock);
    close(l->up_fd);
    l->up_fd = -1;
    l->up_pending = false;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

static void down_deliver(struct worker *self, struct mail *m)
{
    struct link_mqtt *l = CONTAINER_OF(m, struct link_mqtt, down_mail);
    CHECK_OBJECT(&l->base, LINK_MAGIC);
    (void)self;
    char why[LINK_NOTE_BYTES];
    bool was_up = l->paho != NULL;
    inbox_drain(l, was_up);
    mqtt_detach(l);
    pthread_mutex_lock(&l->lock);
    memcpy(why, l->down_why, sizeof(why));
    uint64_t retry_us = l->down_retry_us;
    l->down_pending = false;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    if (was_up || !l->closed)
        link_tell_down(&l->base, why, retry_us);
}

static void down_discard(struct mail *m)
{
    struct link_mqtt *l = CONTAINER_OF(m, struct link_mqtt, down_mail);
    pthread_mutex_lock(&l->lock);
    l->down_pending = false;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

/* No signal is for this thread, nor for those that the library starts from it. */
static int mqtt_thread_create(struct link_mqtt *l)
{
    sigset_t all, saved;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved);
    int error = pthread_create(&l->thread, NULL, link_mqtt_run, &l->base);
    pthread_sigmask(SIG_SETMASK, &saved, NULL);
    if (error == 0)
        pthread_setname_np(l->thread, "mqtt-link");
    return error;
}

static void mqtt_start(struct link *base)
{
    struct link_mqtt *l = link_mqtt_of(base);
    assert(!l->started);
    l->running = true;
    l->started = mqtt_thread_create(l) == 0;
    if (l->started)
        return;
    l->running = false;
    memcpy(l->down_why, "no thread", sizeof("no thread"));
    l->down_retry_us = CLOCK_NEVER;
    l->down_pending = true;
    worker_post(base->worker, &l->down_mail);
}

static void mqtt_set_presence(struct link *base, const char *presence)
{
    struct link_mqtt *l = link_mqtt_of(base);
    char *copy = presence == NULL ? NULL : strdup(presence);
    if (presence != NULL && copy == NULL)
        return;
    pthread_mutex_lock(&l->lock);
    char *old = base->presence;
    base->presence = copy;
    l->presence_changed = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    free(old);
}

static void mqtt_close(struct link *base)
{
    struct link_mqtt *l = link_mqtt_of(base);
    l->closed = true;
    pthread_mutex_lock(&l->lock);
    l->close_wanted = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

/* Waits for the thread for a bounded time; false when it was abandoned. */
static bool mqtt_thread_end(struct link_mqtt *l)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += FREE_WAIT_S;
    pthread_mutex_lock(&l->lock);
    while (l->running && pthread_cond_timedwait(&l->changed, &l->lock, &until) == 0)
        ;
    l->abandoned = l->running;
    l->posts_awaited = true;
    while (l->posting > 0)
        pthread_cond_wait(&l->changed, &l->lock);
    pthread_cond_broadcast(&l->changed);
    bool ended = !l->abandoned;
    if (!ended)
        pthread_detach(l->thread);
    pthread_mutex_unlock(&l->lock);
    return ended;
}

static void mqtt_free(struct link *base)
{
    struct link_mqtt *l = link_mqtt_of(base);
    mqtt_close(base);
    mqtt_detach(l);
    if (l->started && !mqtt_thread_end(l))
        return;
    if (l->started)
        pthread_join(l->thread, NULL);
    link_mqtt_destroy(l);
}

void link_mqtt_destroy(struct link_mqtt *l)
{
    struct list left;
    inbox_take(l, &left);
    for (struct list *node; (node = list_shift(&left)) != NULL;)
        message_free(CONTAINER_OF(node, struct link_message, node));
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    link_done(&l->base);
    free(l->host);
    free(l->client_id);
    free(l->username);
    free(l->path);
    free(l->ca_file);
    free(l->cert_file);
    free(l->key_file);
    free(l->alpn);
    if (l->password != NULL)
        explicit_bzero(l->password, strlen(l->password));
    free(l->password);
    l->base.magic = 0;
    free(l);
}

static const struct link_kind mqtt_kind = {
    .start = mqtt_start,
    .set_presence = mqtt_set_presence,
    .room = mqtt_room,
    .max_payload = mqtt_max_payload,
    .publish = mqtt_publish,
    .close = mqtt_close,
    .free = mqtt_free,
};

static void mails_init(struct link_mqtt *l)
{
    l->up_mail = (struct mail){.deliver = up_deliver, .discard = up_discard};
    l->down_mail = (struct mail){.deliver = down_deliver, .discard = down_discard};
    l->inbox_mail = (struct mail){.deliver = inbox_deliver, .discard = inbox_discard};
    list_init(&l->inbox);
}

static void locks_init(struct link_mqtt *l)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&l->lock, NULL);
}

/* False without memory. */
static bool text_copy(char **out, const char *text)
{
    *out = text == NULL ? NULL : strdup(text);
    return text == NULL || *out != NULL;
}

static bool settings_copy(struct link_mqtt *l, const struct link_mqtt_config *mqtt)
{
    l->port = mqtt->port;
    l->keep_alive_us = mqtt->keep_alive_us;
    l->max_payload = mqtt->max_payload;
    l->backoff.max_failures = mqtt->max_attempts;
    l->version = PAHO_MQTT_5;
    l->host = strdup(mqtt->host);
    l->client_id = strdup(mqtt->client_id);
    l->tls = mqtt->tls;
    return l->host != NULL && l->client_id != NULL && text_copy(&l->username, mqtt->username) &&
           text_copy(&l->password, mqtt->password) && text_copy(&l->path, mqtt->path) &&
           text_copy(&l->ca_file, mqtt->ca_file) && text_copy(&l->cert_file, mqtt->cert_file) &&
           text_copy(&l->key_file, mqtt->key_file) && text_copy(&l->alpn, mqtt->alpn);
}

struct link *link_mqtt_create(const struct link_config *config, const struct link_mqtt_config *mqtt)
{
    struct link_mqtt *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return NULL;
    l->base.magic = LINK_MAGIC;
    l->fd = l->up_fd = -1;
    locks_init(l);
    mails_init(l);
    bool settings = settings_copy(l, mqtt);
    if (!link_init(&l->base, &mqtt_kind, config) || !settings) {
        link_mqtt_destroy(l);
        return NULL;
    }
    return &l->base;
}
