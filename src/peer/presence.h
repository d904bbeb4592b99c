/* SPDX-License-Identifier: Apache-2.0 */
/* A shard's part of presence: from what the broker says to the directory, by way of a proof where one is wanted. Private to
 * this layer; what else belongs to it stands in shard.h (shard_proven and others). */
#ifndef PEER_PRESENCE_H
#define PEER_PRESENCE_H

#include "peer/shard.h"

/* `rest` is ID/INSTANCE, as a stranger may have written it. */
void presence_message(struct hub_shard *s, const char *rest, bool there, unsigned origin);
/* What was not announced again since the link came back is gone. */
void presence_settle(struct hub_shard *s);
/* An instance has come: sessions with others in its place are looked at. */
void presence_place_taken(struct hub_shard *s, const char *instance);
/* INSTANCE_TEXT_BYTES lower-case hexadecimal digits. */
bool instance_valid(const char *text);

#endif
