/* SPDX-License-Identifier: Apache-2.0 */
/* What the server is doing, as JSON: each worker writes down what it owns, and the parts are put together. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "server/admin_inner.h"
#include "server/client_edit.h"

static const char json[] = "application/json";

struct part {
    struct text out;
    const char *only; /* this client; NULL: all */
    unsigned count, cut;
};

static void part_done(void *part) { text_done(&((struct part *)part)->out); }

/* Begins one more object; false: there is no room left for another. */
static bool part_next(struct part *p)
{
    if (p->out.len > ADMIN_PART_MAX - 64 * KIB) {
        p->cut++;
        return false;
    }
    text_format(&p->out, "%s", p->count++ > 0 ? "," : "");
    return true;
}

static void put_name(struct text *t, const char *name, const char *value)
{
    text_format(t, "\"%s\":\"", name);
    text_add_json(t, value);
    text_put(t, "\",");
}

static void put_waits(struct text *t, const char *waits)
{
    if (waits == NULL)
        text_put(t, "\"waits\":null");
    else
        text_format(t, "\"waits\":\"%s\"", waits);
}

/* Puts the workers' parts into `t`. */
static void parts_join(struct text *t, struct ask *answer, unsigned count, unsigned *cut)
{
    bool any = false;

    for (unsigned i = 0; i < count; i++) {
        const struct part *p = ask_part(answer, i);
        if (any && p->count > 0)
            text_put(t, ",");
        if (p->count > 0)
            text_add(t, p->out.at, p->out.len);
        any |= p->count > 0;
        *cut += p->cut;
        t->failed |= p->out.failed;
    }
}

/* -- sessions ------------------------------------------------------------------------------------------------------ */

static void put_services(struct text *t, const struct offering *o)
{
    text_put(t, "\"services\":[");
    for (size_t i = 0; o != NULL && i < o->count; i++) {
        text_put(t, i > 0 ? ",{" : "{");
        put_name(t, "name", o->list[i].name);
        text_format(t, "\"kind\":\"%s\"}", stream_kind_name(o->list[i].kind));
    }
    text_put(t, "],");
}

static void session_write(void *ctx, const struct hub_session *s)
{
    static const struct fingerprint none;
    char key[FINGERPRINT_TEXT_BYTES + 1] = "";
    struct part *p = ctx;
    struct text *t = &p->out;

    if (!part_next(p))
        return;
    if (!fingerprint_equal(&s->peer.key, &none))
        fingerprint_text(&s->peer.key, key);
    text_put(t, "{");
    put_name(t, "client", s->peer.name);
    put_name(t, "instance", s->peer.instance);
    put_name(t, "key", key);
    put_services(t, s->offering);
    text_format(t, "\"worker\":%u,\"session\":%" PRIu32 ",\"encrypted\":%s,\"away\":%s,\"up_s\":%" PRIu64 ",\"streams\":%u,",
                worker_index(worker_self()), s->peer.session, s->encrypted ? "true" : "false", s->away ? "true" : "false",
                (worker_now_us(worker_self()) - s->since_us) / US_PER_S, s->streams);
    text_format(t, "\"round_trip_us\":%" PRIu64 ",\"window\":%" PRIu64 ",\"in_flight\":%" PRIu64 ",\"resent\":%" PRIu64 ",",
                s->round_trip_us, s->window, s->in_flight, s->resent);
    text_format(t, "\"bytes_to\":%" PRIu64 ",\"bytes_from\":%" PRIu64 ",\"rate\":%" PRIu64 ",", s->bytes_to, s->bytes_from, s->rate);
    put_waits(t, s->waits);
    text_put(t, "}");
}

static void sessions_run(void *host, const void *question, unsigned index, void *part)
{
    struct server *s = host;
    struct part *p = part;

    (void)question;
    text_init(&p->out, ADMIN_PART_MAX);
    hub_sessions(hub_shard(s->hub, index), session_write, p);
}

