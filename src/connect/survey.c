/* SPDX-License-Identifier: Apache-2.0 */
/* Who is there. One worker; the calling thread waits for the eventfd. */
#include "connect/survey.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/object.h"
#include "connect/ask.h"
#include "peer/hub.h"
#include "peer/offering.h"

/* So long after the last news there is no more to come: retained presence arrives at once; at a broker that does not
 * remember, answers to the question who is there do within two seconds (peer/roll.h). */
#define QUIET_US         (1 * US_PER_S)
#define QUIET_FOREIGN_US (2500 * US_PER_MS)
/* To reach the broker, and to take leave. */
#define REACH_MS 15000
#define END_US (2 * US_PER_S)

enum answer { ANSWER_NONE, ANSWER_ASKED, ANSWER_SOME, ANSWER_REFUSED };

struct entry {
    struct survey *survey;
    struct hub_query *query; /* what it offers */
    struct ask *ask;
    enum answer answer;
    char id[NAME_MAX_BYTES + 1];
    char offer[1024];  /* or why it does not say */
    int64_t since_s;   /* 1970; 0: it does not say */
    uint64_t round_trip_us;
    char *tunnels;     /* lines of the answer, on the heap; NULL: none */
};

struct survey {
    OBJECT_MAGIC;
    const struct survey_config *config;
    struct worker *worker;
    struct hub *hub;
    int news;
    /* the worker's until it has stopped */
    bool reached;
    char why[256]; /* the broker cannot be reached */
    uint64_t started_us;
    struct event timer;
    unsigned count;
    struct entry entries[SURVEY_MAX];
};
#define SURVEY_MAGIC 0x73757276

static struct survey *survey_of(void *ctx)
{
    struct survey *v = ctx;
    CHECK_OBJECT(v, SURVEY_MAGIC);
    return v;
}

static void survey_over(struct survey *v)
{
    uint64_t one = 1;
    ssize_t written = write(v->news, &one, sizeof(one));
    (void)written; /* it takes that many */
}

/* -- news ---------------------------------------------------------------------------------------------------------- */

static bool is_waiting(const struct entry *e) { return e->answer == ANSWER_NONE || e->answer == ANSWER_ASKED; }

static uint64_t time_left(const struct survey *v)
{
    uint64_t now = worker_now_us(v->worker), end = v->started_us + v->config->timeout_us;
    return end > now ? end - now : 0;
}

static void wait_for(struct survey *v, uint64_t us)
{
    uint64_t left = time_left(v);
    us = us < left ? us : left;
    event_add(&v->timer, &(struct timeval){(time_t)(us / US_PER_S), (suseconds_t)(us % US_PER_S)});
}

static void wait_for_more(struct survey *v)
{
    wait_for(v, v->config->way->brokers != NULL ? QUIET_FOREIGN_US : QUIET_US);
}

static unsigned waiting_count(const struct survey *v)
{
    unsigned count = 0;
    for (unsigned i = 0; i < v->count; i++)
        count += is_waiting(&v->entries[i]);
    return count;
}

/* No news: but who is there may be far away. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct survey *v = survey_of(arg);
    (void)fd;
    (void)what;
    if (time_left(v) == 0 || waiting_count(v) == 0)
        survey_over(v);
    else
        wait_for_more(v);
}

/* All that were named have said what they had to say. */
static bool is_complete(const struct survey *v)
{
    unsigned named = 0;
    while (v->config->ids[named] != NULL)
        named++;
    return v->config->named && v->count >= named && waiting_count(v) == 0;
}

static void answered(struct entry *e, enum answer answer)
{
    e->answer = answer;
    if (is_complete(e->survey))
        survey_over(e->survey);
    else
        wait_for_more(e->survey);
}

/* NULL when there is no room for one more. */
static struct entry *entry_of(struct survey *v, const char *id)
{
    for (unsigned i = 0; i < v->count; i++)
        if (strcmp(v->entries[i].id, id) == 0)
            return &v->entries[i];
    if (v->count == SURVEY_MAX)
        return NULL;
    struct entry *e = &v->entries[v->count++];
    e->survey = v;
    snprintf(e->id, sizeof(e->id), "%s", id);
    return e;
}

static void tunnels_take(struct entry *e, char *text)
{
    char *fields[2], *copy = strdup(text), *at = copy;
    e->tunnels = strdup(text);
    while (copy != NULL && ask_fields(&at, fields, 2) == 2)
        if (strcmp(fields[0], "since") == 0)
            e->since_s = strtoll(fields[1], NULL, 10);
    free(copy);
}

/* Older devices do not know the question: then it is only not known since when they are there. */
static void on_answer(void *ctx, char *text, const struct error *why)
{
    struct entry *e = ctx;
    e->ask = NULL;
    e->round_trip_us = hub_round_trip_us(hub_shard(e->survey->hub, 0), e->id);
    if (text != NULL)
        tunnels_take(e, text);
    else if (e->survey->config->question != SURVEY_LIST)
        snprintf(e->offer, sizeof(e->offer), "(%s)", why->text);
    answered(e, text != NULL || e->survey->config->question == SURVEY_LIST ? ANSWER_SOME : ANSWER_REFUSED);
}

