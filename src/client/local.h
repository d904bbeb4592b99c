/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local: a stream's connection to its service, and the pump between the two. Bytes go through as they come,
 * half-close and abort in both directions included:
 *
 *     service                      visitor
 *     bytes           ->           data             stops at conduit_room() 0
 *     end             ->           fin
 *     reset           ->           reset (service-reset)
 *     bytes           <-           data             credit goes back when the kernel has taken them
 *     shutdown        <-           fin              after all that came before
 *     reset           <-           any other end
 *
 * A local frees itself when both are done. Everything is on its worker. Less than 1 KiB each when idle.
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
