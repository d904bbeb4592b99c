/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gate: which workstations may reach this device, and what there. Their keys stand in the file authorized_peers in the
 * state directory (authorized_peers.h), which is read again whenever it changes; ports must be in the lists of the settings
 * allow-ports and allow-listen, too. Without file and list nobody may do anything.
 *
 * Asking is for any thread. Reasons are for people: they say what to write where.
 */
#ifndef CLIENT_GATE_H
#define CLIENT_GATE_H

#include "base/worker.h"
#include "config/authorized_peers.h"
#include "config/error.h"
#include "config/services.h"
#include "peer/conduit.h"
#include "seal/context.h"
#include "wire/error.h"

#define AUTHORIZED_PEERS_FILE "authorized_peers"

struct gate;

/* Valid lists (port_list.h), NULL: none; they outlive the gate. */
struct gate_settings {
    const char *allow_ports, *allow_listen;
};

/* NULL and *err, also when the file is wrong. */
struct gate *gate_create(const char *state_dir, const struct gate_settings *settings, struct config_error *err);
/* Reads the file again when it changes; `changed` is called on `w` afterwards. Before `w` starts. False with errno. */
bool gate_watch(struct gate *g, struct worker *w, void (*changed)(void *ctx), void *ctx);
/* No `changed` any more; after the workers have stopped. */
void gate_unwatch(struct gate *g);
void gate_free(struct gate **g);

/* Who asks, as the file calls it; or the name of the pre-shared key. */
struct gate_who {
    char name[NAME_MAX_BYTES + 1];
};

/*
 * May the peer have a session, a service, a port that the device reaches, a port to listen at? NULL and *who, or why not and
 * *why. Who has a pre-shared key of this device's is in the file's stead: all services, and the ports of the setting.
 */
const struct error *gate_admit(struct gate *g, const struct seal_peer *peer, struct gate_who *who,
                               struct config_error *why);
/* The same for a stream that asks for nothing but that. */
const struct error *gate_ask(struct gate *g, const struct conduit_peer *peer, struct gate_who *who, struct config_error *why);
const struct error *gate_service(struct gate *g, const struct conduit_peer *peer, const char *service,
                                 struct gate_who *who, struct config_error *why);
/* The service, for everybody? Not who has a pre-shared key: that stands for many. */
const struct error *gate_public(struct gate *g, const struct conduit_peer *peer, const char *service,
                                struct gate_who *who, struct config_error *why);
const struct error *gate_port(struct gate *g, const struct conduit_peer *peer, const struct target *target,
                              enum port_protocol protocol, struct gate_who *who, struct config_error *why);
const struct error *gate_listen(struct gate *g, const struct conduit_peer *peer, const struct target *at,
                                struct gate_who *who, struct config_error *why);
/* May it end the tunnels of others? Those of its own key anybody may. */
bool gate_may_end(struct gate *g, const struct conduit_peer *peer, struct gate_who *who);

#endif