static void question_ask(struct entry *e)
{
    struct survey *v = e->survey;
    const struct error *why;
    e->answer = ANSWER_ASKED;
    e->ask = ask_open(hub_shard(v->hub, 0), e->id, v->config->question == SURVEY_DISCONNECT ? "disconnect" : "status", on_answer,
                      e, &why);
    if (e->ask == NULL)
        on_answer(e, NULL, why);
}

static void on_offer(void *ctx, struct offering *o, const struct error *why)
{
    struct entry *e = ctx;
    size_t len = 0;
    e->query = NULL;
    if (why != NULL) {
        wait_for_more(e->survey);
        return;
    }
    snprintf(e->offer, sizeof(e->offer), "%s", o->count == 0 ? "(nothing)" : "");
    for (size_t i = 0; i < o->count && len < sizeof(e->offer) - 1; i++)
        len += (size_t)snprintf(e->offer + len, sizeof(e->offer) - len, "%s%s", i > 0 ? " " : "", o->list[i].name);
    question_ask(e);
}

static void on_client_up(void *ctx, struct hub_shard *s, const char *id, bool first)
{
    struct survey *v = survey_of(ctx);
    struct entry *e = entry_of(v, id);
    struct hub_choice choice;
    const struct error *why;
    (void)first;
    wait_for_more(v);
    if (e == NULL || e->query != NULL || e->answer == ANSWER_ASKED || e->answer == ANSWER_SOME)
        return;
    if (v->config->question != SURVEY_LIST)
        question_ask(e);
    else if (hub_choose(s, id, NULL, &choice, &why))
        e->query = hub_services(s, &choice, on_offer, e);
}

static void on_session_ended(void *ctx, const char *peer, const struct error *reason)
{
    struct survey *v = survey_of(ctx);
    char name[NAME_MAX_BYTES + 1];
    struct entry *e = name_normalise(peer, strlen(peer), name) ? entry_of(v, name) : NULL;
    if (e == NULL || !is_waiting(e))
        return;
    snprintf(e->offer, sizeof(e->offer), "(%s)", reason->text);
    answered(e, ANSWER_REFUSED);
}

static const struct error *on_admit(void *ctx, const char *id, const struct seal_peer *peer, bool again)
{
    struct survey *v = survey_of(ctx);
    char address[NAME_MAX_BYTES + 300];
    struct config_error why;
    bool first;
    (void)again;
    char *place = trust_address(way_host(v->config->way), way_port(v->config->way));
    if (id == NULL || peer->other || place == NULL) {
        free(place);
        return &error_key_not_allowed;
    }
    snprintf(address, sizeof(address), "%s@%s", id, place);
    free(place);
    const struct trust_whom whom = {.address = address, .name = id};
    return trust_ask(v->config->trust, &whom, peer, &first, &why);
}

static void on_link_up(void *ctx, struct hub_shard *s, const char *note)
{
    struct survey *v = survey_of(ctx);
    (void)s;
    (void)note;
    if (!v->reached)
        v->started_us = worker_now_us(v->worker);
    v->reached = true;
    wait_for_more(v);
}

static void on_link_down(void *ctx, struct hub_shard *s, const char *why, uint64_t retry_us)
{
    struct survey *v = survey_of(ctx);
    (void)s;
    if (v->reached || v->why[0] != '\0' || retry_us == 0)
        return;
    snprintf(v->why, sizeof(v->why), "%s", why);
    survey_over(v);
}

static const struct hub_events survey_hub_events = {
    .link_up = on_link_up, .link_down = on_link_down, .client_up = on_client_up, .session_ended = on_session_ended};

/* -- life ---------------------------------------------------------------------------------------------------------- */

static bool survey_make(struct survey *v)
{
    const struct survey_config *config = v->config;
    v->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    v->worker = worker_create("worker-0", 0);
    if (v->news < 0 || v->worker == NULL)
        return false;
    evtimer_assign(&v->timer, worker_events(v->worker), on_timer, v);
    struct hub_config hub = {
        .workers = &v->worker,
        .worker_count = 1,
        .instance = config->instance,
        .watch_ids = config->ids,
        .guest = true,
        .events = &survey_hub_events,
        .ctx = v,
        .seal = trust_seal(config->trust),
        .admit = on_admit,
    };
    way_fill_hub(config->way, &hub);
    v->hub = hub_create(&hub);
    return v->hub != NULL && way_make_link(config->way, v->hub, config->instance);
}

