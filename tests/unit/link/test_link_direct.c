/* SPDX-License-Identifier: Apache-2.0 */
/* A direct line into the embedded broker: two links on two shards. */
#include "bench_link.h"
#include "broker/broker.h"
#include "mdm-tunnel/limits.h"
#include "tap.h"

struct pair {
    struct worker *workers[2];
    struct broker *broker;
    struct bench a, b; /* on worker 0 and 1 */
};

static const char *const filters_a[] = {"mdm/to/a/+", NULL};
static const char *const filters_b[] = {"mdm/to/b/+", NULL};
static const char *const everywhere[] = {"mdm/at/+/+", NULL};

static void side_start(struct pair *p, struct bench *b, unsigned index, const char *const *filters,
                       const char *presence)
{
    bench_init(b, p->workers[index]);
    const struct link_config config = {
        .worker = b->worker,
        .events = &bench_events,
        .ctx = b,
        .filters = filters,
        .everywhere_filters = everywhere,
        .presence_topic = presence,
        .presence = presence == NULL ? NULL : "here",
    };
    b->link = link_direct_create(&config, broker_shard(p->broker, index));
}

static bool pair_start(struct pair *p)
{
    for (unsigned i = 0; i < 2; i++)
        p->workers[i] = worker_create("test", i);
    const struct broker_config config = {.workers = p->workers, .worker_count = 2, .connect_timeout_us = US_PER_S, .strangers_max = 100};
    p->broker = broker_create(&config);
    side_start(p, &p->a, 0, filters_a, "mdm/at/a/0");
    side_start(p, &p->b, 1, filters_b, NULL);
    return worker_start(p->workers[0]) == 0 && worker_start(p->workers[1]) == 0;
}

static void side_end(struct bench *b)
{
    link_free(&b->link);
    OK(b->link == NULL);
    OK_INT(b->errors, 0);
    bench_done(b);
}

static void pair_end(struct pair *p)
{
    for (unsigned i = 0; i < 2; i++)
        worker_stop(p->workers[i]);
    side_end(&p->a);
    side_end(&p->b);
    broker_free(&p->broker);
    for (unsigned i = 0; i < 2; i++)
        worker_free(&p->workers[i]);
}

static void do_start(struct bench *b, void *arg)
{
    (void)arg;
    link_start(b->link);
    b->errors += b->ups != 0; /* never from inside a call */
}

/* The other shards hear of a subscription by mail, so the first message may be too early; QoS 0 allows it to be
 * lost. */
static bool publish_until_it_arrives(struct pair *p, const char *topic, const char *text)
{
    const struct timespec pause = {0, 10 * 1000 * 1000};
    struct bench_publish m = {topic, text};
    bool arrived = false;
    for (int i = 0; i < 1000 && !arrived; i++) {
        bench_do(&p->a, bench_do_publish, &m);
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&p->b.lock);
        arrived = strcmp(p->b.topic, topic) == 0;
        pthread_mutex_unlock(&p->b.lock);
    }
    return arrived;
}

static void talks_across_shards(void)
{
    struct pair p;
    if (!OK(pair_start(&p)))
        return;
    OK(bench_do(&p.a, do_start, NULL));
    OK(bench_await(&p.a, &p.a.ups, 1));
    OK(bench_do(&p.b, do_start, NULL));
    OK(bench_await(&p.b, &p.b.ups, 1));
    OK(bench_await(&p.b, &p.b.messages, 1)); /* a's presence, whichever way */
    OK_TEXT(p.b.topic, "mdm/at/a/0");
    OK_TEXT(p.b.text, "here");
    OK(publish_until_it_arrives(&p, "mdm/to/b/x", "hello"));
    OK_TEXT(p.b.topic, "mdm/to/b/x");
    OK_TEXT(p.b.text, "hello");
    size_t room = 0;
    OK(bench_do(&p.a, bench_do_room, &room));
    OK_INT(room, ENVELOPE_MAX_EMBEDDED);
    OK_INT(link_max_payload(p.a.link), ENVELOPE_MAX_EMBEDDED);
    pair_end(&p);
}

static void presence_changes_and_goes(void)
{
    struct pair p;
    char there[] = "there";
    if (!OK(pair_start(&p)))
        return;
    OK(bench_do(&p.b, do_start, NULL));
    OK(bench_await(&p.b, &p.b.ups, 1));
    OK(bench_do(&p.a, do_start, NULL));
    OK(bench_await(&p.b, &p.b.messages, 1));
    OK(bench_do(&p.a, bench_do_presence, there));
    OK(bench_await(&p.b, &p.b.messages, 2));
    OK_TEXT(p.b.text, "there");
    OK(bench_do(&p.a, bench_do_close, NULL));
    OK(bench_do(&p.a, bench_do_close, NULL));
    OK(bench_await(&p.b, &p.b.messages, 3));
    OK_TEXT(p.b.topic, "mdm/at/a/0");
    OK_TEXT(p.b.text, "");
    OK(bench_await(&p.a, &p.a.downs, 1));
    OK(p.a.never_again);
    size_t room = 1;
    OK(bench_do(&p.a, bench_do_room, &room));
    OK_INT(room, 0);
    struct bench_publish m = {"mdm/to/b/x", "too late"};
    OK(bench_do(&p.a, bench_do_publish, &m));
    pair_end(&p);
}

static void closed_before_it_is_up(void)
{
    struct pair p;
    if (!OK(pair_start(&p)))
        return;
    size_t room = 1;
    OK(bench_do(&p.a, bench_do_room, &room));
    OK_INT(room, 0);
    OK(bench_do(&p.a, bench_do_close, NULL));
    OK(bench_do(&p.a, do_start, NULL));
    pair_end(&p);
    OK_INT(p.a.ups, 0);
}

int main(void)
{
    const struct tap_case cases[] = {
        {"talks across shards", talks_across_shards},
        {"presence changes and goes", presence_changes_and_goes},
        {"closed before it is up", closed_before_it_is_up},
    };
    return TAP_RUN(cases);
}
