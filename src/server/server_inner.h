/* SPDX-License-Identifier: Apache-2.0 */
/* The server's object, for the files that make it up. */
#ifndef SERVER_SERVER_INNER_H
#define SERVER_SERVER_INNER_H

#include <stdatomic.h>
#include <time.h>

#include "base/control_socket.h"
#include "base/object.h"
#include "base/pulse.h"
#include "base/signals.h"
#include "config/state.h"
#include "gate/shelf.h"
#include "peer/hub.h"
#include "server/admin.h"
#include "server/admission.h"
#include "server/broker_side.h"
#include "server/edge.h"
#include "server/edition.h"
#include "server/front.h"
#include "server/handover.h"
#include "server/port_keeper.h"
#include "server/ports.h"
#include "server/proof_keeper.h"
#include "server/server.h"
#include "server/status.h"

#define SERVER_MAGIC 0x73727672
#define CLIENTS_FILE "clients"

/* One worker's part, and the mail that tells it to drain and to stop. */
struct server_part {
    struct server *server;
    struct worker *worker;
    struct front *front;
    struct edition *edition; /* the worker's own, once it runs */
    struct status_sample sample; /* likewise */
    struct mail drain, stop, gather, leave;
    struct gifts gifts; /* what the worker listens at, while a successor is started */
};

struct server {
    OBJECT_MAGIC;
    struct server_settings *settings; /* the main thread's, once workers run: they have editions of it */
    struct shelf *shelf; /* sockets that were open before */
    struct state *state;
    char *known; /* the clients file as it was read */
    char instance[INSTANCE_TEXT_BYTES + 1];
    struct ports ports;
    unsigned count;
    struct server_part part[WORKERS_MAX];
    struct worker *workers[WORKERS_MAX];
    struct broker_side clients;
    struct admission *admission; /* NULL: no encryption */
    struct tls_store *certificates; /* NULL: none */
    struct edge *edge;
    struct hook_chain *hooks; /* NULL: none */
    struct line_log *access; /* NULL: none */
    struct hub *hub;
    struct front *fronts[WORKERS_MAX]; /* as in `part` */
    struct port_keeper *keeper;
    struct proof_keeper *proofs;
    int wake_fd; /* an eventfd: something below changed */
    int wait_fd; /* an epoll set: that one, and the successor while it starts */
    atomic_uint drained, stopped;
    _Atomic(char *) remember; /* what the clients file should say; heap */
    _Atomic(struct port_note *) remember_ports; /* likewise the file of ports */
    uint64_t remember_us; /* no file is written before */
    struct control_socket *control; /* NULL: none */
    time_t started_s;
    uint64_t started_us;
    struct pulse pulse;
    struct admin *admin;       /* NULL: none */
    atomic_bool draining;      /* asked to end, by a signal or at the admin page */
    atomic_bool link_is_up;    /* to a broker that is not ours */
    char link_why[160];        /* why it is not; "": nothing was tried yet. Worker 0's; only where the broker is not ours */
    bool running;
    atomic_bool serving;       /* all workers run */
    bool replace;              /* asked to start a successor (SIGUSR2) */
    bool left;                 /* that has taken over: nothing is remembered any more */
    struct predecessor *predecessor;
    struct successor successor;
    enum successor_news news;
    char why[512];             /* it has failed */
    int elders;                /* where brokers take in those who were there before; -1: not needed yet */
    atomic_uint gathered, links_up;
    unsigned links_wanted;
};

/* Opens the socket for commands; without it the server runs, too. */
void server_control_open(struct server *s);

/* -- server_status.c -- */
/* Visitors and clients are served. Any thread. */
bool server_is_ready(const struct server *s);
/* How the server is, with so many clients; `sample` is the caller's own. While the workers run, any thread. */
void server_look(const struct server *s, unsigned clients, struct status_sample *sample, struct status *out);

/* -- server.c -- */
/* Wakes the main thread: something below changed. Any thread. */
void server_wake(struct server *s);
bool server_failed(struct config_error *err, const char *what, int failure);

/* -- server_run.c -- */
/* Waits until `done` says so, `limit_us` has passed, or a signal to end comes (true). Writes what is to be remembered in between. */
bool server_wait(struct server *s, struct signals *signals, bool (*done)(const struct server *), uint64_t limit_us);
/* Writes what is to be remembered. False: something is still to be written, because it cannot be. */
bool server_remember(struct server *s);

/* -- server_handover.c -- */
void server_handover_init(struct server *s);
void server_handover_done(struct server *s);
/* What the process before us has given for the broker. False and *err. */
bool server_elders_take(struct server *s, struct predecessor *p, struct config_error *err);
/* Starts a successor, and lets it take over: s->left says whether it has. True: a signal to end came meanwhile. */
bool server_hand_over(struct server *s, struct signals *signals, char *const argv[]);

/* -- server_fronts.c -- */
/* Opens the ports of visitors and makes the fronts. False and *err. */
bool server_fronts_create(struct server *s, struct config_error *err);
/* What redirections and links name. */
uint16_t server_https_port(const struct server *s);

#endif