/* The lines of authorized_clients. */
static void put_lines(struct admin *a, struct text *t)
{
    struct authorized_clients list;
    struct config_error err;
    char *lines = a->server->admission != NULL ? client_lines(a->server->state, &err) : NULL;
    bool valid = lines != NULL && authorized_clients_parse(lines, &list, &err) == 0;

    text_put(t, "\"lines\":[");
    for (size_t i = 0; valid && i < list.count; i++) {
        const struct authorized_client *c = &list.list[i];
        char key[FINGERPRINT_TEXT_BYTES + 1], options[CLIENT_GRANT_TEXT_MAX + 1];
        fingerprint_text(&c->key, key);
        client_grant_text(&c->grant, options, sizeof(options));
        text_put(t, i > 0 ? ",{" : "{");
        put_name(t, "client", c->pattern);
        put_name(t, "key", c->none ? "none" : c->any ? "any" : key);
        text_put(t, "\"options\":\"");
        text_add_json(t, options[0] == ' ' ? options + 1 : options);
        text_put(t, "\"}");
    }
    text_put(t, "]");
    if (valid)
        authorized_clients_done(&list);
    free(lines);
}

void admin_report_clients(struct admin *a, struct web_reply *out)
{
    struct ask *answer = admin_ask(a, &(struct ask_config){.part_size = sizeof(struct part), .run = sessions_run, .done = part_done}, out);
    unsigned cut = 0;
    struct text t;

    if (answer == NULL)
        return;
    text_init(&t, (size_t)ADMIN_PART_MAX * (a->server->count + 2));
    text_put(&t, "{\"sessions\":[");
    parts_join(&t, answer, a->server->count, &cut);
    ask_free(&answer);
    text_format(&t, "],\"unlisted\":%u,", cut);
    put_lines(a, &t);
    text_put(&t, "}\n");
    web_reply_text(out, 200, json, &t);
}

/* -- streams ------------------------------------------------------------------------------------------------------- */

static void stream_write(void *ctx, const struct hub_stream *s)
{
    struct part *p = ctx;
    struct text *t = &p->out;

    if ((p->only != NULL && strcmp(p->only, s->client) != 0) || !part_next(p))
        return;
    text_put(t, "{");
    put_name(t, "client", s->client);
    put_name(t, "service", s->service);
    text_format(t, "\"worker\":%u,\"session\":%" PRIu32 ",\"stream\":%" PRIu32 ",\"answered\":%s,", worker_index(worker_self()), s->session,
                s->stream, s->answered ? "true" : "false");
    text_format(t, "\"queued\":%zu,\"credit\":%" PRIu64 ",\"unread\":%zu,", s->queued, s->credit, s->unread);
    put_waits(t, s->waits);
    text_put(t, "}");
}

static void streams_run(void *host, const void *question, unsigned index, void *part)
{
    const char *only = question;
    struct server *s = host;
    struct part *p = part;

    text_init(&p->out, ADMIN_PART_MAX);
    p->only = only[0] != '\0' ? only : NULL;
    hub_streams(hub_shard(s->hub, index), stream_write, p);
}

void admin_report_streams(struct admin *a, const char *client, struct web_reply *out)
{
    const char *only = client != NULL ? client : "";
    struct ask *answer = admin_ask(a, &(struct ask_config){.question = only, .question_size = strlen(only) + 1,
                                                           .part_size = sizeof(struct part), .run = streams_run, .done = part_done}, out);
    unsigned cut = 0;
    struct text t;

    if (answer == NULL)
        return;
    text_init(&t, (size_t)ADMIN_PART_MAX * (a->server->count + 1));
    text_put(&t, "{\"streams\":[");
    parts_join(&t, answer, a->server->count, &cut);
    ask_free(&answer);
    text_format(&t, "],\"unlisted\":%u}\n", cut);
    web_reply_text(out, 200, json, &t);
}

/* -- the whole ----------------------------------------------------------------------------------------------------- */

static void clients_run(void *host, const void *question, unsigned index, void *part)
{
    struct server *s = host;

    (void)question;
    *(unsigned *)part = hub_client_count(hub_shard(s->hub, index));
}

void admin_report_status(struct admin *a, struct web_reply *out)
{
    struct ask *answer = admin_ask(a, &(struct ask_config){.part_size = sizeof(unsigned), .run = clients_run}, out);
    struct status s;
    struct text t;

    if (answer == NULL)
        return;
    server_look(a->server, *(const unsigned *)ask_part(answer, 0), &a->sample, &s);
    ask_free(&answer);
    text_init(&t, 64 * KIB);
    status_json(&t, &s);
    web_reply_text(out, 200, json, &t);
}
