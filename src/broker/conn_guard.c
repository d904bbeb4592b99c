/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard is asked. While it has not answered, the packet stays at the front of what is held, and is taken apart again
 * afterwards: nothing overtakes it.
 */
#include "broker/conn.h"

static const struct broker_guard *guard(const struct conn *c) { return &c->shard->broker->guard; }

static void wait(struct conn *c)
{
    c->asking = true;
    transport_reading(&c->way, false);
    if (c->state == CONN_OPEN) /* before, the time for CONNECT goes on */
        conn_timer_set(c, c->shard->broker->connect_timeout_us);
}

void broker_go_on(struct broker_shard *s, uint64_t conn)
{
    struct conn *c = shard_conn(s, conn);
    if (c == NULL || !c->asking || c->state >= CONN_LINGERING)
        return;
    c->asking = false;
    if (c->state == CONN_OPEN) {
        event_del(&c->timer);
        if (c->keep_alive_us > 0)
            conn_timer_set(c, c->keep_alive_us);
    }
    conn_resume(c);
}

void conn_guard_late(struct conn *c)
{
    if (c->state == CONN_OPEN)
        conn_fail(c, MQTT_SERVER_BUSY, "no answer from a hook in time");
    else
        conn_refuse(c, MQTT_SERVER_BUSY, "no answer from a hook in time");
}

bool conn_guard_connect(struct conn *c, struct mqtt_connect *p)
{
    const struct broker_guard *g = guard(c);
    struct broker_denial denial;
    struct broker_client who = conn_client(c);
    if (g->arrive == NULL || c->way.kind->trusted)
        return true;
    if (c->guarded == NULL && (c->guarded = g->arrive(g->ctx, c->shard, c->handle, &c->way, &who)) == NULL) {
        conn_refuse(c, MQTT_SERVER_UNAVAILABLE, "out of memory");
        return false;
    }
    enum broker_verdict verdict = g->connect == NULL ? BROKER_ALLOW : g->connect(c->guarded, p, &denial);
    if (verdict == BROKER_LATER)
        wait(c);
    else if (verdict == BROKER_DENY)
        conn_refuse(c, denial.reason, denial.words);
    return verdict == BROKER_ALLOW;
}

enum broker_verdict conn_guard_publish(struct conn *c, struct mqtt_publish *p, struct slice *payload, struct broker_denial *d)
{
    if (c->guarded == NULL || guard(c)->publish == NULL)
        return BROKER_ALLOW;
    enum broker_verdict verdict = guard(c)->publish(c->guarded, p, payload, d);
    if (verdict == BROKER_LATER)
        wait(c);
    return verdict;
}

enum broker_verdict conn_guard_subscribe(struct conn *c, size_t n, struct mqtt_filter *f, struct broker_denial *d)
{
    if (c->guarded == NULL || guard(c)->subscribe == NULL)
        return BROKER_ALLOW;
    enum broker_verdict verdict = guard(c)->subscribe(c->guarded, n, f, d);
    if (verdict == BROKER_LATER)
        wait(c);
    return verdict;
}

void conn_guard_over(struct conn *c)
{
    if (c->guarded != NULL && !c->asking && guard(c)->over != NULL)
        guard(c)->over(c->guarded);
}

void conn_guard_leave(struct conn *c, const char *why)
{
    void *guarded = c->guarded;
    c->guarded = NULL;
    if (guarded != NULL)
        guard(c)->leave(guarded, why);
}
