/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link with an MQTT session of its own: link_mqtt.c is its life, link_mqtt_io.c what the worker does with a
 * connection, link_mqtt_thread.c what may block. For this folder only.
 *
 *     thread:  connect, subscribe, presence --up-->               ... farewell, disconnect --down--> pause, again
 *     worker:                                  receive, publish <-- lost or closed                  tell
 *
 * A connection has one owner: the thread, until the worker has taken `up`; the worker, until it gives it back. `up` and
 * `down` are mails of which one each is on its way at most.
 */
#ifndef LINK_LINK_MQTT_H
#define LINK_LINK_MQTT_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>

#include "link/backoff.h"
#include "link/link_kind.h"
#include "link/network.h"
#include "link/paho.h"
#include "link/proxy.h"

#define LINK_NOTE_BYTES 160

struct link_mqtt {
    struct link base; /* base.presence is under the lock */

    /* constant from creation on */
    struct link_url *urls;
    unsigned url_count;
    char *client_id, *username, *password;
    char *ca_file, *cert_file, *key_file, *alpn; /* NULL: none */
    struct link_proxy proxy;
    uint64_t keep_alive_us;
    size_t max_payload;

    /* the worker's */
    struct paho *paho; /* while it owns the connection, else NULL */
    int fd;            /* a duplicate of its socket, which the thread closes; -1 */
    struct event read_event, write_event, room_timer, tick;
    struct network_watch network; /* from the start until it is closed */
    size_t payload_max; /* of this connection */
    size_t room;        /* of the socket when last asked, less what was published since */
    bool behind;        /* paho may hold messages that no event tells of */
    bool boundary;      /* the next byte of the socket begins a packet, as far as can be told */
    bool read_paused;   /* until the socket is writable */
    bool broken;        /* publishing failed: given back by the next event */
    bool told_up;       /* and not down since */
    bool closed;        /* link_close() was called */
    bool started;

    /* the thread's */
    pthread_t thread;
    unsigned url_at;     /* the one that is tried or connected */
    unsigned url_failed; /* in a row, in this round */
    struct backoff backoff;
    enum paho_version version; /* to try first */
    bool reluctant;            /* the broker takes connections, but did not answer the last CONNECT */

    /* everybody's, under the lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool close_wanted;
    bool hurry; /* the machine has a new address: no reason to wait for long */
    bool presence_changed; /* since it was published */
    bool running;          /* the thread */
    bool abandoned;        /* link_free() waited long enough: the thread frees the link when it comes back */
    unsigned posting;
    bool posts_awaited; /* who waits for `posting` to become 0 wants to be told */
    bool given_back;    /* the worker has no connection any more */
    char given_back_why[LINK_NOTE_BYTES];

    struct mail up_mail;
    bool up_pending;
    struct paho *up_paho;
    int up_fd;
    char up_note[LINK_NOTE_BYTES];

    struct mail down_mail;
    bool down_pending;
    uint64_t down_retry_us;
    char down_why[LINK_NOTE_BYTES];
};

static inline struct link_mqtt *link_mqtt_of(struct link *l)
{
    CHECK_OBJECT(l, LINK_MAGIC);
    return CONTAINER_OF(l, struct link_mqtt, base);
}

/* The broker that is tried or connected. */
static inline const struct link_url *link_mqtt_url(const struct link_mqtt *l) { return &l->urls[l->url_at]; }

/* The thread's main function; ends after a close or the last attempt. */
void *link_mqtt_run(void *link);
/* Posts mail to the worker; called with the lock held, lets go of it meanwhile. Nothing is posted once abandoned. */
void link_mqtt_post(struct link_mqtt *l, struct mail *m);
/* The presence text, which counts as published now; NULL when there is none, or no memory. The caller's to free. */
char *link_mqtt_presence_take(struct link_mqtt *l);
void link_mqtt_destroy(struct link_mqtt *l);

/* -- the worker with its connection -------------------------------------------------------------------------------- */

void link_mqtt_attach(struct link_mqtt *l, struct paho *p, int fd);
/* Takes what came before the worker had the connection. */
void link_mqtt_receive(struct link_mqtt *l);
/* Gives the connection back to the thread, with the reason for the log; nothing when there is none. */
void link_mqtt_give_back(struct link_mqtt *l, const char *why);
/* Publishes the presence if it has changed; later when there is no room now. */
void link_mqtt_presence_send(struct link_mqtt *l);
size_t link_mqtt_room(struct link *base, const char *topic);
void link_mqtt_publish(struct link *base, const char *topic, struct slice payload);

#endif
