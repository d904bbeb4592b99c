/* SPDX-License-Identifier: Apache-2.0 */
/* The thread's half of a link with an MQTT session of its own: everything that may wait. */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "link/link_mqtt.h"
#include "link/probe.h"
#include "link/socket.h"
#include "mdm-tunnel/limits.h"

/* For CONNACK, SUBACK. */
#define ANSWER_TIMEOUT_S 10
/* For the presence to be cleared at the end. */
#define FAREWELL_TIMEOUT_MS 1000
/* A new address's routes come with it or soon after. */
#define NEW_ADDRESS_US (200 * US_PER_MS)

/* -- connecting ---------------------------------------------------------------------------------------------------- */

struct attempt {
    struct paho *paho;
    int fd;
    char note[LINK_NOTE_BYTES];
    char why[LINK_NOTE_BYTES]; /* of the last address that failed */
};

static bool close_is_wanted(struct link_mqtt *l)
{
    pthread_mutex_lock(&l->lock);
    bool wanted = l->close_wanted;
    pthread_mutex_unlock(&l->lock);
    return wanted;
}

/* The address in the front, the text cut before it would push that out. */
static void attempt_why(struct attempt *a, const char *text)
{
    snprintf(a->why, sizeof(a->why), "%.*s%s%.*s", 60, a->note, a->note[0] != '\0' ? ": " : "", 90, text);
}

static struct paho_config connect_config(const struct link_mqtt *l)
{
    const struct link_url *url = link_mqtt_url(l);
    uint64_t seconds = l->keep_alive_us / US_PER_S;
    return (struct paho_config){
        .client_id = l->client_id,
        .host = url->host,
        .port = url->port,
        .tls = url->tls,
        .path = url->websocket ? url->path : NULL,
        .ca_file = l->ca_file,
        .cert_file = l->cert_file,
        .key_file = l->key_file,
        .alpn = l->alpn,
        .proxy = l->proxy.port != 0 ? &l->proxy : NULL,
        .username = l->username,
        .password = l->password,
        .will_topic = l->base.presence_topic,
        .keep_alive_s = seconds < 1 ? 1 : seconds > UINT16_MAX ? UINT16_MAX : (unsigned)seconds,
        .timeout_s = ANSWER_TIMEOUT_S,
        .max_payload = l->max_payload,
    };
}

static struct paho *connect_version(struct link_mqtt *l, const struct addrinfo *address, enum paho_version version,
                                    struct paho_error *err)
{
    const struct paho_config config = connect_config(l);
    return paho_connect(&config, version, address->ai_addr, address->ai_addrlen, err);
}

static enum paho_version version_other(enum paho_version version)
{
    return version == PAHO_MQTT_5 ? PAHO_MQTT_3_1_1 : PAHO_MQTT_5;
}

/* No answer, and the library does not say why. An old broker may not even refuse MQTT 5: if nothing else is in the way, the
 * next attempt is with the other version. */
static void connect_silent(struct link_mqtt *l, const struct addrinfo *address, struct attempt *a)
{
    const struct paho_config config = connect_config(l);
    char why[LINK_PROBE_WHY];
    l->reluctant = link_probe(&config, address->ai_addr, address->ai_addrlen, NULL, why);
    l->version = l->reluctant ? version_other(l->version) : PAHO_MQTT_5;
    if (!l->reluctant)
        attempt_why(a, why);
}

/* MQTT 5; 3.1.1 where the broker is there but does not take that. */
static struct paho *connect_address(struct link_mqtt *l, const struct addrinfo *address, struct attempt *a)
{
    struct paho_error err;
    struct paho *p = connect_version(l, address, l->version, &err);
    if (p == NULL && err.version) {
        l->version = version_other(l->version);
        p = connect_version(l, address, l->version, &err);
    }
    if (p != NULL) {
        l->reluctant = false;
        return p;
    }
    attempt_why(a, err.text);
    if (err.silent)
        connect_silent(l, address, a);
    return NULL;
}

