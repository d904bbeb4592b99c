/* SPDX-License-Identifier: Apache-2.0 */
/* From a publisher to all receivers: connections and lines of the own shard, then the other shards. */
#include <stdlib.h>

#include "broker/conn.h"
#include "broker/round.h"
#include "broker/shard.h"

/* Whom one message is for. */
struct route {
    const struct conn *from;
    struct list conns; /* each once, with the highest QoS of its subscriptions (MQTT 5 3.3.4) */
    struct broker_line *lines[INDEX_KINDS][MQTT_LINES_PER_WORKER_MAX];
    unsigned line_count[INDEX_KINDS];
    uint64_t elsewhere[INDEX_KINDS];
};

/* -- matching ------------------------------------------------------------------------------------------------------ */

static void note_conn(struct route *r, const struct subscription *s)
{
    struct conn *c = s->conn;
    if (s->no_local && c == r->from)
        return;
    if (list_empty(&c->at_route)) {
        list_append(&r->conns, &c->at_route);
        c->route_qos = s->qos;
        c->route_retain = s->retain_as_published;
        return;
    }
    if (s->qos > c->route_qos)
        c->route_qos = s->qos;
    c->route_retain |= s->retain_as_published;
}

static void note_line(struct route *r, const struct subscription *s)
{
    for (unsigned i = 0; i < r->line_count[s->kind]; i++)
        if (r->lines[s->kind][i] == s->line)
            return;
    r->lines[s->kind][r->line_count[s->kind]++] = s->line;
}

static void note_filter(void *ctx, struct index_node *n)
{
    struct route *r = ctx;
    for (unsigned kind = 0; kind < INDEX_KINDS; kind++) {
        LIST_FOREACH (node, &n->here[kind]) {
            const struct subscription *s = CONTAINER_OF(node, struct subscription, at_node);
            if (s->conn != NULL)
                note_conn(r, s);
            else
                note_line(r, s);
        }
        r->elsewhere[kind] |= n->elsewhere[kind];
    }
}

static void route_match(struct route *r, struct broker_shard *s, const struct message *m, const struct conn *from)
{
    r->from = from;
    list_init(&r->conns);
    for (unsigned kind = 0; kind < INDEX_KINDS; kind++) {
        r->line_count[kind] = 0;
        r->elsewhere[kind] = 0;
    }
    index_match(&s->index_of_filters, m->topic, note_filter, r);
}

/* -- delivery on one shard ----------------------------------------------------------------------------------------- */

static void tell_conns(struct route *r, const struct message *m)
{
    for (struct list *node; (node = list_shift(&r->conns)) != NULL;) {
        struct conn *c = CONTAINER_OF(node, struct conn, at_route);
        conn_deliver(c, m, m->qos < c->route_qos ? m->qos : c->route_qos, m->retain && c->route_retain);
    }
}

static void tell_all_lines(const struct route *r, const struct message *m)
{
    for (unsigned i = 0; i < r->line_count[INDEX_ALL]; i++)
        line_deliver(r->lines[INDEX_ALL][i], m, false);
}

static bool is_told(const struct route *r, const struct broker_line *l)
{
    for (unsigned i = 0; i < r->line_count[INDEX_ALL]; i++)
        if (r->lines[INDEX_ALL][i] == l)
            return true;
    return false;
}

static void tell_any_lines(const struct route *r, const struct message *m, unsigned most)
{
    for (unsigned i = 0; i < r->line_count[INDEX_ANY] && i < most; i++)
        if (!is_told(r, r->lines[INDEX_ANY][i]))
            line_deliver(r->lines[INDEX_ANY][i], m, false);
}

/* What came from another shard; `any`: this one was chosen for those that are to be reached once. */
static void route_arrived(struct broker_shard *s, const struct message *m, bool any)
{
    struct route r;
    route_match(&r, s, m, NULL);
    tell_conns(&r, m);
    tell_all_lines(&r, m);
    if (any)
        tell_any_lines(&r, m, 1);
}

