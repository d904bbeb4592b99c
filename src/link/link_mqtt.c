/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a link with an MQTT session of its own: what comes from the thread, and its ends. */
#include "link/link_mqtt.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

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

static size_t mqtt_max_payload(const struct link *base)
{
    return CONTAINER_OF(base, const struct link_mqtt, base)->max_payload;
}

/* -- up and down --------------------------------------------------------------------------------------------------- */

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
    l->up_pending = false;
    l->given_back = l->closed;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    if (l->closed)
        return;
    link_mqtt_attach(l, p, fd);
    l->told_up = true;
    link_tell_up(&l->base, note);
    link_mqtt_presence_send(l);
    link_mqtt_receive(l);
}

static void up_discard(struct mail *m)
{
    struct link_mqtt *l = CONTAINER_OF(m, struct link_mqtt, up_mail);
    pthread_mutex_lock(&l->lock);
    l->up_pending = false;
    l->given_back = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

static void down_deliver(struct worker *self, struct mail *m)
{
    struct link_mqtt *l = CONTAINER_OF(m, struct link_mqtt, down_mail);
    CHECK_OBJECT(&l->base, LINK_MAGIC);
    (void)self;
    char why[LINK_NOTE_BYTES];
    pthread_mutex_lock(&l->lock);
    memcpy(why, l->down_why, sizeof(why));
    uint64_t retry_us = l->down_retry_us;
    l->down_pending = false;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    bool was_up = l->told_up;
    l->told_up = false;
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

/* -- addresses ----------------------------------------------------------------------------------------------------- */

static void on_address(void *ctx, const struct network_address *address, bool came)
{
    struct link_mqtt *l = ctx;
    if (!came && l->fd >= 0 && network_is_local_end(l->fd, address))
        link_mqtt_give_back(l, "the connection's own address is gone from this machine");
    if (!came)
        return;
    pthread_mutex_lock(&l->lock);
    l->hurry = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

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
    network_open(&l->network, worker_events(base->worker), on_address, l);
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

char *link_mqtt_presence_take(struct link_mqtt *l)
{
    pthread_mutex_lock(&l->lock);
    l->presence_changed = false;
    char *text = l->base.presence == NULL ? NULL : strdup(l->base.presence);
    pthread_mutex_unlock(&l->lock);
    return text;
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
    pthread_mutex_unlock(&l->lock);
    free(old);
    link_mqtt_presence_send(l);
}

static void mqtt_close(struct link *base)
{
    struct link_mqtt *l = link_mqtt_of(base);
    l->closed = true;
    network_close(&l->network);
    pthread_mutex_lock(&l->lock);
    l->close_wanted = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    link_mqtt_give_back(l, "closed");
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
    if (l->started && !mqtt_thread_end(l))
        return;
    if (l->started)
        pthread_join(l->thread, NULL);
    link_mqtt_destroy(l);
}

void link_mqtt_destroy(struct link_mqtt *l)
{
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    link_done(&l->base);
    free(l->urls);
    free(l->client_id);
    free(l->username);
    free(l->ca_file);
    free(l->cert_file);
    free(l->key_file);
    free(l->alpn);
    if (l->password != NULL)
        explicit_bzero(l->password, strlen(l->password));
    free(l->password);
    explicit_bzero(&l->proxy, sizeof(l->proxy));
    l->base.magic = 0;
    free(l);
}

static const struct link_kind mqtt_kind = {
    .start = mqtt_start,
    .set_presence = mqtt_set_presence,
    .room = link_mqtt_room,
    .max_payload = mqtt_max_payload,
    .publish = link_mqtt_publish,
    .close = mqtt_close,
    .free = mqtt_free,
};

static void mails_init(struct link_mqtt *l)
{
    l->up_mail = (struct mail){.deliver = up_deliver, .discard = up_discard};
    l->down_mail = (struct mail){.deliver = down_deliver, .discard = down_discard};
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
    l->keep_alive_us = mqtt->keep_alive_us;
    l->max_payload = mqtt->max_payload;
    l->backoff.max_failures = mqtt->max_attempts;
    l->version = PAHO_MQTT_5;
    l->url_count = mqtt->url_count;
    l->urls = calloc(mqtt->url_count, sizeof(*l->urls));
    if (l->urls == NULL)
        return false;
    memcpy(l->urls, mqtt->urls, mqtt->url_count * sizeof(*l->urls));
    l->client_id = strdup(mqtt->client_id);
    if (mqtt->proxy != NULL)
        l->proxy = *mqtt->proxy;
    return l->client_id != NULL && text_copy(&l->username, mqtt->username) &&
           text_copy(&l->password, mqtt->password) &&
           text_copy(&l->ca_file, mqtt->ca_file) && text_copy(&l->cert_file, mqtt->cert_file) &&
           text_copy(&l->key_file, mqtt->key_file) && text_copy(&l->alpn, mqtt->alpn);
}

struct link *link_mqtt_create(const struct link_config *config, const struct link_mqtt_config *mqtt)
{
    struct link_mqtt *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return NULL;
    l->base.magic = LINK_MAGIC;
    l->fd = l->network.fd = -1;
    locks_init(l);
    mails_init(l);
    bool settings = settings_copy(l, mqtt);
    if (!link_init(&l->base, &mqtt_kind, config) || !settings) {
        link_mqtt_destroy(l);
        return NULL;
    }
    return &l->base;
}
