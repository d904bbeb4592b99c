/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics: OpenMetrics 1.0 text. Rows come from tbl/counters.h and tbl/metrics.h; how many there are is bounded. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/openmetrics.h"
#include "server/admin_inner.h"
#include "server/tally.h"

#define PREFIX OPENMETRICS_PREFIX

/* Of one client, over its sessions. */
struct session_row {
    char client[NAME_MAX_BYTES + 1];
    uint64_t streams, to, from, window, in_flight, round_trip_us, resent, away;
};

struct part {
    struct session_row *sessions;
    size_t session_count, session_size;
    struct tally_row *services;
    size_t service_count;
    unsigned clients;
    bool failed;
};

/* -- on the workers ------------------------------------------------------------------------------------------------ */

static void session_take(void *ctx, const struct hub_session *s)
{
    struct part *p = ctx;

    if (p->session_count == p->session_size) {
        size_t size = p->session_size == 0 ? 64 : 2 * p->session_size;
        struct session_row *more = realloc(p->sessions, size * sizeof(*more));
        p->failed |= more == NULL;
        if (more == NULL)
            return;
        p->sessions = more;
        p->session_size = size;
    }
    struct session_row *row = &p->sessions[p->session_count++];
    *row = (struct session_row){.streams = s->streams, .to = s->bytes_to, .from = s->bytes_from, .window = s->window,
                                .in_flight = s->in_flight, .round_trip_us = s->round_trip_us, .resent = s->resent, .away = s->away};
    memcpy(row->client, s->peer.name, sizeof(row->client));
}

static void part_run(void *host, const void *question, unsigned index, void *part)
{
    struct server *s = host;
    struct part *p = part;

    (void)question;
    p->clients = hub_client_count(hub_shard(s->hub, index));
    hub_sessions(hub_shard(s->hub, index), session_take, p);
    p->services = tally_copy(&s->fronts[index]->tally, &p->service_count);
    p->failed |= p->services == NULL;
}

static void part_done(void *part)
{
    struct part *p = part;

    free(p->sessions);
    free(p->services);
}

/* -- together ------------------------------------------------------------------------------------------------------ */

static int session_order(const void *a, const void *b)
{
    return strcmp(((const struct session_row *)a)->client, ((const struct session_row *)b)->client);
}

static int service_order(const void *a, const void *b)
{
    const struct tally_row *x = a, *y = b;
    int order = strcmp(x->client, y->client);

    return order != 0 ? order : strcmp(x->service, y->service);
}

static void session_merge(struct session_row *to, const struct session_row *from)
{
    to->streams += from->streams;
    to->to += from->to;
    to->from += from->from;
    to->window += from->window;
    to->in_flight += from->in_flight;
    to->resent += from->resent;
    to->away += from->away;
    if (from->round_trip_us > to->round_trip_us)
        to->round_trip_us = from->round_trip_us;
}

/* Rows of the same name become one; how many are left. */
static size_t sessions_fold(struct session_row *rows, size_t count)
{
    size_t kept = 0;

    if (count > 0)
        qsort(rows, count, sizeof(*rows), session_order);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && session_order(&rows[kept - 1], &rows[i]) == 0)
            session_merge(&rows[kept - 1], &rows[i]);
        else
            rows[kept++] = rows[i];
    }
    return kept;
}

/* The same; the row of all others is the first, and takes what is one too many. */
static size_t services_fold(struct tally_row *rows, size_t count)
{
    size_t kept = 0;

    qsort(rows, count, sizeof(*rows), service_order);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && service_order(&rows[kept - 1], &rows[i]) == 0)
            tally_row_merge(&rows[kept - 1], &rows[i]);
        else if (kept == METRICS_NAMES_MAX)
            tally_row_merge(&rows[0], &rows[i]);
        else
            rows[kept++] = rows[i];
    }
    return kept;
}

static bool parts_join(struct ask *answer, unsigned workers, struct part *all)
{
    *all = (struct part){0};
    for (unsigned i = 0; i < workers; i++) {
        const struct part *p = ask_part(answer, i);
        all->session_count += p->session_count;
        all->service_count += p->service_count;
        all->failed |= p->failed;
        all->clients = i == 0 ? p->clients : all->clients;
    }
    all->sessions = calloc(all->session_count + 1, sizeof(*all->sessions));
    all->services = calloc(all->service_count + 1, sizeof(*all->services));
    if (all->failed || all->sessions == NULL || all->services == NULL)
        return false;
    size_t sessions = 0, services = 0;
    for (unsigned i = 0; i < workers; i++) {
        const struct part *p = ask_part(answer, i);
        if (p->session_count > 0)
            memcpy(all->sessions + sessions, p->sessions, p->session_count * sizeof(*p->sessions));
        memcpy(all->services + services, p->services, p->service_count * sizeof(*p->services));
        sessions += p->session_count;
        services += p->service_count;
    }
    all->session_count = sessions_fold(all->sessions, sessions);
    all->service_count = services_fold(all->services, services);
    return true;
}

/* -- text ---------------------------------------------------------------------------------------------------------- */

static double seconds(uint64_t us) { return (double)us / US_PER_S; }

