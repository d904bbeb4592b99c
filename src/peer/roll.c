/* SPDX-License-Identifier: Apache-2.0 */
/* Asking who is there, answering, and the end of the call. */
#include "peer/roll.h"

#include <event2/event.h>
#include <sys/random.h>

#include "base/clock.h"
#include "peer/presence.h"

/* How long answers are spread over: a hundred thousand in one moment would be dropped by somebody. */
#define ANSWER_US (2 * US_PER_S)
/* From the first question to the second, and from there to the end. */
#define ROUND_US (ANSWER_US + 500 * US_PER_MS)
/* A presence that was taken back is missed by visitors. */
#define TAKEN_BACK_US (100 * US_PER_MS)

static void wait_for(struct event *e, uint64_t us)
{
    event_add(e, &(struct timeval){.tv_sec = (time_t)(us / US_PER_S), .tv_usec = (suseconds_t)(us % US_PER_S)});
}

static void ask(struct hub_shard *s)
{
    if (s->index == s->hub->feeder && (s->hub->config.watch_presence || s->hub->config.asks))
        link_publish(s->link, s->hub->who, slice_static(PRESENCE_TEXT, sizeof(PRESENCE_TEXT) - 1));
}

static void on_ask(evutil_socket_t fd, short what, void *ctx)
{
    struct hub_shard *s = ctx;
    (void)fd;
    (void)what;
    CHECK_OBJECT(s, SHARD_MAGIC);
    if (s->roll.asked_again) {
        presence_settle(s);
        return;
    }
    s->roll.asked_again = true;
    ask(s);
    wait_for(&s->roll.ask, ROUND_US);
}

static void on_announce(evutil_socket_t fd, short what, void *ctx)
{
    struct hub_shard *s = ctx;
    (void)fd;
    (void)what;
    CHECK_OBJECT(s, SHARD_MAGIC);
    if (s->link_up && !s->closing)
        link_set_presence(s->link, PRESENCE_TEXT);
}

void roll_init(struct hub_shard *s)
{
    evtimer_assign(&s->roll.ask, worker_events(s->worker), on_ask, s);
    evtimer_assign(&s->roll.announce, worker_events(s->worker), on_announce, s);
}

void roll_done(struct hub_shard *s)
{
    event_del(&s->roll.ask);
    event_del(&s->roll.announce);
}

void roll_link(struct hub_shard *s, bool up)
{
    event_del(&s->roll.ask);
    event_del(&s->roll.announce); /* the link says it when it is back */
    s->roll.asked_again = false;
    if (!up)
        return;
    ask(s);
    wait_for(&s->roll.ask, ROUND_US);
}

static void announce_within(struct hub_shard *s, uint64_t us)
{
    uint32_t random = 0;
    if (s->hub->presence_index != s->index || event_pending(&s->roll.announce, EV_TIMEOUT, NULL))
        return;
    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        random = (uint32_t)clock_now_us();
    wait_for(&s->roll.announce, us * random / UINT32_MAX);
}

void roll_asked(struct hub_shard *s) { announce_within(s, ANSWER_US); }
void roll_taken_back(struct hub_shard *s) { announce_within(s, TAKEN_BACK_US); }
