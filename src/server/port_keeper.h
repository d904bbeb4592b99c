/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Port keeper: gives services of kind tcp their public ports, and tells their clients. It knows which port is whose
 * (config/port_book.h) and opens it on all workers. One a program; worker 0's, but for what says otherwise.
 *
 * A service has its port while an instance of its client offers it and for `tcp-release` after the last one has gone;
 * a client that is there and does not offer it any more gives it back at once. The client is told when all workers have it and the file
 * says so: what it was told outlives the server, however that ends.
 */
#ifndef SERVER_PORT_KEEPER_H
#define SERVER_PORT_KEEPER_H

#include "base/worker.h"
#include "config/state.h"
#include "peer/hub.h"
#include "base/rates.h"
#include "server/server_settings.h"

#define PORTS_FILE "tcp_ports"

struct front;
struct port_keeper;
struct port_note;
struct shelf;

struct port_keeper_config {
    const struct server_settings *settings; /* outlives it */
    struct worker *const *workers;          /* not running yet */
    struct front *const *fronts;            /* of each worker; outlive it */
    unsigned count;
    struct rates *rates;                    /* the program's; outlive it */
    enum public_scheme web_scheme; /* how visitors of HTTP come, and to which port */
    uint16_t web_port;
    struct state *state;                    /* where the file is read */
    struct shelf *shelf;                    /* where ports may be open already; worker 0's from then on */
    /* The file should say this now: the note is the callee's until port_note_written() or port_note_free(). Worker 0. */
    void (*remember)(void *ctx, struct port_note *note);
    void *ctx;
};

/* NULL and *err, also when the file is wrong. */
struct port_keeper *port_keeper_create(const struct port_keeper_config *config, struct config_error *err);
/* After the workers have stopped, before they are freed. */
void port_keeper_free(struct port_keeper **k);

/* hub_events.client_up, client_offers and client_down of worker 0. */
void port_keeper_up(struct port_keeper *k, struct hub_shard *s, const char *id);
void port_keeper_offers(struct port_keeper *k, struct hub_shard *s, const char *id, const char *instance,
                        const struct offering *o);
void port_keeper_down(struct port_keeper *k, struct hub_shard *s, const char *id);

/* The text of a note. */
const char *port_note_text(const struct port_note *n);
/* Its text is in the file, or cannot be: clients hear of their ports then. Any thread while workers run; takes the note. */
void port_note_written(struct port_note *n);
/* A newer one stands for it. NULL is allowed. */
void port_note_free(struct port_note *n);
/* What the file should say at the end, heap; NULL: nothing. After the workers have stopped. */
char *port_keeper_text(struct port_keeper *k);

#endif
