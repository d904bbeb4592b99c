/* SPDX-License-Identifier: Apache-2.0 */
/* Timers that keep a pace. */
#include "server/pace.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/worker.h"

/* A portion is what may pass in 50 ms: small enough to be smooth, large enough not to cost. */
#define PORTIONS_PER_S 20
#define PORTION_MIN 512

static void pace_go(evutil_socket_t fd, short what, void *ctx)
{
    struct pace_way *w = ctx;

    (void)fd, (void)what;
    w->waiting = false;
    w->go(w->ctx);
}

struct pace *pace_create(struct worker *w, const struct edge_rules *rules)
{
    struct pace *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->worker = w;
    p->rules = rules;
    for (unsigned i = 0; i < METER_WAYS; i++)
        evtimer_assign(&p->way[i].timer, worker_events(w), pace_go, &p->way[i]);
    return p;
}

void pace_free(struct pace **pp)
{
    if (*pp == NULL)
        return;
    for (unsigned i = 0; i < METER_WAYS; i++)
        event_del(&(*pp)->way[i].timer);
    free(*pp);
    *pp = NULL;
}

void pace_on_go(struct pace *p, enum meter_way way, void (*go)(void *ctx), void *ctx)
{
    if (p == NULL)
        return;
    p->way[way].go = go;
    p->way[way].ctx = ctx;
}

static uint64_t pace_rate(const struct pace *p, enum meter_way way)
{
    uint64_t own = p->rules->bandwidth[way], granted = p->rules->grant.bandwidth;

    return own == 0 || (granted > 0 && granted < own) ? granted : own;
}

size_t pace_portion(const struct pace *p, enum meter_way way, size_t max)
{
    uint64_t rate = p != NULL ? pace_rate(p, way) : 0;

    if (rate == 0)
        return max;
    uint64_t portion = rate / PORTIONS_PER_S > PORTION_MIN ? rate / PORTIONS_PER_S : PORTION_MIN;
    return portion < max ? (size_t)portion : max;
}

static uint64_t pace_charge(struct pace *p, struct meter *m, enum meter_way way, uint64_t rate, size_t bytes)
{
    return rate == 0 ? 0 : meter_charge(m, way, rate, bytes, worker_now_us(p->worker));
}

bool pace_moved(struct pace *p, enum meter_way way, size_t bytes)
{
    if (p == NULL || bytes == 0)
        return false;
    uint64_t wait = pace_charge(p, p->rules->of_service, way, p->rules->bandwidth[way], bytes);
    uint64_t longer = pace_charge(p, p->rules->of_client, way, p->rules->grant.bandwidth, bytes);

    wait = longer > wait ? longer : wait;
    if (wait == 0)
        return false;
    struct timeval tv = {(time_t)(wait / US_PER_S), (suseconds_t)(wait % US_PER_S)};
    p->way[way].waiting = true;
    event_add(&p->way[way].timer, &tv);
    counter_add(counters_self(), COUNTER_bandwidth_waits, 1);
    return true;
}

bool pace_waits(const struct pace *p, enum meter_way way) { return p != NULL && p->way[way].waiting; }
