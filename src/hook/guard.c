/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet may ask several questions, and is taken apart again whenever one was answered late: answers are kept until it is over.
 */
#include "hook/guard.h"

#include <string.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/object.h"
#include "gate/transport.h"
#include "mdm-tunnel/limits.h"

#define GUARD_MAGIC 0x68677561u
#define GUARDED_MAGIC 0x68677565u

struct hook_guard {
    OBJECT_MAGIC;
    const struct hook_chain *hooks;
    struct broker_guard for_broker;
    struct question_store stores[WORKERS_MAX];
};

struct answer {
    bool allowed;
    struct mdm_question *q; /* what it has changed, or why; NULL: nothing */
};

/* A connection; its worker's. */
struct guarded {
    OBJECT_MAGIC;
    struct hook_guard *guard;
    struct broker_shard *shard;
    uint64_t conn;
    struct hook_session *session;
    bool told; /* hooks have heard `connect` */
    struct mdm_question *q; /* under way; NULL: none */
    struct answer *answers; /* about the packet, in order */
    size_t count, room;
    struct slice payload; /* what a hook has put there */
};

/* -- questions -------------------------------------------------------------------------------------------------------- */

/* Of an answer that says yes and changes nothing only that is kept. */
static void answer_keep(struct guarded *g, struct mdm_question *q, bool allowed)
{
    const char *words;
    bool matters = !allowed;
    for (unsigned field = 0; field < MDM_FIELDS; field++)
        matters |= question_changed(q, field);
    if (!allowed) {
        question_reason(q, &words);
        counter_add(counters_self(), COUNTER_broker_denied_hook, 1);
        log_info(hook_session_facts(g->session)->address, "a hook denies it: %s", words != NULL ? words : "no reason given");
    }
    g->answers[g->count++] = (struct answer){allowed, matters ? q : NULL};
    if (!matters)
        question_free(&q);
}

static void answered(void *ctx, struct mdm_question *q, bool allowed)
{
    struct guarded *g = ctx;
    CHECK_OBJECT(g, GUARDED_MAGIC);
    g->q = NULL;
    answer_keep(g, q, allowed);
    broker_go_on(g->shard, g->conn);
}

static bool room_make(struct guarded *g)
{
    if (g->count < g->room)
        return true;
    size_t room = g->room == 0 ? 2 : 2 * g->room;
    struct answer *more = realloc(g->answers, room * sizeof(*more));
    if (more == NULL)
        return false;
    g->answers = more;
    g->room = room;
    return true;
}

static struct question_store *store(struct guarded *g) { return &g->guard->stores[worker_index(worker_self())]; }

static enum broker_verdict failed(struct broker_denial *d)
{
    *d = (struct broker_denial){MQTT_SERVER_BUSY, "out of memory"};
    return BROKER_DENY;
}

/* Takes the question. */
static enum broker_verdict ask(struct guarded *g, struct mdm_question *q, struct broker_denial *d)
{
    if (q == NULL || !room_make(g)) {
        question_forget(&q);
        return failed(d);
    }
    enum mdm_verdict verdict = question_ask(q, worker_self(), answered, g);
    if (verdict == MDM_LATER) {
        g->q = q;
        return BROKER_LATER;
    }
    answer_keep(g, q, verdict == MDM_ALLOW);
    return BROKER_ALLOW;
}

/* The answer to the packet's question n, which is there; `answer`: the packet with a reason for a denial. */
static enum broker_verdict say(const struct guarded *g, size_t n, enum mqtt_type answer, struct broker_denial *d)
{
    const struct answer *a = &g->answers[n];
    if (a->allowed)
        return BROKER_ALLOW;
    d->reason = (enum mqtt_reason)question_reason(a->q, &d->words);
    if (!mqtt_reason_allowed(d->reason, answer))
        d->reason = MQTT_NOT_AUTHORIZED;
    if (d->words == NULL)
        d->words = "a hook denies it";
    return BROKER_DENY;
}