void route_to_lines(struct broker_shard *s, const struct message *m, bool any)
{
    struct route r;
    route_match(&r, s, m, NULL);
    while (list_shift(&r.conns) != NULL)
        ;
    tell_all_lines(&r, m);
    if (any)
        tell_any_lines(&r, m, MQTT_LINES_PER_WORKER_MAX);
}

/* -- to the other shards ------------------------------------------------------------------------------------------- */

struct forward {
    struct mail mail;
    struct broker_shard *to;
    struct message *message;
    bool any;
};

static void forward_free(struct forward *f)
{
    atomic_fetch_sub_explicit(&f->to->inbound, message_weight(f->message), memory_order_relaxed);
    message_unref(f->message);
    free(f);
}

static void forward_arrived(struct worker *self, struct mail *m)
{
    (void)self;
    struct forward *f = CONTAINER_OF(m, struct forward, mail);
    route_arrived(f->to, f->message, f->any);
    forward_free(f);
}

static void forward_discard(struct mail *m) { forward_free(CONTAINER_OF(m, struct forward, mail)); }

/* Takes the message's reference. False when the other shard has too much to do. */
static bool forward_send(struct broker_shard *to, struct message *m, bool any)
{
    size_t weight = message_weight(m);
    size_t before = atomic_fetch_add_explicit(&to->inbound, weight, memory_order_relaxed);
    struct forward *f = before + weight > MQTT_FORWARD_MAX ? NULL : malloc(sizeof(*f));
    if (f == NULL) {
        atomic_fetch_sub_explicit(&to->inbound, weight, memory_order_relaxed);
        message_unref(m);
        return false;
    }
    *f = (struct forward){
        .mail = {.deliver = forward_arrived, .discard = forward_discard}, .to = to, .message = m, .any = any};
    if (worker_post_new(to->worker, &f->mail))
        return true;
    forward_free(f);
    return false;
}

/* The one shard for those that are to be reached once; always the same for a topic, which keeps its order. */
static uint64_t choose_any(const struct broker_shard *s, const struct route *r, const struct message *m)
{
    uint64_t left = r->elsewhere[INDEX_ANY];
    if (r->line_count[INDEX_ANY] > 0 || left == 0)
        return 0;
    uint64_t hash = table_hash(s->broker->key, m->topic.data, m->topic.len);
    for (unsigned skip = (unsigned)(hash % (unsigned)__builtin_popcountll(left)); skip > 0; skip--)
        left &= left - 1;
    return left & -left;
}

/* False when a shard could not take it. */
static bool forward_all(struct broker_shard *s, const struct message *m, uint64_t shards, uint64_t any)
{
    bool all = true;
    struct message *kept = shards == 0 ? NULL : message_keep(m);
    if (kept == NULL)
        return shards == 0;
    for (uint64_t left = shards; left != 0; left &= left - 1) {
        uint64_t bit = left & -left;
        if (!forward_send(s->broker->shards[__builtin_ctzll(bit)], message_keep(kept), bit == any)) {
            counter_add(counters_self(), COUNTER_broker_dropped, 1);
            all = false;
        }
    }
    message_unref(kept);
    return all;
}

/* -- retained messages: to every shard ----------------------------------------------------------------------------- */

struct retained_round {
    struct round round;
    struct message *message;
    uint64_t any; /* bit of the chosen shard */
    struct receipt receipt;
};

/* Room in the store, which is made if something has expired. */
static bool retained_room(struct broker_shard *s, const struct message *m)
{
    if (m->payload.len == 0 || retained_has_room(&s->retained, m->topic))
        return true;
    retained_sweep(&s->retained, clock_now_us());
    return retained_has_room(&s->retained, m->topic);
}