/* By name: the library, or the proxy, chooses the address. */
static bool by_name(const struct link_mqtt *l)
{
    return link_mqtt_url(l)->tls || link_mqtt_url(l)->websocket || l->proxy.port != 0;
}

static int find_socket(const struct link_mqtt *l, const struct addrinfo *address)
{
    int fd = -1;
    for (const struct addrinfo *i = address; i != NULL && fd < 0; i = by_name(l) ? i->ai_next : NULL)
        fd = socket_find(i->ai_addr, i->ai_addrlen);
    return fd;
}

static bool connect_one(struct link_mqtt *l, const struct addrinfo *address, struct attempt *a)
{
    const struct link_url *url = link_mqtt_url(l);
    if (l->proxy.port != 0)
        snprintf(a->note, sizeof(a->note), "%.60s:%u through %.60s:%u", url->host, url->port, l->proxy.host, l->proxy.port);
    else if (by_name(l))
        snprintf(a->note, sizeof(a->note), "%.100s:%u", url->host, url->port);
    else
        paho_address_text(address->ai_addr, address->ai_addrlen, a->note, sizeof(a->note));
    a->paho = connect_address(l, address, a);
    if (a->paho == NULL)
        return false;
    a->fd = find_socket(l, address);
    if (a->fd >= 0) {
        socket_tune(a->fd, 2 * l->keep_alive_us, l->max_payload + MQTT_TOPIC_MAX);
        return true;
    }
    attempt_why(a, "the connection's socket is not found in /proc/self/fd");
    paho_free(&a->paho);
    return false;
}

static bool connect_any(struct link_mqtt *l, struct attempt *a)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    const char *host = l->proxy.port != 0 ? l->proxy.host : link_mqtt_url(l)->host;
    char port[8];
    snprintf(port, sizeof(port), "%u", l->proxy.port != 0 ? l->proxy.port : link_mqtt_url(l)->port);
    int rc = getaddrinfo(host, port, &hints, &list);
    if (rc != 0) {
        snprintf(a->why, sizeof(a->why), "%.80s: %s", host, rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
        return false;
    }
    bool done = false;
    for (struct addrinfo *i = list; i != NULL && !done && !close_is_wanted(l); i = by_name(l) ? NULL : i->ai_next)
        done = connect_one(l, i, a);
    freeaddrinfo(list);
    return done;
}

static bool set_up(struct link_mqtt *l, struct attempt *a)
{
    struct paho_error err;
    if (!paho_subscribe(a->paho, l->base.filters, 0, &err) ||
        !paho_subscribe(a->paho, l->base.everywhere_filters, 0, &err)) {
        attempt_why(a, err.text);
        return false;
    }
    char *text = link_mqtt_presence_take(l);
    bool done = l->base.presence_topic == NULL ||
                paho_retain(a->paho, l->base.presence_topic, text == NULL ? "" : text);
    free(text);
    if (!done)
        attempt_why(a, "cannot publish the presence");
    return done;
}

/* -- one connection's life ----------------------------------------------------------------------------------------- */

/* Hands the connection to the worker and waits until it is given back. */
static void lend(struct link_mqtt *l, struct attempt *a)
{
    pthread_mutex_lock(&l->lock);
    l->up_paho = a->paho;
    l->up_fd = a->fd;
    snprintf(l->up_note, sizeof(l->up_note), "%s", a->note);
    l->up_pending = true;
    l->given_back = false;
    snprintf(l->given_back_why, sizeof(l->given_back_why), "closed");
    link_mqtt_post(l, &l->up_mail);
    while (!l->given_back)
        pthread_cond_wait(&l->changed, &l->lock);
    snprintf(a->why, sizeof(a->why), "%s", l->given_back_why);
    pthread_mutex_unlock(&l->lock);
}