/* Names are DNS labels, or instances in hexadecimal digits: nothing in them is to be escaped. */
static void put_service_answers(struct text *t, const struct part *all)
{
    static const char *const classes[TALLY_CLASSES] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

    openmetrics_family(t, METRIC_service_requests);
    for (size_t i = 0; i < all->service_count; i++)
        for (unsigned c = 0; c < TALLY_CLASSES; c++)
            if (all->services[i].answers[c] > 0)
                text_format(t, PREFIX "service_requests_total{client=\"%s\",service=\"%s\",status=\"%s\"} %" PRIu64 "\n",
                            all->services[i].client, all->services[i].service, classes[c], all->services[i].answers[c]);
}

static void put_service_seconds(struct text *t, const struct part *all)
{
    openmetrics_family(t, METRIC_service_seconds);
    for (size_t i = 0; i < all->service_count; i++) {
        const struct tally_row *r = &all->services[i];
        uint64_t count = 0;
        for (unsigned b = 0; b <= TALLY_BUCKETS; b++) {
            char bound[32] = "+Inf";
            count += r->within[b];
            if (b < TALLY_BUCKETS)
                snprintf(bound, sizeof(bound), "%g", seconds(tally_bounds_us[b]));
            text_format(t, PREFIX "service_seconds_bucket{client=\"%s\",service=\"%s\",le=\"%s\"} %" PRIu64 "\n", r->client, r->service, bound,
                        count);
        }
        text_format(t, PREFIX "service_seconds_count{client=\"%s\",service=\"%s\"} %" PRIu64 "\n", r->client, r->service, count);
        text_format(t, PREFIX "service_seconds_sum{client=\"%s\",service=\"%s\"} %.6f\n", r->client, r->service, seconds(r->sum_us));
    }
}

static void put_service_bytes(struct text *t, const struct part *all)
{
    for (unsigned up = 0; up < 2; up++) {
        openmetrics_family(t, up ? METRIC_service_bytes_up : METRIC_service_bytes_down);
        for (size_t i = 0; i < all->service_count; i++)
            text_format(t, PREFIX "service_bytes_%s_total{client=\"%s\",service=\"%s\"} %" PRIu64 "\n", up ? "up" : "down",
                        all->services[i].client, all->services[i].service,
                        up ? all->services[i].bytes_up : all->services[i].bytes_down);
    }
}

static void put_session(struct text *t, const struct part *all, enum metric m, size_t offset, double unit)
{
    size_t count = all->session_count < METRICS_NAMES_MAX ? all->session_count : METRICS_NAMES_MAX;
    const char *suffix = metric_suffix(m);

    openmetrics_family(t, m);
    for (size_t i = 0; i < count; i++) {
        uint64_t value;
        memcpy(&value, (const char *)&all->sessions[i] + offset, sizeof(value));
        if (unit == 1)
            text_format(t, PREFIX "%s%s{client=\"%s\"} %" PRIu64 "\n", metric_name(m), suffix, all->sessions[i].client, value);
        else
            text_format(t, PREFIX "%s%s{client=\"%s\"} %.6f\n", metric_name(m), suffix, all->sessions[i].client, (double)value * unit);
    }
}

static void put_sessions(struct text *t, const struct part *all)
{
    put_session(t, all, METRIC_session_streams, offsetof(struct session_row, streams), 1);
    put_session(t, all, METRIC_session_bytes_to, offsetof(struct session_row, to), 1);
    put_session(t, all, METRIC_session_bytes_from, offsetof(struct session_row, from), 1);
    put_session(t, all, METRIC_session_window_bytes, offsetof(struct session_row, window), 1);
    put_session(t, all, METRIC_session_in_flight_bytes, offsetof(struct session_row, in_flight), 1);
    put_session(t, all, METRIC_session_round_trip_seconds, offsetof(struct session_row, round_trip_us), 1e-6);
    put_session(t, all, METRIC_session_resent, offsetof(struct session_row, resent), 1);
    put_session(t, all, METRIC_session_away, offsetof(struct session_row, away), 1);
    openmetrics_single(t, METRIC_sessions_unlisted, all->session_count < METRICS_NAMES_MAX ? 0 : all->session_count - METRICS_NAMES_MAX);
}

void metrics_report(struct admin *a, struct web_reply *out)
{
    struct ask *answer = admin_ask(a, &(struct ask_config){.part_size = sizeof(struct part), .run = part_run, .done = part_done}, out);
    struct part all;
    struct text t;

    if (answer == NULL)
        return;
    text_init(&t, METRICS_TEXT_MAX);
    bool joined = parts_join(answer, a->server->count, &all);
    ask_free(&answer);
    if (joined) {
        openmetrics_program(&t, (uint64_t)a->server->started_s, server_is_ready(a->server));
        openmetrics_single(&t, METRIC_clients, all.clients);
        openmetrics_workers(&t, a->server->workers, a->server->count);
        openmetrics_counters(&t, COUNTER_OF_server);
        put_service_answers(&t, &all);
        put_service_seconds(&t, &all);
        put_service_bytes(&t, &all);
        put_sessions(&t, &all);
        openmetrics_end(&t);
    }
    part_done(&all);
    t.failed |= !joined;
    web_reply_text(out, 200, openmetrics_type, &t);
}
