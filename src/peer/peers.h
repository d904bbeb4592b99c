/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of the other end of a session to whoever uses its streams. Private to this layer. */
#ifndef PEER_PEERS_H
#define PEER_PEERS_H

#include "peer/peer_session.h"

struct conduit_peer peer_of(const struct peer_session *ps);

#endif