/* Posts `down` and waits until the worker has taken it. */
static void post_down(struct link_mqtt *l, const char *why, uint64_t retry_us)
{
    pthread_mutex_lock(&l->lock);
    snprintf(l->down_why, sizeof(l->down_why), "%s", why);
    l->down_retry_us = retry_us;
    l->down_pending = true;
    link_mqtt_post(l, &l->down_mail);
    while ((l->up_pending || l->down_pending) && !l->abandoned)
        pthread_cond_wait(&l->changed, &l->lock);
    pthread_mutex_unlock(&l->lock);
}

/* Returns how long the connection lived. */
static uint64_t live(struct link_mqtt *l, struct attempt *a)
{
    uint64_t since = clock_now_us();
    lend(l, a);
    uint64_t lived_us = clock_now_us() - since;
    if (close_is_wanted(l) && l->base.presence_topic != NULL && paho_retain(a->paho, l->base.presence_topic, ""))
        paho_settle(a->paho, FAREWELL_TIMEOUT_MS);
    return lived_us;
}

static uint32_t random_u32(void)
{
    uint32_t r = 0;
    if (getrandom(&r, sizeof(r), 0) != sizeof(r))
        r = (uint32_t)clock_now_us();
    return r;
}

/* The next broker of a round is tried at once; a whole round without success counts as one failure. */
static uint64_t retry_next(struct link_mqtt *l, uint64_t lived_us, bool was_reluctant)
{
    if (lived_us == 0 && l->reluctant && !was_reluctant)
        return 0; /* the same one, with the other version */
    if (lived_us == 0) {
        l->url_at = (l->url_at + 1) % l->url_count;
        if (++l->url_failed < l->url_count)
            return 0;
    }
    l->url_failed = 0;
    return backoff_next(&l->backoff, lived_us, random_u32());
}

/* One connection from attempt to end; returns when to make the next one. */
static uint64_t connection_run(struct link_mqtt *l)
{
    struct attempt a = {.fd = -1};
    uint64_t lived_us = 0, began_us = clock_now_us();
    bool was_reluctant = l->reluctant;
    if (connect_any(l, &a) && set_up(l, &a))
        lived_us = live(l, &a);
    paho_free(&a.paho);
    if (a.fd >= 0)
        close(a.fd);
    uint64_t retry_us = close_is_wanted(l) ? CLOCK_NEVER : retry_next(l, lived_us, was_reluctant);
    if (lived_us == 0)
        retry_us = backoff_left(retry_us, clock_now_us() - began_us);
    post_down(l, a.why, retry_us);
    return retry_us;
}

/* False when the time has come. */
static bool timed_wait(struct link_mqtt *l, uint64_t until_us)
{
    const struct timespec at = {(time_t)(until_us / US_PER_S), (long)(until_us % US_PER_S * 1000)};
    return pthread_cond_timedwait(&l->changed, &l->lock, &at) == 0;
}

/* Waits for the next attempt, less when the machine gets a new address meanwhile; false when there is to be none. */
static bool pause_for(struct link_mqtt *l, uint64_t us)
{
    if (us == CLOCK_NEVER)
        return false;
    uint64_t until = clock_now_us() + us;
    pthread_mutex_lock(&l->lock);
    l->hurry = false;
    while (!l->close_wanted && timed_wait(l, until)) {
        uint64_t soon = clock_now_us() + NEW_ADDRESS_US;
        until = l->hurry && soon < until ? soon : until;
        l->hurry = false;
    }
    bool go_on = !l->close_wanted;
    pthread_mutex_unlock(&l->lock);
    return go_on;
}

void *link_mqtt_run(void *link)
{
    struct link_mqtt *l = link_mqtt_of(link);
    while (pause_for(l, connection_run(l)))
        ;
    pthread_mutex_lock(&l->lock);
    l->running = false;
    bool abandoned = l->abandoned;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    if (abandoned)
        link_mqtt_destroy(l);
    return NULL;
}
