/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queries: what does a client offer? The question travels to the session's owner, waits there until the peer has said
 * SERVICES, and travels back with the answer. Private to this layer.
 */
#ifndef PEER_QUERY_H
#define PEER_QUERY_H

#include "peer/peer_session.h"

/* Answers all that wait at `ps`: with what the peer offers, or with why there is no answer. */
void questions_answer(struct peer_session *ps, const struct error *why);
/* After the workers have stopped. */
void questions_free(struct peer_session *ps);
void queries_free(struct hub_shard *s);

#endif
