/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link with an MQTT session of its own, in two halves: link_mqtt.c is the worker's (publishing, callbacks),
 * link_mqtt_thread.c the thread's (connecting, subscribing, presence, waiting). For this folder only.
 *
 *     thread:  connect, subscribe, presence --up--> ... lost or close ... disconnect --down--> wait until taken, free
 *     worker:                                 publish ....................................... forget paho
 *
 * `up` and `down` are mails of which one each is on its way at most; a connection's object lives until the worker has
 * taken its `down`, so nothing late of an old connection can meet a new one.
 */
#ifndef LINK_LINK_MQTT_H
#define LINK_LINK_MQTT_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>

#include "link/backoff.h"
#include "link/link_kind.h"
#include "link/paho.h"

#define LINK_NOTE_BYTES 160

/* A message between paho's thread and the worker. */
struct link_message {
    struct list node;
    struct slice payload;
    bool retained;
    char topic[];
};

struct link_mqtt {
    struct link base; /* base.presence is under the lock */

    /* constant from creation on */
    char *host, *client_id, *username, *password;
    char *path, *ca_file, *cert_file, *key_file, *alpn; /* NULL: none */
    bool tls;
    uint16_t port;
    uint64_t keep_alive_us;
    size_t max_payload;

    /* the worker's */
    struct paho *paho; /* from `up` to `down`, else NULL */
    int fd;            /* a duplicate of its socket, for room and events only; -1 */
    struct event writable_event, closed_event, room_timer, silence_timer;
    size_t payload_max; /* of this connection */
    size_t room;        /* of the socket when last asked, less what was published since */
    bool broken;        /* the other end has closed: `down` is on its way, publishing would only wait for it */
    bool closed;        /* link_close() was called */
    bool started;

    /* the thread's */
    pthread_t thread;
    struct backoff backoff;
    enum paho_version version; /* to try first */
    bool reluctant;            /* the broker takes connections, but did not answer the last CONNECT */

    /* everybody's, under the lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool close_wanted, presence_changed, lost;
    bool running;   /* the thread */
    bool abandoned; /* link_free() waited long enough: the thread frees the link when it comes back */
    unsigned posting;
    bool posts_awaited; /* who waits for `posting` to become 0 wants to be told */
    char lost_why[LINK_NOTE_BYTES];

    struct mail up_mail;
    bool up_pending;
    struct paho *up_paho;
    int up_fd;
    char up_note[LINK_NOTE_BYTES];

    struct mail down_mail;
    bool down_pending;
    uint64_t down_retry_us;
    char down_why[LINK_NOTE_BYTES];

    struct mail inbox_mail;
    bool inbox_pending;
    struct list inbox;
    size_t inbox_bytes;
    unsigned inbox_count;
    uint64_t inbox_dropped;
};

static inline struct link_mqtt *link_mqtt_of(struct link *l)
{
    CHECK_OBJECT(l, LINK_MAGIC);
    return CONTAINER_OF(l, struct link_mqtt, base);
}

/* The thread's main function; ends after a close or the last attempt. */
void *link_mqtt_run(void *link);
/* Callbacks of paho, on its threads. */
extern const struct paho_events link_mqtt_paho_events;
/* Posts mail to the worker; called with the lock held, lets go of it meanwhile. Nothing is posted once abandoned. */
void link_mqtt_post(struct link_mqtt *l, struct mail *m);
void link_mqtt_destroy(struct link_mqtt *l);

#endif
