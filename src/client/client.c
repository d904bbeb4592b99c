/* SPDX-License-Identifier: Apache-2.0 */
/* The home side: what happens on the workers. Life and shutdown are in client_life.c, reloading in client_reload.c. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "client/client_inner.h"
#include "client/local.h"

static void on_link_up(void *ctx, struct hub_shard *s, const char *note)
{
    struct client *c = ctx;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    (void)s;
    c->connected = true;
    log_info(c->id, "connected to %s", note);
    log_info(c->id, "identified as %s", c->id);
}

static void on_link_down(void *ctx, struct hub_shard *s, const char *why, uint64_t retry_us)
{
    struct client *c = ctx;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    (void)s;
    log_info(c->id, "%s: %s", c->connected ? "disconnected" : "cannot connect", why);
    c->connected = false;
    if (retry_us != CLOCK_NEVER)
        log_info(c->id, "reconnecting in %" PRIu64 " ms", retry_us / US_PER_MS);
    else if (!atomic_load(&c->ending)) {
        atomic_store(&c->gave_up, true);
        client_tell_news(c);
    }
}

static void on_session_up(void *ctx, const char *peer)
{
    struct client *c = ctx;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    log_info(c->id, "session with %s", peer);
}

static void on_session_ended(void *ctx, const char *peer, const struct error *reason)
{
    struct client *c = ctx;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    log_info(c->id, "session with %s ended: %s", peer, reason->text);
}

static void on_opened(void *ctx, struct hub_shard *s, struct conduit *conduit, const struct open_head *head)
{
    struct client *c = ctx;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    local_open(&c->shards[hub_shard_index(s)], conduit, head);
}

const struct hub_events client_hub_events = {
    .link_up = on_link_up,
    .link_down = on_link_down,
    .opened = on_opened,
    .session_up = on_session_up,
    .session_ended = on_session_ended,
};

unsigned client_place(void *ctx, const struct open_head *head)
{
    struct client *c = ctx;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    (void)head;
    return atomic_fetch_add_explicit(&c->placed, 1, memory_order_relaxed) % c->worker_count;
}
