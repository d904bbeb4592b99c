/* SPDX-License-Identifier: Apache-2.0 */
/* The peers that a worker has sessions with. */
#include "peer/peers.h"

#include <stdio.h>
#include <string.h>

#include "peer/stream_ends.h"

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

/* NULL: nothing. */
static const char *session_waits(const struct peer_session *ps, const struct session_stats *stats)
{
    if (session_state(ps->session) != SESSION_UP || !ps->shard->link_up)
        return "waiting for the broker";
    if (!list_empty(&ps->waiting_node))
        return "socket not writable";
    return stats->window_full ? "session window full" : NULL;
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
            .rate = stats.rate,
            .waits = session_waits(ps, &stats),
            .offering = ps->offering,
        };
        each(ctx, &session);
    }
}

static const char *stream_waits(const struct tap *t, const struct mux_stream_stats *stats)
{
    struct session_stats session;
    enum mux_blocked blocked = mux_stream_blocked(t->stream);

    session_stats(t->through->session, &session);
    const char *waits = session_waits(t->through, &session);
    if (session_state(t->through->session) != SESSION_UP || blocked == MUX_BLOCKED_SESSION)
        return waits != NULL ? waits : "its turn";
    if (blocked == MUX_BLOCKED_CREDIT)
        return "no credit of stream";
    if (stats->unread > 0)
        return "visitor does not read";
    return stats->answered ? "no data" : "waiting for the service";
}

void hub_streams(struct hub_shard *s, void (*each)(void *ctx, const struct hub_stream *stream), void *ctx)
{
    CHECK_OBJECT(s, SHARD_MAGIC);
    LIST_FOREACH(n, &s->taps) {
        const struct tap *t = CONTAINER_OF(n, struct tap, node);
        struct mux_stream_stats stats;
        if (t->stream == NULL || t->through == NULL)
            continue;
        mux_stream_stats(t->stream, &stats);
        const struct hub_stream stream = {
            .client = t->through->name,
            .service = t->service,
            .session = t->through->id,
            .stream = mux_stream_id(t->stream),
            .answered = stats.answered,
            .queued = stats.queued,
            .credit = stats.credit,
            .unread = stats.unread,
            .waits = stream_waits(t, &stats),
        };
        each(ctx, &stream);
    }
}

unsigned hub_disconnect(struct hub_shard *s, const char *id)
{
    unsigned count = 0;
    CHECK_OBJECT(s, SHARD_MAGIC);
    LIST_FOREACH_SAFE(n, next, &s->sessions) {
        struct peer_session *ps = CONTAINER_OF(n, struct peer_session, node);
        if (!ps->up || strcmp(ps->name, id) != 0)
            continue;
        peer_session_end(ps, &error_session_closed);
        count++;
    }
    return count;
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