static void retained_store(struct broker_shard *at, struct message *m)
{
    if (at->stamp < m->stamp)
        at->stamp = m->stamp;
    if (!retained_room(at, m) || !retained_put(&at->retained, m))
        counter_add(counters_self(), COUNTER_limits_hit, 1);
}

static void retained_arrived(struct broker_shard *at, struct round *r)
{
    struct retained_round *rr = CONTAINER_OF(r, struct retained_round, round);
    retained_store(at, rr->message);
    route_arrived(at, rr->message, rr->any == UINT64_C(1) << at->index);
}

static void receipt_settle(struct broker_shard *s, const struct receipt *receipt)
{
    struct conn *c = receipt->handle == 0 ? NULL : shard_conn(s, receipt->handle);
    if (c != NULL)
        conn_published(c, receipt->answer, receipt->packet_id);
    if (receipt->claim != NULL)
        registry_release(receipt->claim);
}

static void retained_everywhere(struct round *r)
{
    struct retained_round *rr = CONTAINER_OF(r, struct retained_round, round);
    receipt_settle(r->home, &rr->receipt);
    rr->receipt.claim = NULL;
}

static void retained_release(struct round *r)
{
    struct retained_round *rr = CONTAINER_OF(r, struct retained_round, round);
    free(rr->receipt.claim); /* of a round that never ended: there is nobody to give it to */
    message_unref(rr->message);
    round_done(r);
    free(rr);
}

static const struct round_kind retained_kind = {retained_arrived, retained_everywhere, retained_release};

/* The round of a retained message; NULL: it cannot be kept. Wills and lines are not held to what is under way. */
static struct retained_round *retained_prepare(struct broker_shard *s, struct message *m, bool bounded)
{
    size_t weight = message_weight(m);
    if (m->payload.len > MQTT_RETAINED_PAYLOAD_MAX || !retained_room(s, m) || (bounded && !round_fits(s, weight))) {
        counter_add(counters_self(), COUNTER_limits_hit, 1);
        return NULL;
    }
    struct retained_round *rr = calloc(1, sizeof(*rr));
    if (rr == NULL)
        return NULL;
    m->stamp = ++s->stamp;
    rr->message = message_keep(m);
    if (rr->message != NULL && round_init(&rr->round, &retained_kind, s, weight))
        return rr;
    message_unref(rr->message);
    free(rr);
    return NULL;
}

/* -- publishing ---------------------------------------------------------------------------------------------------- */

static void tell_lines(struct broker_shard *s, const struct route *r, const struct message *m, bool from_line)
{
    if (r->line_count[INDEX_ALL] + r->line_count[INDEX_ANY] == 0)
        return;
    if (from_line) {
        lines_defer(s, NULL, m, true);
    } else {
        tell_all_lines(r, m);
        tell_any_lines(r, m, MQTT_LINES_PER_WORKER_MAX);
    }
}

enum mqtt_reason route_publish(struct broker_shard *s, struct message *m, const struct conn *from,
                               const struct receipt *receipt)
{
    struct retained_round *rr = NULL;
    m->origin = s->index;
    if (m->retain && (rr = retained_prepare(s, m, from != NULL)) == NULL)
        return MQTT_QUOTA_EXCEEDED;
    counter_add(counters_self(), COUNTER_broker_published, 1);
    struct route r;
    route_match(&r, s, m, from);
    tell_conns(&r, m);
    uint64_t any = choose_any(s, &r, m);
    bool all = true;
    if (rr != NULL) {
        retained_store(s, rr->message);
        rr->any = any;
        rr->receipt = *receipt;
        round_start(&rr->round);
    } else {
        all = forward_all(s, m, r.elsewhere[INDEX_ALL] | any, any);
    }
    tell_lines(s, &r, m, from == NULL);
    if (!all && m->qos > 0)
        return MQTT_QUOTA_EXCEEDED;
    if (rr == NULL)
        receipt_settle(s, receipt);
    return MQTT_SUCCESS;
}
