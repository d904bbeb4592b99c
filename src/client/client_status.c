/* SPDX-License-Identifier: Apache-2.0 */
/* What the running client says of itself. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/text.h"
#include "client/client_inner.h"

struct telling {
    struct client *client;
    struct text *out;
    bool json;
    unsigned count;
};

/* "2026-11-26 12:07:55", as this machine has it. */
static void time_text(time_t at, char out[static 32])
{
    struct tm tm;
    if (localtime_r(&at, &tm) == NULL || strftime(out, 32, "%F %T", &tm) == 0)
        out[0] = '\0';
}

static time_t since_of(const struct client *c, uint64_t us)
{
    return time(NULL) - (time_t)((worker_now_us(c->crew.workers[0]) - us) / US_PER_S);
}

static void json_string(struct text *out, const char *name, const char *value)
{
    text_format(out, "\"%s\":\"", name);
    text_add_json(out, value);
    text_format(out, "\",");
}

/* -- the parts ----------------------------------------------------------------------------------------------------- */

static void session_tell(void *ctx, const struct hub_session *s)
{
    struct telling *t = ctx;
    char since[32];
    time_t at = since_of(t->client, s->since_us);
    time_text(at, since);
    if (t->json) {
        text_format(t->out, "%s{", t->count++ > 0 ? "," : "");
        json_string(t->out, "peer", s->peer.name);
        text_format(t->out, "\"kind\":\"%s\",\"encrypted\":%s,\"away\":%s,\"since\":%lld,\"streams\":%u,",
                    s->peer.guest ? "workstation" : "server", s->encrypted ? "true" : "false", s->away ? "true" : "false",
                    (long long)at, s->streams);
        text_format(t->out, "\"round_trip_us\":%" PRIu64 ",\"bytes_to\":%" PRIu64 ",\"bytes_from\":%" PRIu64 "}", s->round_trip_us,
                    s->bytes_to, s->bytes_from);
        return;
    }
    text_format(t->out, "session with %s %.8s: %s%s, since %s, round trip %.1f ms, streams %u, bytes to it %" PRIu64 ", from it %" PRIu64 "\n",
                s->peer.guest ? "workstation" : "server", s->peer.instance, s->encrypted ? "encrypted" : "NOT encrypted",
                s->away ? ", away" : "", since, (double)s->round_trip_us / US_PER_MS, s->streams, s->bytes_to, s->bytes_from);
}

static void services_tell(struct telling *t)
{
    const struct services *services = catalog_services(t->client->shards[0].catalog);
    char target[PATH_TEXT_MAX], at[PUBLIC_URL_MAX];
    for (size_t i = 0; i < services->count; i++) {
        const struct service *s = &services->list[i];
        target_text(&s->target, target, sizeof(target));
        if (!publicity_url(&t->client->publicity, s, t->client->id, t->client->host, at))
            at[0] = '\0';
        if (t->json) {
            text_format(t->out, "%s{", i > 0 ? "," : "");
            json_string(t->out, "name", s->name);
            json_string(t->out, "url", at);
            text_format(t->out, "\"target\":\"");
            text_add_json(t->out, target);
            text_format(t->out, "\"}");
        } else {
            text_format(t->out, "service %s: ", s->name);
            text_add(t->out, target, strlen(target));
            text_format(t->out, "%s%s\n", at[0] != '\0' ? ", at " : "", at);
        }
    }
}

/* Domains and ports: what a server gives, and what it does not. */
static void publicity_tell(struct telling *t)
{
    const struct publicity *publicity = &t->client->publicity;
    char why[REFUSAL_TEXT_MAX];
    t->count = 0;
    for (const struct public_port *p = publicity_next(publicity, NULL); p != NULL; p = publicity_next(publicity, p)) {
        bool given = p->why == &error_none, domain = p->scheme == PUBLIC_DOMAIN;
        why[0] = '\0';
        if (!given)
            client_refusal_text(t->client, p, why, sizeof(why));
        if (t->json) {
            text_format(t->out, "%s{", t->count++ > 0 ? "," : "");
            json_string(t->out, domain ? "domain" : "service", domain ? p->host : p->service);
            if (!domain)
                text_format(t->out, "\"port\":%u,", p->port);
            json_string(t->out, "why", why);
            text_format(t->out, "\"error\":\"%s\"}", given ? "" : p->why->name);
        } else if (!given) {
            text_format(t->out, "REFUSED: ");
            text_add(t->out, why, strlen(why));
            text_format(t->out, "\n");
        } else if (domain) {
            text_format(t->out, "domain %s: leads here\n", p->host);
        }
    }
}

static void text_tell(struct telling *t)
{
    const struct client *c = t->client;
    char started[32], changed[32];
    time_text(c->started_s, started);
    time_text(c->changed_s, changed);
    text_format(t->out, "client %s: process %d, since %s\n", c->id, (int)getpid(), started);
    if (c->connected)
        text_format(t->out, "connected to %s since %s", c->connected_to, changed);
    else
        text_format(t->out, "NOT connected since %s%s%s", changed, c->disconnected_why[0] != '\0' ? ": " : "", c->disconnected_why);
    text_format(t->out, ", reconnects %u\n", c->connections > 1 ? c->connections - 1 : 0);
    hub_sessions(c->shards[0].hub, session_tell, t);
    services_tell(t);
    publicity_tell(t);
    text_format(t->out, "local connections: %u; streams: %" PRIu64 " in all, %" PRIu64 " refused, %" PRIu64 " cut; bytes of streams: %" PRIu64
                        " sent, %" PRIu64 " received\n",
                client_streams(c), counters_sum(COUNTER_streams_opened), counters_sum(COUNTER_streams_refused),
                counters_sum(COUNTER_streams_reset), counters_sum(COUNTER_bytes_sent), counters_sum(COUNTER_bytes_received));
}

static void json_tell(struct telling *t)
{
    const struct client *c = t->client;
    text_format(t->out, "{");
    json_string(t->out, "client", c->id);
    text_format(t->out, "\"process\":%d,\"started\":%lld,\"connected\":%s,\"since\":%lld,\"reconnects\":%u,", (int)getpid(),
                (long long)c->started_s, c->connected ? "true" : "false", (long long)c->changed_s,
                c->connections > 1 ? c->connections - 1 : 0);
    json_string(t->out, c->connected ? "to" : "why", c->connected ? c->connected_to : c->disconnected_why);
    text_format(t->out, "\"sessions\":[");
    hub_sessions(c->shards[0].hub, session_tell, t);
    text_format(t->out, "],\"services\":[");
    services_tell(t);
    text_format(t->out, "],\"public\":[");
    publicity_tell(t);
    text_format(t->out, "],\"local_connections\":%u,\"streams_opened\":%" PRIu64 ",\"streams_refused\":%" PRIu64 ",\"streams_reset\":%" PRIu64 ",",
                client_streams(c), counters_sum(COUNTER_streams_opened), counters_sum(COUNTER_streams_refused),
                counters_sum(COUNTER_streams_reset));
    text_format(t->out, "\"bytes_sent\":%" PRIu64 ",\"bytes_received\":%" PRIu64 "}\n", counters_sum(COUNTER_bytes_sent),
                counters_sum(COUNTER_bytes_received));
}

char *client_status(struct client *c, bool json)
{
    struct text out;
    struct telling t = {.client = c, .out = &out, .json = json};
    text_init(&out, CONTROL_TEXT_MAX);
    (json ? json_tell : text_tell)(&t);
    if (!out.failed)
        return out.at;
    text_done(&out);
    return NULL;
}
