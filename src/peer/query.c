/* SPDX-License-Identifier: Apache-2.0 */
/* Queries for a client's services. One allocation goes there and back: the question becomes the answer. */
#include "peer/query.h"

#include <event2/event.h>
#include <string.h>

#include "base/clock.h"

#define QUERY_US (5 * US_PER_S)

struct hub_query {
    OBJECT_MAGIC;
    struct list node;
    struct hub_shard *shard;
    uint64_t number; /* what an answer refers to: the query may be gone when it comes */
    struct event timer;
    hub_services_fn *answer;
    void *ctx;
};
#define QUERY_MAGIC 0x6d717279

struct question {
    struct mail mail; /* its node is also its place among the questions that wait */
    struct hub_shard *asker, *owner;
    uint64_t number;
    uint64_t until_us;
    const struct error *why; /* NULL: `offering` is the answer */
    struct offering *offering;
    char id[NAME_MAX_BYTES + 1];
    char instance[INSTANCE_TEXT_BYTES + 1];
};

/* -- on the asking worker ------------------------------------------------------------------------------------------ */

static void question_discard(struct mail *m)
{
    struct question *q = CONTAINER_OF(m, struct question, mail);
    offering_unref(q->offering);
    free(q);
}

static void query_free(struct hub_query *q)
{
    list_remove(&q->node);
    event_del(&q->timer);
    FREE_OBJECT(q);
}

static void query_answer(struct hub_query *q, const struct question *answer, const struct error *why)
{
    hub_services_fn *fn = q->answer;
    void *ctx = q->ctx;
    query_free(q);
    fn(ctx, why != NULL ? NULL : answer->offering, why);
}

static void answer_deliver(struct worker *self, struct mail *m)
{
    struct question *a = CONTAINER_OF(m, struct question, mail);
    (void)self;
    if (a->why == NULL)
        directory_offering(a->asker->directory, a->instance, a->offering);
    LIST_FOREACH(n, &a->asker->queries) {
        struct hub_query *q = CONTAINER_OF(n, struct hub_query, node);
        if (q->number == a->number) {
            query_answer(q, a, a->why);
            break;
        }
    }
    question_discard(m);
}

static void query_timeout(evutil_socket_t fd, short what, void *ctx)
{
    struct hub_query *q = ctx;
    (void)fd;
    (void)what;
    CHECK_OBJECT(q, QUERY_MAGIC);
    query_answer(q, NULL, &error_service_timeout);
}

static void question_send_back(struct question *q, const struct error *why)
{
    q->why = why;
    q->mail.deliver = answer_deliver;
    worker_post(q->asker->worker, &q->mail);
}

static void question_deliver(struct worker *self, struct mail *m);

static void question_ask(struct hub_shard *s, const char *instance, struct question *q)
{
    const struct directory_instance *to = directory_find(s->directory, instance);
    if (to == NULL || s->closing) {
        question_send_back(q, to == NULL ? &error_client_offline : &error_shutting_down);
        return;
    }
    q->owner = shard_owner(s, to);
    memcpy(q->id, to->id, strlen(to->id) + 1);
    memcpy(q->instance, to->text, sizeof(q->instance));
    if (!worker_post_new(q->owner->worker, &q->mail))
        question_send_back(q, &error_limit);
}

struct hub_query *hub_services(struct hub_shard *s, const struct hub_choice *of, hub_services_fn *answer, void *ctx)
{
    struct hub_query *query;
    CHECK_OBJECT(s, SHARD_MAGIC);
    struct question *q = calloc(1, sizeof(*q));
    ALLOC_OBJECT(query, QUERY_MAGIC);
    if (q == NULL || query == NULL) {
        free(q);
        free(query);
        return NULL;
    }
    query->shard = s;
    query->number = ++s->query_numbers;
    query->answer = answer;
    query->ctx = ctx;
    list_append(&s->queries, &query->node);
    evtimer_assign(&query->timer, worker_events(s->worker), query_timeout, query);
    event_add(&query->timer, &(struct timeval){.tv_sec = QUERY_US / US_PER_S});
    q->mail = (struct mail){.deliver = question_deliver, .discard = question_discard};
    list_init(&q->mail.node);
    q->asker = s;
    q->number = query->number;
    question_ask(s, of->instance, q);
    return query;
}

void hub_query_cancel(struct hub_query **qp)
{
    struct hub_query *q;
    if (*qp == NULL)
        return;
    TAKE_OBJECT(q, qp, QUERY_MAGIC);
    query_free(q);
}

void queries_free(struct hub_shard *s)
{
    while (!list_empty(&s->queries))
        query_free(CONTAINER_OF(s->queries.next, struct hub_query, node));
}

/* -- on the session's owner ---------------------------------------------------------------------------------------- */

static void question_answer(struct peer_session *ps, struct question *q, const struct error *why)
{
    if (why == NULL)
        q->offering = offering_ref(ps->offering);
    question_send_back(q, why);
}

static struct question *question_first(struct peer_session *ps)
{
    struct list *n = list_shift(&ps->questions);
    if (n == NULL)
        return NULL;
    ps->question_count--;
    return CONTAINER_OF(n, struct question, mail.node);
}

/* Those whose askers have given up: the oldest come first. */
static void questions_drop_old(struct peer_session *ps, uint64_t now)
{
    while (!list_empty(&ps->questions) && CONTAINER_OF(ps->questions.next, struct question, mail.node)->until_us <= now)
        question_discard(&question_first(ps)->mail);
}

static void question_wait(struct peer_session *ps, struct question *q)
{
    uint64_t now = worker_now_us(ps->shard->worker);
    questions_drop_old(ps, now);
    if (ps->question_count >= QUESTIONS_PER_SESSION_MAX) {
        question_send_back(q, &error_limit);
        return;
    }
    q->until_us = now + QUERY_US;
    list_append(&ps->questions, &q->mail.node);
    ps->question_count++;
}

static void question_deliver(struct worker *self, struct mail *m)
{
    struct question *q = CONTAINER_OF(m, struct question, mail);
    const struct error *why = NULL;
    (void)self;
    struct peer_session *ps = peer_session_open(q->owner, q->id, q->instance, &why);
    if (ps == NULL)
        question_send_back(q, why);
    else if (ps->offering != NULL)
        question_answer(ps, q, NULL);
    else
        question_wait(ps, q);
}

void questions_answer(struct peer_session *ps, const struct error *why)
{
    for (struct question *q; (q = question_first(ps)) != NULL;)
        question_answer(ps, q, why);
}

void questions_free(struct peer_session *ps)
{
    for (struct question *q; (q = question_first(ps)) != NULL;)
        question_discard(&q->mail);
}