static bool changed(const struct guarded *g, size_t n, enum mdm_field field, struct mqtt_span *to)
{
    const struct answer *a = &g->answers[n];
    if (a->q == NULL || !question_changed(a->q, field))
        return false;
    *to = question_field(a->q, field);
    return true;
}

/* -- what the broker asks --------------------------------------------------------------------------------------------- */

static void *arrive(void *ctx, struct broker_shard *s, uint64_t conn, struct transport *way, const struct broker_client *who)
{
    struct guarded *g;
    size_t len = 0;
    char *request = transport_take_request(way, &len);
    ALLOC_OBJECT(g, GUARDED_MAGIC);
    if (g == NULL) {
        free(request);
        return NULL;
    }
    g->guard = ctx;
    g->shard = s;
    g->conn = conn;
    g->session = hook_session_of(&way->sock, who->address, who->listener, request, len);
    if (g->session == NULL)
        FREE_OBJECT(g);
    return g;
}

static bool facts_take(struct guarded *g, const struct mqtt_connect *p)
{
    hook_session_set_version(g->session, p->version);
    return hook_session_set_client_id(g->session, p->client_id) && hook_session_set_username(g->session, p->username);
}

static enum broker_verdict may_leave_will(struct guarded *g, size_t n, struct mqtt_connect *p, struct broker_denial *d)
{
    const struct mqtt_publish will = {.qos = p->will_qos, .retain = p->will_retain, .topic = p->will_topic, .payload = p->will_payload};
    enum broker_verdict verdict =
        n < g->count ? BROKER_ALLOW
                     : ask(g, question_publish(g->guard->hooks, g->session, p->will_topic, &will, true, NULL, NULL), d);
    if (verdict != BROKER_ALLOW || (verdict = say(g, n, MQTT_CONNACK, d)) != BROKER_ALLOW)
        return verdict;
    changed(g, n, MDM_TOPIC, &p->will_topic);
    changed(g, n, MDM_PAYLOAD, &p->will_payload);
    return BROKER_ALLOW;
}

static enum broker_verdict may_connect(void *guarded, struct mqtt_connect *p, struct broker_denial *d)
{
    struct guarded *g = guarded;
    const struct hook_wants *wants = hook_chain_wants(g->guard->hooks);
    size_t n = 0;
    CHECK_OBJECT(g, GUARDED_MAGIC);
    if (g->count == 0 && !facts_take(g, p))
        return failed(d);
    if (wants->auth_connect) {
        enum broker_verdict verdict =
            g->count > 0 ? BROKER_ALLOW : ask(g, question_connect(g->guard->hooks, g->session, p), d);
        if (verdict != BROKER_ALLOW || (verdict = say(g, n, MQTT_CONNACK, d)) != BROKER_ALLOW)
            return verdict;
        changed(g, n, MDM_CLIENT_ID, &p->client_id);
        changed(g, n, MDM_USERNAME, &p->username);
        changed(g, n, MDM_PASSWORD, &p->password);
        if (!facts_take(g, p))
            return failed(d);
        n++;
    }
    return p->has_will && wants->auth_publish ? may_leave_will(g, n, p, d) : BROKER_ALLOW;
}

static enum broker_verdict may_publish(void *guarded, struct mqtt_publish *p, struct slice *payload, struct broker_denial *d)
{
    struct guarded *g = guarded;
    CHECK_OBJECT(g, GUARDED_MAGIC);
    enum broker_verdict verdict =
        g->count > 0 ? BROKER_ALLOW
                     : ask(g, question_publish(g->guard->hooks, g->session, p->topic, p, false, store(g), payload->chunk), d);
    if (verdict != BROKER_ALLOW || (verdict = say(g, 0, MQTT_PUBACK, d)) != BROKER_ALLOW)
        return verdict;
    changed(g, 0, MDM_TOPIC, &p->topic);
    if (changed(g, 0, MDM_PAYLOAD, &p->payload)) {
        slice_done(&g->payload);
        *payload = g->payload = question_take(g->answers[0].q, MDM_PAYLOAD);
    }
    return BROKER_ALLOW;
}

