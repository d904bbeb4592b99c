/* SPDX-License-Identifier: Apache-2.0 */
/* What the running server says of itself: a question goes from worker to worker, and each adds the sessions that it owns. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/control_socket.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/text.h"
#include "mdm-tunnel/limits.h"
#include "server/server_inner.h"

bool server_is_ready(const struct server *s)
{
    return !atomic_load(&s->draining) && (s->clients.broker != NULL || atomic_load(&s->link_is_up));
}

void server_look(const struct server *s, unsigned clients, struct status_sample *sample, struct status *out)
{
    uint64_t now_us = clock_now_us();

    *out = (struct status){
        .program = "mdm-tunnel-server",
        .version = PACKAGE_VERSION,
        .uptime_s = (now_us - s->started_us) / US_PER_S,
        .workers = s->count,
        .clients = clients,
        .port = s->ports.http,
        .tls_port = s->ports.tls,
        .client_port = s->ports.client,
        .ready = server_is_ready(s),
        .draining = atomic_load(&s->draining),
        .encryption = s->admission != NULL,
        .broker_embedded = s->clients.broker != NULL,
        .broker_up = s->clients.broker != NULL || atomic_load(&s->link_is_up),
    };
    for (unsigned i = 0; i < s->count && atomic_load(&s->serving); i++)
        out->workers_cpu_us[i] = worker_cpu_us(s->workers[i]);
    status_count(out, sample, now_us);
}

/* -- on the control socket ----------------------------------------------------------------------------------------- */

struct telling {
    struct mail mail;
    struct server *server;
    struct control_question *question;
    struct text out;
    bool json;
    unsigned next; /* the worker that is asked next; all of them: the answer is complete */
    unsigned count;
};

static void telling_discard(struct mail *m)
{
    struct telling *t = CONTAINER_OF(m, struct telling, mail);

    text_done(&t->out);
    free(t);
}

static void session_tell(void *ctx, const struct hub_session *s)
{
    struct telling *t = ctx;
    time_t since = time(NULL) - (time_t)((worker_now_us(worker_self()) - s->since_us) / US_PER_S);
    char text[32];
    struct tm tm;

    if (localtime_r(&since, &tm) == NULL || strftime(text, sizeof(text), "%F %T", &tm) == 0)
        text[0] = '\0';
    if (t->json) {
        text_format(&t->out, "%s{\"client\":\"", t->count++ > 0 ? "," : "");
        text_add_json(&t->out, s->peer.name);
        text_format(&t->out, "\",\"instance\":\"%s\",\"encrypted\":%s,\"away\":%s,\"since\":%lld,\"streams\":%u,", s->peer.instance,
                    s->encrypted ? "true" : "false", s->away ? "true" : "false", (long long)since, s->streams);
        text_format(&t->out, "\"round_trip_us\":%" PRIu64 ",\"bytes_to\":%" PRIu64 ",\"bytes_from\":%" PRIu64 ",\"worker\":%u}",
                    s->round_trip_us, s->bytes_to, s->bytes_from, worker_index(worker_self()));
        return;
    }
    text_format(&t->out, "session with %s (%.8s): %s%s, since %s, round trip %.1f ms, streams %u, bytes to it %" PRIu64 ", from it %" PRIu64 "\n",
                s->peer.name, s->peer.instance, s->encrypted ? "encrypted" : "NOT encrypted", s->away ? ", away" : "", text,
                (double)s->round_trip_us / US_PER_MS, s->streams, s->bytes_to, s->bytes_from);
}

static void telling_begin(struct telling *t)
{
    struct server *s = t->server;
    unsigned clients = hub_client_count(hub_shard(s->hub, 0));
    bool encrypted = s->admission != NULL;

    if (t->json) {
        text_format(&t->out, "{\"process\":%d,\"started\":%lld,\"port\":%u,\"tls_port\":%u,\"client_port\":%u,\"workers\":%u,", (int)getpid(),
                    (long long)s->started_s, s->ports.http, s->ports.tls, s->ports.client, s->count);
        text_format(&t->out, "\"encryption\":%s,\"clients\":%u,\"sessions\":[", encrypted ? "true" : "false", clients);
        return;
    }
    char since[32];
    struct tm tm;
    if (localtime_r(&s->started_s, &tm) == NULL || strftime(since, sizeof(since), "%F %T", &tm) == 0)
        since[0] = '\0';
    text_format(&t->out, "server: process %d, since %s, port %u", (int)getpid(), since, s->ports.http);
    if (s->ports.tls != 0)
        text_format(&t->out, ", HTTPS at %u", s->ports.tls);
    if (s->ports.client != 0)
        text_format(&t->out, ", clients at %u", s->ports.client);
    text_format(&t->out, ", workers %u\nencryption: %s\nclients: %u\n", s->count,
                encrypted ? "on" : "OFF (--no-encryption), and client ids are anybody's", clients);
}

static void telling_end(struct telling *t)
{
    static const enum counter shown[] = {COUNTER_requests, COUNTER_responses_error, COUNTER_visitors, COUNTER_upgrades, COUNTER_streams,
                                         COUNTER_streams_opened, COUNTER_streams_refused, COUNTER_streams_reset,
                                         COUNTER_bytes_sent, COUNTER_bytes_received, COUNTER_sessions_resumed, COUNTER_limits_hit};

    if (t->json)
        text_format(&t->out, "]");
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
        text_format(&t->out, t->json ? ",\"%s\":%" PRIu64 : "%s: %" PRIu64 "\n", counter_name(shown[i]), counters_sum(shown[i]));
    if (t->json)
        text_format(&t->out, "}\n");
    if (t->out.failed)
        text_done(&t->out);
    control_answer(&t->question, t->out.at);
    free(t);
}

static void telling_deliver(struct worker *self, struct mail *m)
{
    struct telling *t = CONTAINER_OF(m, struct telling, mail);
    struct server *s = t->server;

    (void)self;
    if (t->next == s->count) {
        telling_end(t);
        return;
    }
    hub_sessions(hub_shard(s->hub, t->next), session_tell, t);
    t->next++;
    worker_post(s->workers[t->next < s->count ? t->next : 0], &t->mail);
}

static void on_asked(void *ctx, struct control_question *q, const char *line)
{
    struct server *s = ctx;
    bool json = strcmp(line, "status json") == 0;
    struct telling *t = json || strcmp(line, "status") == 0 ? calloc(1, sizeof(*t)) : NULL;

    if (t == NULL) {
        control_answer(&q, log_settings_answer(line));
        return;
    }
    t->mail = (struct mail){.deliver = telling_deliver, .discard = telling_discard};
    list_init(&t->mail.node);
    t->server = s;
    t->question = q;
    t->json = json;
    text_init(&t->out, CONTROL_TEXT_MAX);
    telling_begin(t);
    worker_post(s->workers[0], &t->mail);
}

void server_control_open(struct server *s)
{
    s->control = control_socket_open(s->workers[0], state_directory(s->state), "server", on_asked, s);
    if (s->control == NULL)
        log_warning("server", "there will be no answer to commands: control socket in %s: %s", state_directory(s->state), strerror(errno));
}
