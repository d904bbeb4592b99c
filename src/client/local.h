/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local: a stream's connection to its service, from the open to the end; a pump (relay/pump.h) moves the bytes. Who may
 * open what: a server any service with http, a workstation (guest) what the gate says, with tcp.
 *
 * A local frees itself when both ends are done. Everything is on its worker.
 */
#ifndef CLIENT_LOCAL_H
#define CLIENT_LOCAL_H

#include "client/client_shard.h"
#include "peer/conduit.h"

void locals_init(struct client_shard *shard);
/* A peer opens a stream: finds the service and dials it, or refuses. Takes the conduit over. */
void local_open(struct client_shard *shard, struct conduit *c, const struct open_head *head);
/* Cuts every one, both ways. */
void locals_cut(struct client_shard *shard, const struct error *reason);
/* From now on closes, as a server that goes down does, the HTTP connections that wait for the next request. */
void locals_drain(struct client_shard *shard);

#endif