static enum broker_verdict may_subscribe(void *guarded, size_t n, struct mqtt_filter *f, struct broker_denial *d)
{
    struct guarded *g = guarded;
    struct mqtt_span qos;
    CHECK_OBJECT(g, GUARDED_MAGIC);
    enum broker_verdict verdict = n < g->count ? BROKER_ALLOW : ask(g, question_subscribe(g->guard->hooks, g->session, f), d);
    if (verdict != BROKER_ALLOW || (verdict = say(g, n, MQTT_SUBACK, d)) != BROKER_ALLOW)
        return verdict;
    changed(g, n, MDM_TOPIC, &f->filter);
    if (changed(g, n, MDM_QOS, &qos))
        f->qos = qos.data[0];
    return BROKER_ALLOW;
}

static void over(void *guarded)
{
    struct guarded *g = guarded;
    CHECK_OBJECT(g, GUARDED_MAGIC);
    question_forget(&g->q);
    while (g->count > 0)
        question_forget(&g->answers[--g->count].q);
    slice_done(&g->payload);
    if (g->room > 2) {
        free(g->answers);
        g->answers = NULL;
        g->room = 0;
    }
}

/* -- news ------------------------------------------------------------------------------------------------------------- */

static void connected(void *guarded, const char *client_id)
{
    struct guarded *g = guarded;
    CHECK_OBJECT(g, GUARDED_MAGIC);
    if (!hook_session_set_client_id(g->session, mqtt_span_of(client_id)))
        log_debug("hook", "no memory for a client id");
    g->told = true;
    hook_chain_connect(g->guard->hooks, g->session);
}

static void published(void *guarded, const struct mqtt_publish *p)
{
    struct guarded *g = guarded;
    hook_chain_publish(g->guard->hooks, g->session, p->topic, p);
}

static void subscribed(void *guarded, const struct mqtt_filter *f)
{
    struct guarded *g = guarded;
    hook_chain_subscribe(g->guard->hooks, g->session, f);
}

static void unsubscribed(void *guarded, struct mqtt_span filter)
{
    struct guarded *g = guarded;
    hook_chain_unsubscribe(g->guard->hooks, g->session, filter);
}

static void leave(void *guarded, const char *why)
{
    struct guarded *g = guarded;
    CHECK_OBJECT(g, GUARDED_MAGIC);
    if (g->told)
        hook_chain_disconnect(g->guard->hooks, g->session, why); /* perhaps in words of a hook */
    over(g);
    hook_session_unref(g->session);
    free(g->answers);
    FREE_OBJECT(g);
}

/* -- life ------------------------------------------------------------------------------------------------------------- */

struct hook_guard *hook_guard_create(const struct hook_chain *c)
{
    const struct hook_wants *wants = hook_chain_wants(c);
    struct hook_guard *g;
    ALLOC_OBJECT(g, GUARD_MAGIC);
    if (g == NULL)
        return NULL;
    g->hooks = c;
    g->for_broker = (struct broker_guard){.ctx = g,
                                          .arrive = arrive,
                                          .connect = may_connect,
                                          .publish = wants->auth_publish ? may_publish : NULL,
                                          .subscribe = wants->auth_subscribe ? may_subscribe : NULL,
                                          .over = over,
                                          .connected = connected,
                                          .published = wants->publish ? published : NULL,
                                          .subscribed = wants->subscribe ? subscribed : NULL,
                                          .unsubscribed = wants->unsubscribe ? unsubscribed : NULL,
                                          .leave = leave};
    return g;
}

const struct broker_guard *hook_guard_for_broker(const struct hook_guard *g) { return &g->for_broker; }

void hook_guard_free(struct hook_guard **gp)
{
    struct hook_guard *g;
    if (*gp == NULL)
        return;
    TAKE_OBJECT(g, gp, GUARD_MAGIC);
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        question_store_done(&g->stores[i]);
    FREE_OBJECT(g);
}
