/* SPDX-License-Identifier: Apache-2.0 */
/* The peers that a worker has sessions with. */
#include "peer/peers.h"

#include <stdio.h>
#include <string.h>

struct conduit_peer peer_of(const struct peer_session *ps)
{
    const struct seal_peer *proof = ps->seal != NULL ? ps->proof : NULL;
    struct conduit_peer peer = {.guest = false, .session = ps->id, .owner = ps->shard->index};
    memcpy(peer.name, ps->name, sizeof(peer.name));
    memcpy(peer.instance, ps->instance, sizeof(peer.instance));
    if (proof != NULL) {
        peer.key = proof->key;
        peer.guest = proof->other;
    }
    if (proof != NULL && proof->psk != NULL)
        snprintf(peer.psk, sizeof(peer.psk), "%s", proof->psk->name);
    return peer;
}

void hub_sessions(struct hub_shard *s, void (*each)(void *ctx, const struct hub_session *session), void *ctx)
{
    CHECK_OBJECT(s, SHARD_MAGIC);
    LIST_FOREACH(n, &s->sessions) {
        const struct peer_session *ps = CONTAINER_OF(n, struct peer_session, node);
        struct session_stats stats;
        if (!ps->up)
            continue;
        session_stats(ps->session, &stats);
        const struct hub_session session = {
            .peer = peer_of(ps),
            .encrypted = ps->seal != NULL,
            .away = session_state(ps->session) != SESSION_UP,
            .since_us = ps->up_us,
            .streams = mux_stream_count(ps->mux),
            .bytes_to = ps->bytes_to,
            .bytes_from = ps->bytes_from,
            .round_trip_us = stats.rtt_us,
            .window = stats.window,
            .in_flight = stats.in_flight,
            .resent = stats.resent,
        };
        each(ctx, &session);
    }
}

uint64_t hub_round_trip_us(struct hub_shard *s, const char *id)
{
    uint64_t best = 0;
    CHECK_OBJECT(s, SHARD_MAGIC);
    LIST_FOREACH(n, &s->sessions) {
        struct peer_session *ps = CONTAINER_OF(n, struct peer_session, node);
        struct session_stats stats;
        if (!ps->up || strcmp(ps->name, id) != 0)
            continue;
        session_stats(ps->session, &stats);
        if (stats.rtt_us != 0 && (best == 0 || stats.rtt_us < best))
            best = stats.rtt_us;
    }
    return best;
}
