/* SPDX-License-Identifier: Apache-2.0 */
/* How the running client is, for a thread that is no worker. */
#include <stdio.h>
#include <string.h>

#include "base/ask.h"
#include "base/counters.h"
#include "client/client_inner.h"

static void session_look(void *ctx, const struct hub_session *s)
{
    struct client_look *out = ctx;
    if (s->peer.guest)
        return;
    if (out->sessions++ > 0)
        return;
    out->encrypted = s->encrypted;
    out->away = s->away;
    out->round_trip_us = s->round_trip_us;
}

static void services_look(const struct client *c, struct client_look *out)
{
    const struct services *services = catalog_services(c->shards[0].catalog);
    char target[PATH_TEXT_MAX];
    out->services = (unsigned)services->count;
    for (size_t i = 0; i < services->count && i < CLIENT_LOOK_SERVICES_MAX; i++) {
        const struct service *s = &services->list[i];
        struct client_look_service *to = &out->service[i];
        target_text(&s->target, target, sizeof(target));
        snprintf(to->name, sizeof(to->name), "%s", s->name);
        snprintf(to->target, sizeof(to->target), "%.*s", (int)sizeof(to->target) - 1, target);
        if (!publicity_url(&c->publicity, s, c->id, c->host, to->url))
            to->url[0] = '\0';
    }
}

/* On worker 0. */
static void look(void *host, const void *question, unsigned index, void *part)
{
    const struct client *c = host;
    struct client_look *out = part;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    (void)question, (void)index;
    out->connected = c->connected;
    out->since_s = c->changed_s;
    out->reconnects = c->connections > 1 ? c->connections - 1 : 0;
    snprintf(out->about, sizeof(out->about), "%s", c->connected ? c->connected_to : c->disconnected_why);
    hub_sessions(c->shards[0].hub, session_look, out);
    out->connections = client_streams(c);
    out->streams = counters_sum(COUNTER_streams_opened);
    out->refused = counters_sum(COUNTER_streams_refused);
    out->sent = counters_sum(COUNTER_bytes_sent);
    out->received = counters_sum(COUNTER_bytes_received);
    services_look(c, out);
    const struct public_port *web = publicity_find(&c->publicity, "");
    if (web == NULL)
        return;
    snprintf(out->public_host, sizeof(out->public_host), "%s", web->host);
    out->public_port = web->port;
    out->public_tls = web->scheme == PUBLIC_HTTPS;
}

bool client_look(struct client *c, struct client_look *out, uint64_t limit_us)
{
    CHECK_OBJECT(c, CLIENT_MAGIC);
    const struct ask_config config = {.workers = c->crew.workers, .count = 1, .part_size = sizeof(*out), .run = look, .host = c};
    struct ask *a = ask_workers(&config, limit_us);
    if (a == NULL)
        return false;
    *out = *(const struct client_look *)ask_part(a, 0);
    ask_free(&a);
    return true;
}
