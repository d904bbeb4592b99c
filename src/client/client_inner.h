/* SPDX-License-Identifier: Apache-2.0 */
/* The client's object, for the files that make it up. */
#ifndef CLIENT_CLIENT_INNER_H
#define CLIENT_CLIENT_INNER_H

#include <stdatomic.h>
#include <time.h>

#include "base/control_socket.h"
#include "base/object.h"
#include "base/watch.h"
#include "client/client.h"
#include "client/client_shard.h"
#include "client/placing.h"
#include "client/publicity.h"
#include "client/publish.h"
#include "peer/hub.h"
#include "relay/crew.h"

#define CLIENT_MAGIC 0x434c4945
#define REFUSAL_TEXT_MAX 1024

struct client {
    OBJECT_MAGIC;
    const char *id, *services_file;
    const char *host; /* where it connects to */
    struct crew crew;
    struct client_shard *shards;
    struct lookups *lookups;
    struct ledger *ledger;
    struct hub *hub;
    atomic_bool identified;
    int news;

    /* any thread */
    atomic_uint streams;
    atomic_bool gave_up, draining, ending;
    char last_why[160]; /* why there was no connection in the end: before `gave_up` */
    _Atomic(const struct error *) refused;

    /* worker 0's */
    struct watch *watch;
    struct catalog *catalog; /* the latest; a reference */
    struct publicity publicity;
    void (*announce)(void *ctx, const char *service, const char *url);
    void *announce_ctx;
    struct publish publish;
    struct placing placing;
    struct control_socket *control; /* NULL: none */
    bool connected;
    char connected_to[160], disconnected_why[160];
    time_t started_s, changed_s; /* when it started, and was connected or disconnected */
    unsigned connections;
    struct trust *trust;
    struct trust_whom server;
    struct gate *gate;
    struct inspector *inspector;
    bool trusted;                        /* a server with the right key has been there on this connection */
    struct fingerprint stranger;         /* the wrong key that the user was told of; all zero: none */
    bool limited;                        /* the attempts are */
};

extern const struct hub_events client_hub_events;
const struct error *client_admit(void *ctx, const char *id, const struct seal_peer *peer, bool again);
/* Ends tunnels on all workers, and tells their workstations who did. Any worker. */
void client_disconnect(void *ctx, const struct tunnel_owner *whose, const struct conduit_peer *asker, const char *who);
unsigned client_place(void *ctx, const struct open_head *head);
/* Wakes who polls client_news(). Any thread. */
void client_tell_news(struct client *c);

/* Why a server does not give us what `p` is about (ports, domains), with what to do about it. Worker 0. */
void client_refusal_text(const struct client *c, const struct public_port *p, char *out, size_t size);
/* Answers `status`, as a text or as JSON: heap, NULL without memory. Worker 0. */
char *client_status(struct client *c, bool json);
/* Watches the services file; before the workers run. False with errno. */
bool client_watch(struct client *c);
/* The catalogue for all workers and for the peers. Takes the reference. Worker 0, or before the workers run. */
void client_change_catalog(struct client *c, struct catalog *catalog);
/* The same, and says in the log what is in it. */
void client_publish_catalog(struct client *c, struct catalog *catalog);

#endif
