/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Front: the public side of one worker. Its own listening socket, its own libmicrohttpd daemon in the worker's loop,
 * its own visitors, exchanges, idle streams. All calls on the worker, but for those that say otherwise.
 */
#ifndef SERVER_FRONT_H
#define SERVER_FRONT_H

#include "base/worker.h"
#include "gate/shelf.h"
#include "peer/hub.h"
#include "server/acceptor.h"
#include "base/line_log.h"
#include "server/deadline.h"
#include "server/known.h"
#include "server/route.h"
#include "server/kept_file.h"
#include "server/server_settings.h"
#include "server/template.h"
#include "server/upstream.h"
#include "server/hangup.h"
#include "server/tally.h"
#include "wire/http.h"

struct MHD_Daemon;
struct bridge;
struct broker_shard;
struct proven;
struct status;
struct tls_store;
struct event;
struct exchange;

#define FRONT_MAGIC 0x66726f6e
#define MAINTENANCE_FILE "maintenance"

struct front_config {
    struct worker *worker;
    const struct server_settings *settings; /* outlives the front */
    struct hub_shard *shard;
    struct edge *edge;
    const struct hook_chain *hooks; /* NULL: none */
    int listen_fd;      /* the front's own from now on */
    int tls_listen_fd;  /* likewise; -1: none */
    uint16_t port, https_port; /* as visitors reach them */
    struct broker_shard *broker; /* ours, of this worker; NULL: none */
    const struct tls_store *certificates; /* NULL: TLS is passed through only */
    struct line_log *access; /* NULL: none */
    const char *state_dir; /* where the switch of all services is */
    const char *known;  /* client ids of earlier runs, a line each; NULL: none */
    /* How the server is. */
    void (*look)(void *ctx, struct status *out);
    /* A client was seen for the first time: `text` (heap, the callee's) is to be remembered. NULL: not its job. */
    void (*remember)(void *ctx, char *text);
    /* After front_drain(): nothing is in flight any more. Called once, on the worker. */
    void (*drained)(void *ctx);
    void *ctx;
};

struct front {
    OBJECT_MAGIC;
    struct front_config config;
    struct worker *worker;
    struct hub_shard *shard;
    struct MHD_Daemon *daemon;
    struct event *ready; /* libmicrohttpd's epoll set has news */
    struct turn turn;    /* runs libmicrohttpd */
    struct hangup_set hangups;
    struct deadlines deadlines;
    struct line_tap access;
    struct pool pool;
    struct known known;
    int64_t *domain_credit; /* of the entries of the list of domains: whose turn it is, of requests and then of TLS */
    struct proven *proven; /* domains that TXT records give to clients; NULL: none */
    bool known_dirty;  /* what is known has changed since it was said to be remembered */
    uint64_t known_said_us;
    struct templates templates;
    struct kept_file maintenance; /* all services are being worked on while it is there */
    struct known passed; /* services that TLS passes through to, also while their clients are away */
    struct acceptor plain, tls;
    struct list visitors, upgrades, held, arrivals, bridges;
    struct list ports; /* of services: struct tcp_port */
    unsigned visitor_count, upgrade_count, held_count, arrival_count, bridge_count;
    struct bridge *arriving; /* the one whose inner end front_add() brings */
    uint32_t arriving_place; /* of what it brings */
    unsigned rests;          /* looks at an idle connection before it is closed */
    struct tally tally;  /* what was asked of each service */
    struct list spares; /* exchanges to be used again */
    unsigned spare_count;
    bool draining, drained, stopped;
    bool patient; /* while it drains: who is there may still ask, and waits for clients that are away */
    /* Room to work in, valid during one call. */
    struct http_field fields[HTTP_FIELDS_MAX];
    struct http_response response;
    char bytes[64 * KIB];
};

/* Before the worker starts. NULL and an errno in *failure; the descriptors are closed then, too. */
struct front *front_create(const struct front_config *config, int *failure);
/* A visitor's connection for libmicrohttpd: `fd` and its place in the crowd (taken; 0: none), of `bridge` unless NULL. False:
 * no memory. */
bool front_add(struct front *f, int fd, const struct sockaddr *address, socklen_t len, uint32_t place, struct bridge *bridge);
/* One more connection from `address`: not 0, its place until front_leave(); 0: there are too many, which is counted. A proxy
 * that we believe counts for no address. */
uint32_t front_enter(struct front *f, const struct sockaddr *address);
void front_leave(struct front *f, uint32_t *place);
/* Which client and service a host means, of a request or (`tls`) of a first TLS message, each of which takes turns of its own:
 * domains of clients go before names of ours. */
void front_route(struct front *f, struct http_text host, bool tls, struct route *out);
/* Other settings hold from now on; they outlive the front, or the next ones. Only what reloads may differ. False without memory: those
 * before stay. */
bool front_reload(struct front *f, const struct server_settings *settings);
/* libmicrohttpd has something to do: a connection was resumed. */
void front_due(struct front *f);
/* From the hub's events. An instance that went away may never come back; its idle streams do not say so. */
void front_client_up(struct front *f, const char *id);
void front_client_down(struct front *f, const char *id, bool last);
/* Takes no new connections, ends the idle ones, lets the others finish. */
void front_drain(struct front *f);
/* Shows the sockets that it listens at. */
void front_sockets(struct front *f, shelf_show_fn *show, void *ctx);
/* Another process listens there from now on: takes no new connections, and lets all finish, also those that are idle. */
void front_leave_ports(struct front *f);
/* A visitor or an upgraded connection is gone: maybe it was the last one. */
void front_check_drained(struct front *f);
/* Cuts what is left and stops libmicrohttpd. */
void front_stop(struct front *f);
/* After the worker has stopped. */
void front_free(struct front **f);

#endif
