/* SPDX-License-Identifier: Apache-2.0 */
/* Who is there. One worker; the calling thread waits for the eventfd. */
#include "connect/survey.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/object.h"
#include "peer/hub.h"
#include "peer/offering.h"

/* So long after the last news there is no more to come: retained presence arrives at once. */
#define QUIET_US (1 * US_PER_S)
/* To reach the broker, and to take leave. */
#define REACH_MS 15000
#define END_US (2 * US_PER_S)

enum answer { ANSWER_NONE, ANSWER_OFFER, ANSWER_REFUSED };

struct entry {
    struct survey *survey;
    struct hub_query *query;
    enum answer answer;
    char id[NAME_MAX_BYTES + 1];
    char text[1024]; /* what it offers, or why it does not say */
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

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    survey_over(survey_of(arg));
}

static void wait_for_more(struct survey *v)
{
    uint64_t now = worker_now_us(v->worker), end = v->started_us + v->config->timeout_us;
    uint64_t us = now + QUIET_US < end ? QUIET_US : end > now ? end - now : 0;
    event_add(&v->timer, &(struct timeval){(time_t)(us / US_PER_S), (suseconds_t)(us % US_PER_S)});
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

static void on_offer(void *ctx, struct offering *o, const struct error *why)
{
    struct entry *e = ctx;
    size_t len = 0;
    e->query = NULL;
    wait_for_more(e->survey);
    if (why != NULL)
        return;
    e->answer = ANSWER_OFFER;
    snprintf(e->text, sizeof(e->text), "%s", o->count == 0 ? "(nothing)" : "");
    for (size_t i = 0; i < o->count && len < sizeof(e->text) - 1; i++)
        len += (size_t)snprintf(e->text + len, sizeof(e->text) - len, "%s%s", i > 0 ? " " : "", o->list[i].name);
}

static void on_client_up(void *ctx, struct hub_shard *s, const char *id, bool first)
{
    struct survey *v = survey_of(ctx);
    struct entry *e = entry_of(v, id);
    struct hub_choice choice;
    const struct error *why;
    (void)first;
    wait_for_more(v);
    if (e != NULL && e->query == NULL && e->answer != ANSWER_OFFER && hub_choose(s, id, NULL, &choice, &why))
        e->query = hub_services(s, &choice, on_offer, e);
}

static void on_session_ended(void *ctx, const char *peer, const struct error *reason)
{
    struct survey *v = survey_of(ctx);
    char name[NAME_MAX_BYTES + 1];
    struct entry *e = name_normalise(peer, strlen(peer), name) ? entry_of(v, name) : NULL;
    if (e == NULL || e->answer != ANSWER_NONE)
        return;
    e->answer = ANSWER_REFUSED;
    snprintf(e->text, sizeof(e->text), "(%s)", reason->text);
    wait_for_more(v);
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
    (void)retry_us;
    if (v->reached || v->why[0] != '\0')
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

static void survey_print(struct survey *v)
{
    if (v->count > 1)
        qsort(v->entries, v->count, sizeof(v->entries[0]), compare);
    for (unsigned i = 0; i < v->count; i++)
        printf("%-24s  %s\n", v->entries[i].id, v->entries[i].answer == ANSWER_NONE ? "(no answer)" : v->entries[i].text);
    fflush(stdout);
}

int survey_run(const struct survey_config *config, struct config_error *err)
{
    struct survey *v;
    int error = ENOMEM;
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
    else
        survey_print(v);
    bool reached = v->reached;
    survey_free(v);
    return error == 0 && reached ? 0 : -1;
}