static void survey_free(struct survey *v)
{
    if (v->worker != NULL) {
        worker_stop(v->worker);
        if (event_initialized(&v->timer))
            event_del(&v->timer);
    }
    for (unsigned i = 0; i < v->count; i++) {
        ask_cancel(&v->entries[i].ask);
        free(v->entries[i].tunnels);
    }
    hub_free(&v->hub);
    worker_free(&v->worker);
    if (v->news >= 0)
        close(v->news);
    FREE_OBJECT(v);
}

static void survey_wait(struct survey *v)
{
    struct pollfd wait = {.fd = v->news, .events = POLLIN};
    const struct timespec pause = {0, 5 * 1000 * 1000};
    int timeout_ms = REACH_MS + (int)(v->config->timeout_us / US_PER_MS);
    while (poll(&wait, 1, timeout_ms) < 0 && errno == EINTR)
        ;
    hub_end(v->hub);
    for (uint64_t end_us = clock_now_us() + END_US; !hub_ended(v->hub) && clock_now_us() < end_us;)
        nanosleep(&pause, NULL);
    worker_stop(v->worker);
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->id, ((const struct entry *)b)->id);
}

static void list_print(const struct entry *e)
{
    char since[24] = "-", round_trip[24] = "-";
    time_t at = (time_t)e->since_s;
    struct tm tm;
    if (at > 0 && localtime_r(&at, &tm) != NULL)
        strftime(since, sizeof(since), "%Y-%m-%d %H:%M:%S", &tm);
    if (e->round_trip_us > 0)
        snprintf(round_trip, sizeof(round_trip), "%.1f ms", (double)e->round_trip_us / US_PER_MS);
    printf("%-24s  %-19s  %9s  %s\n", e->id, since, round_trip, e->offer);
}

/* "tunnel", who, key, kind, what, from, since, bytes to and from the target; "ended", how many. */
static void tunnels_print(const struct entry *e)
{
    char *at = e->tunnels, *f[9], since[24];
    unsigned count, tunnels = 0;
    while (at != NULL && (count = ask_fields(&at, f, 9)) > 0) {
        struct tm tm;
        time_t began = count == 9 ? (time_t)strtoll(f[6], NULL, 10) : 0;
        if (count == 2 && strcmp(f[0], "ended") == 0)
            printf("%s: %s tunnels ended\n", e->id, f[1]);
        if (count != 9 || strcmp(f[0], "tunnel") != 0 || localtime_r(&began, &tm) == NULL)
            continue;
        tunnels++;
        strftime(since, sizeof(since), "%Y-%m-%d %H:%M:%S", &tm);
        printf("%s  %s  %s %s by %s from %s: %s bytes there, %s back\n", e->id, since, f[3], f[4], f[1],
               f[5][0] != '\0' ? f[5] : "-", f[7], f[8]);
    }
    if (tunnels == 0 && e->survey->config->question == SURVEY_STATUS)
        printf("%s: no tunnels\n", e->id);
}

static void survey_print(struct survey *v)
{
    if (v->count > 1)
        qsort(v->entries, v->count, sizeof(v->entries[0]), compare);
    for (unsigned i = 0; i < v->count; i++) {
        struct entry *e = &v->entries[i];
        if (is_waiting(e) && e->offer[0] == '\0')
            snprintf(e->offer, sizeof(e->offer), "(no answer)");
        if (v->config->question == SURVEY_LIST)
            list_print(e);
        else if (e->answer == ANSWER_SOME)
            tunnels_print(e);
        else
            printf("%s: %s\n", e->id, e->offer);
    }
    fflush(stdout);
}

/* What was asked of those that were named has been answered by all of them. */
static bool survey_done(const struct survey *v, struct config_error *err)
{
    for (unsigned i = 0; v->config->question != SURVEY_LIST && v->config->named && v->config->ids[i] != NULL; i++) {
        bool found = false;
        for (unsigned k = 0; k < v->count; k++)
            found |= strcmp(v->entries[k].id, v->config->ids[i]) == 0 && v->entries[k].answer == ANSWER_SOME;
        if (!found) {
            config_error_set(err, "%s has not answered", v->config->ids[i]);
            return false;
        }
    }
    return true;
}

int survey_run(const struct survey_config *config, struct config_error *err)
{
    struct survey *v;
    int error = ENOMEM;
    bool done = false;
    ALLOC_OBJECT(v, SURVEY_MAGIC);
    if (v == NULL)
        return config_error_set(err, "out of memory");
    v->config = config;
    v->news = -1;
    if (survey_make(v)) {
        hub_start(v->hub);
        error = worker_start(v->worker);
    }
    if (error == 0)
        survey_wait(v);
    if (error != 0)
        config_error_set(err, "cannot start: %s", strerror(error));
    else if (!v->reached)
        config_error_set(err, "cannot connect to %s: %s", config->way_text, v->why[0] != '\0' ? v->why : "no answer");
    else {
        survey_print(v);
        done = survey_done(v, err);
    }
    survey_free(v);
    return done ? 0 : -1;
}
