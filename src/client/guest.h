/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest: what a workstation opens beside connections to services and ports (local.h): datagrams to a port, a port where this
 * device listens for it, a question about tunnels. Everything is on its worker, and frees itself when it is over.
 */
#ifndef CLIENT_GUEST_H
#define CLIENT_GUEST_H

#include "client/client_shard.h"
#include "peer/conduit.h"

/* Each takes the conduit over. */
void guest_udp(struct client_shard *shard, struct conduit *c, const struct open_head *head);
void guest_listen(struct client_shard *shard, struct conduit *c, const struct open_head *head);
void guest_control(struct client_shard *shard, struct conduit *c, const struct open_head *head);
/* Of the kinds above; false: the stream is none of them, and nothing was done. */
bool guest_open(struct client_shard *shard, struct conduit *c, const struct open_head *head);

/* Tells a workstation that its tunnels were ended, and by whom. */
void control_tell(struct client_shard *shard, const struct conduit_peer *to, const char *who);
/* A question that was not answered to its end yet has no tunnel: it is cut at the end. */
void controls_cut(struct client_shard *shard, const struct error *reason);

/* Says why in the log and in the audit, and refuses. */
void guest_refuse(struct client_shard *shard, struct conduit **c, const struct tunnel_start *start, const struct error *error,
                  const char *why);
/* "gateway/ssh#17 by oli" for log lines. */
void guest_say(const struct client_shard *shard, const struct tunnel *t, unsigned number, const char *text, const char *detail);

#endif
