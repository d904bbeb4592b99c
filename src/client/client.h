/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client: the home side as an object. One MQTT session on worker 0, the hub, and on every worker the local
 * connections of the streams that were placed there.
 *
 *     create -> start -> drain (no new streams) -> end (streams cut, goodbye said) -> free
 *
 * Everything but the callbacks below it is called by one thread that is no worker.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/pulse.h"
#include "client/audit.h"
#include "client/catalog.h"
#include "client/gate.h"
#include "client/publicity.h"
#include "relay/trust.h"
#include "relay/way.h"

struct client;
struct inspector;

struct client_config {
    const char *id;
    const char *instance;
    const struct way *way;
    unsigned workers;
    unsigned weight; /* among the clients with this id */
    struct catalog *catalog;   /* a reference is taken */
    struct trust *trust;       /* outlives the client; NULL: no encryption */
    struct trust_whom server;  /* whom it is asked about */
    struct gate *gate;         /* outlives the client; NULL: no workstations, with trust NULL */
    struct inspector *inspector; /* outlives the client; NULL: nobody looks at what passes */
    struct audit *audit;       /* outlives the client; NULL: nothing is written of tunnels */
    /* The services have these URLs for their visitors: on worker 0, whenever a server has said so. With it the client gives up when
     * a service gets no public port. NULL: nobody wants to know. */
    void (*announce)(void *ctx, const char *service, const char *url);
    void *announce_ctx;
    const char *directory;     /* where it can be asked (base/control_socket.h); NULL: nowhere */
    const char *services_file; /* watched, and read again when it changes; NULL: none */
};

/* Connects to nothing yet. NULL and *err when not (memory, descriptors). The strings must outlive the client. */
struct client *client_create(const struct client_config *config, struct config_error *err);
/* Starts the workers, which connect. 0 or an errno. */
int client_start(struct client *c);
/* Reads the services file again. */
void client_reload(struct client *c);
/* Takes no new streams; HTTP connections that wait for the next request are closed. */
void client_drain(struct client *c);
/* Cuts what is left, takes leave of the server, stops the workers. Takes a second or two at most. */
void client_end(struct client *c);
void client_free(struct client **c);

/* Becomes readable (poll(2)) when one of the following may have changed; an eventfd(2), the reader resets it. */
int client_news(const struct client *c);
/* Streams that are open. */
unsigned client_streams(const struct client *c);
/* Whether the server, or the broker, has ever let us in. */
bool client_identified(const struct client *c);
/* A pulse of the client's workers; after client_start(). */
void client_pulse(const struct client *c, struct pulse *out);
/* max_attempts are used up, or the server refuses us and they are limited. */
bool client_gave_up(const struct client *c);
/* And why there was no connection in the end; "" where that was not the reason. Once it has given up. */
const char *client_last_why(const struct client *c);
/* How it is, for people. */
#define CLIENT_LOOK_SERVICES_MAX 16
struct client_look {
    bool connected;
    time_t since_s;     /* connected, or not */
    unsigned reconnects;
    char about[160];    /* where it is connected to, or why it is not */
    unsigned sessions;  /* with servers */
    bool encrypted, away; /* the first one: away: the way to it is lost for now */
    uint64_t round_trip_us; /* 0: not known */
    unsigned connections; /* to local services */
    uint64_t streams, refused, sent, received; /* in all; bytes of streams */
    unsigned services;  /* of which the first ones follow */
    struct client_look_service {
        char name[NAME_MAX_BYTES + 1], target[256], url[PUBLIC_URL_MAX]; /* "": none */
    } service[CLIENT_LOOK_SERVICES_MAX];
    char public_host[PUBLIC_HOST_MAX + 1]; /* where the server's visitors of HTTP come; "" and port 0: it has not said */
    uint16_t public_port;
    bool public_tls;
};
/* Asks worker 0 and waits for `limit_us` at most. False: there was no answer. */
bool client_look(struct client *c, struct client_look *out, uint64_t limit_us);
/* Why there is no session with the server although it can be reached; NULL: no such reason. */
const struct error *client_refused(const struct client *c);

#endif
