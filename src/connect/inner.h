/* SPDX-License-Identifier: Apache-2.0 */
/* The workstation's object, for the files that make it up. */
#ifndef CONNECT_INNER_H
#define CONNECT_INNER_H

#include <event2/event_struct.h>
#include <stdatomic.h>

#include "base/object.h"
#include "connect/connect.h"
#include "connect/door.h"
#include "connect/plumb.h"
#include "connect/udp.h"
#include "peer/hub.h"
#include "relay/crew.h"
#include "dial/lookup.h"

#define CONNECT_MAGIC 0x636f6e6e
#define PROGRAM       "mdm-tunnel-connect"

enum device_state {
    DEVICE_AWAITED, /* nobody of that name with a right key was there yet */
    DEVICE_ASKED,   /* what it offers */
    DEVICE_READY,   /* its doors are open */
    DEVICE_FAILED,  /* for good; said */
};

/* Worker 0's. */
struct device {
    const char *id; /* a wish's */
    struct connect *connect;
    enum device_state state;
    struct hub_query *query;
    char address[NAME_MAX_BYTES + 300]; /* what its key stands under */
    struct fingerprint stranger;        /* the wrong key that the user was told of, once `told` */
    bool told;
};

struct connect_shard {
    struct visits visits;
    struct doorkeeper keepers[WISHES_MAX]; /* as the wishes */
};

struct connect {
    OBJECT_MAGIC;
    struct connect_config config;
    struct crew crew;
    struct connect_shard *shards;
    struct hub *hub;
    int news;
    struct door doors[WISHES_MAX];
    struct plumb *plumb; /* standard input and output */
    int plumb_fd;        /* until its visit takes it; -1 */
    struct lookups *lookups;

    /* any thread */
    atomic_int over; /* enum connect_over */
    atomic_bool ending;

    /* worker 0's */
    enum connect_public { PUBLIC_NOT_YET, PUBLIC_YES, PUBLIC_NO } published[WISHES_MAX];
    bool reached; /* the broker, once */
    struct back *backs[WISHES_MAX]; /* as the wishes; NULL: it does not listen */
    struct udp_door *udp_doors[WISHES_MAX];
    struct event timeout;
    unsigned device_count;
    struct device devices[HUB_IDS_MAX];
    const char *ids[HUB_IDS_MAX + 1];
};

/* -- connect.c: what happens on worker 0 -- */
extern const struct hub_events connect_hub_events;
const struct error *connect_admit(void *ctx, const char *id, const struct seal_peer *peer, bool again);
void connect_timed_out(evutil_socket_t fd, short what, void *arg);
/* Whether the device was there, and may be again. */
bool connect_is_ready(struct connect *c, const char *device);
/* The first one counts. Any thread. */
void connect_say_over(struct connect *c, enum connect_over over);

/* -- connect_life.c -- */
/* Opens the door of wish `index` on all workers. */
void connect_open_door(struct connect *c, unsigned index);
/* Likewise for datagrams, on worker 0. */
void connect_open_udp(struct connect *c, unsigned index);
/* Standard input and output become a visit. */
void connect_open_stdio(struct connect *c, unsigned index);

/* -- back.c -- */
/* Has the device of wish `index` listen, and says where; its connections come as streams. */
void connect_back(struct connect *c, unsigned index);
/* Those of the device that do not listen any more: it, or its session, was gone. */
void connect_back_again(struct connect *c, const char *device);
/* A connection there. Takes the conduit over. */
void connect_back_open(struct connect *c, unsigned worker, struct conduit *conduit, const struct open_head *head);
/* No news of them any more. */
void connect_backs_end(struct connect *c);

/* -- publish.c -- */
/* Asks the device of wish `index` to make its service public, and says where it is. */
void connect_publish(struct connect *c, unsigned index);
/* When there is no device left to wait for: the end. */
void connect_publish_look(struct connect *c);

#endif
