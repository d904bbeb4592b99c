/* SPDX-License-Identifier: Apache-2.0 */
/* One worker's part of the hub: what the link brings goes to sessions and directory, here or on another worker. */
#include "peer/shard.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/counters.h"
#include "peer/note.h"
#include "peer/peer_session.h"
#include "peer/presence.h"
#include "peer/query.h"
#include "peer/stream_ends.h"
#include "wire/envelope.h"

static struct hub_shard *shard_of(void *ctx)
{
    struct hub_shard *s = ctx;
    CHECK_OBJECT(s, SHARD_MAGIC);
    return s;
}

/* -- routes and avoidance: every shard's replica ------------------------------------------------------------------- */

static void route_add_read(struct hub_shard *s, const struct note *n)
{
    if (!routes_add(&s->routes, n->instance, n->session, n->worker, NULL))
        log_debug(n->instance, "no memory for the route to its session");
}

static void route_remove_read(struct hub_shard *s, const struct note *n)
{
    routes_remove(&s->routes, n->instance, n->session);
}

static void avoid_read(struct hub_shard *s, const struct note *n)
{
    directory_avoid(s->directory, n->instance, n->until_us);
}

bool shard_route_add(struct hub_shard *s, const char *instance, uint32_t session, struct peer_session *ps)
{
    struct note n = note_about(s, instance, session);
    n.read = route_add_read;
    return routes_add(&s->routes, instance, session, s->index, ps) && note_send(s, &n, NOTE_TO_ALL);
}

void shard_route_remove(struct hub_shard *s, const char *instance, uint32_t session)
{
    struct note n = note_about(s, instance, session);
    n.read = route_remove_read;
    routes_remove(&s->routes, instance, session);
    if (!note_send(s, &n, NOTE_TO_ALL))
        log_debug(instance, "no memory to say that its session has ended");
}

void shard_avoid(struct hub_shard *s, const char *instance, uint64_t until_us)
{
    struct note n = note_about(s, instance, 0);
    n.read = avoid_read;
    n.until_us = until_us;
    directory_avoid(s->directory, instance, until_us);
    if (!note_send(s, &n, NOTE_TO_ALL))
        log_debug(instance, "no memory to say that it is to be avoided");
}

static void leave_read(struct hub_shard *s, const struct note *n) { directory_leave(s->directory, n->instance); }

void shard_leaving(struct hub_shard *s, const char *instance)
{
    struct note n = note_about(s, instance, 0);
    n.read = leave_read;
    directory_leave(s->directory, instance);
    if (!note_send(s, &n, NOTE_TO_ALL))
        log_debug(instance, "no memory to say that it is leaving");
}

static void weigh_read(struct hub_shard *s, const struct note *n)
{
    routes_weigh(&s->routes, n->instance, n->session, n->weight);
    directory_weigh(s->directory, n->instance, n->weight);
}

void shard_weigh(struct hub_shard *s, const char *instance, uint32_t session, unsigned weight)
{
    struct note n = note_about(s, instance, session);
    n.read = weigh_read;
    n.weight = weight;
    weigh_read(s, &n);
    if (!note_send(s, &n, NOTE_TO_ALL))
        log_debug(instance, "no memory to say what its share is");
}

static void offering_take(struct hub_shard *s, const char *instance, struct offering *o)
{
    directory_offering(s->directory, instance, o);
    const struct directory_instance *of = directory_find(s->directory, instance);
    if (of != NULL)
        shard_tell(s, client_offers, of->id, instance, o);
}

static void offering_read(struct hub_shard *s, const struct note *n) { offering_take(s, n->instance, n->offering); }

void shard_offering(struct hub_shard *s, const char *instance, struct offering *o)
{
    struct note n = note_about(s, instance, 0);
    n.read = offering_read;
    n.offering = o;
    offering_take(s, instance, o);
    if (!note_send(s, &n, NOTE_TO_ALL))
        log_debug(instance, "no memory to say what it offers");
}

/* -- envelopes ----------------------------------------------------------------------------------------------------- */

struct forward {
    struct mail mail;
    struct hub_shard *to;
    struct slice envelope;
    char instance[INSTANCE_TEXT_BYTES + 1];
};

static void shard_envelope(struct hub_shard *s, const char *instance, const struct slice *payload, bool forwarded);

static void forward_discard(struct mail *m)
{
    struct forward *f = CONTAINER_OF(m, struct forward, mail);
    slice_done(&f->envelope);
    free(f);
}

static void forward_deliver(struct worker *self, struct mail *m)
{
    struct forward *f = CONTAINER_OF(m, struct forward, mail);
    (void)self;
    shard_envelope(f->to, f->instance, &f->envelope, true);
    forward_discard(m);
}

/* Without memory the envelope is lost, as on any way; the session asks again. */
static void forward_send(struct hub_shard *to, const char *instance, const struct slice *payload)
{
    struct forward *f = malloc(sizeof(*f));
    if (f == NULL)
        return;
    f->mail = (struct mail){.deliver = forward_deliver, .discard = forward_discard};
    list_init(&f->mail.node);
    f->to = to;
    f->envelope = slice_ref(payload);
    memcpy(f->instance, instance, sizeof(f->instance));
    worker_post(to->worker, &f->mail);
}

static bool goodbye_allowed(struct hub_shard *s)
{
    uint64_t now = worker_now_us(s->worker);
    if (now - s->goodbyes_from_us >= US_PER_S) {
        s->goodbyes_from_us = now;
        s->goodbyes = 0;
    }
    return s->goodbyes++ < GOODBYES_PER_SECOND_MAX;
}

void shard_goodbye(struct hub_shard *s, const char *instance, uint32_t session, const struct error *reason)
{
    char topic[MQTT_TOPIC_MAX];
    if (session == 0 || !goodbye_allowed(s))
        return;
    snprintf(topic, sizeof(topic), "%s/to/%s/%s", s->hub->prefix, instance, s->hub->instance);
    struct slice bye = session_refusal(session, reason);
    if (bye.data != NULL)
        link_publish(s->link, topic, bye);
}

/* The worker where sessions with this instance are made decides what is unknown: it is the first to know of them. */
static bool envelope_passed_on(struct hub_shard *s, const char *instance, const struct slice *payload)
{
    const struct directory_instance *known = directory_find(s->directory, instance);
    unsigned owner = known == NULL ? s->index : hub_owner(s->hub, known->origin);
    if (owner == s->index)
        return false;
    forward_send(s->hub->shards[owner], instance, payload);
    return true;
}

/* An envelope of no session known here: a new one, or the rest of an old one. */
static void envelope_of_stranger(struct hub_shard *s, const char *instance, const struct envelope *e,
                                 const struct slice *payload)
{
    const struct error *why = &error_session_unknown;
    struct peer_session *ps = NULL;
    if (e->type == ENVELOPE_BYE)
        return;
    if (e->type == ENVELOPE_HELLO && (e->flags & ENVELOPE_FLAG_RESUME) == 0)
        ps = peer_session_answer(s, instance, e->session, &why);
    if (ps != NULL) {
        presence_place_taken(s, instance);
        peer_session_receive(ps, payload);
    } else
        shard_goodbye(s, instance, e->session, why);
}

/* A head that cannot be read; one of another version is told so (type, flags, session stand where they do in ours). */
static void envelope_unreadable(struct hub_shard *s, const char *instance, const struct slice *payload,
                                const struct error *why)
{
    struct bytes_reader r;
    bytes_reader_init(&r, payload->data, payload->len);
    uint8_t type = bytes_read_u8(&r) & 0x0f;
    bytes_read_u8(&r);
    uint32_t session = bytes_read_u32(&r);
    if (why == &error_protocol_version && !r.failed && type != ENVELOPE_BYE)
        shard_goodbye(s, instance, session, why);
}

static void shard_envelope(struct hub_shard *s, const char *instance, const struct slice *payload, bool forwarded)
{
    struct envelope e;
    const struct error *why = envelope_decode(&e, payload->data, payload->len);
    if (why != NULL) {
        envelope_unreadable(s, instance, payload, why);
        return;
    }
    const struct route *route = routes_find(&s->routes, instance, e.session);
    if (route != NULL && route->here != NULL && !route->here->inside)
        peer_session_receive(route->here, payload);
    else if (route != NULL)
        forward_send(s->hub->shards[route->owner], instance, payload);
    else if (forwarded || !envelope_passed_on(s, instance, payload))
        envelope_of_stranger(s, instance, &e, payload);
}

/* -- the link's news ----------------------------------------------------------------------------------------------- */

static const char *after(const char *text, const char *start)
{
    size_t len = strlen(start);
    return strncmp(text, start, len) == 0 ? text + len : NULL;
}

static void on_message(void *ctx, const char *topic, const struct slice *payload, bool retained, unsigned origin)
{
    struct hub_shard *s = shard_of(ctx);
    const char *rest;
    (void)retained;
    if ((rest = after(topic, s->hub->to_own)) != NULL) {
        if (instance_valid(rest))
            shard_envelope(s, rest, payload, false);
    } else if ((rest = after(topic, s->hub->at)) != NULL) {
        presence_message(s, rest, payload->len > 0, origin);
    } else if (strcmp(topic, s->hub->who) == 0) {
        roll_asked(s);
    }
}

static void sessions_carrier(struct hub_shard *s)
{
    LIST_FOREACH_SAFE(n, next, &s->sessions)
        peer_session_carrier(CONTAINER_OF(n, struct peer_session, node));
}

static void on_up(void *ctx, const char *note)
{
    struct hub_shard *s = shard_of(ctx);
    s->link_up = true;
    sessions_carrier(s);
    roll_link(s, true);
    shard_tell(s, link_up, note);
}

/* The closed link has said so: the other one's turn. */
static void link_change(struct hub_shard *s)
{
    s->former = s->link;
    s->link = s->next;
    s->next = NULL;
    link_start(s->link);
}

static void on_down(void *ctx, const char *why, uint64_t retry_us)
{
    struct hub_shard *s = shard_of(ctx);
    s->link_up = false;
    claims_clear(s);
    roll_link(s, false);
    directory_doubt(s->directory);
    sessions_carrier(s);
    shard_tell(s, link_down, why, retry_us);
    if (s->next != NULL)
        link_change(s);
}

static void on_writable(void *ctx)
{
    struct hub_shard *s = shard_of(ctx);
    struct list due;
    list_init(&due);
    list_splice(&due, &s->waiting);
    for (struct list *n; (n = list_shift(&due)) != NULL;)
        peer_session_writable(CONTAINER_OF(n, struct peer_session, waiting_node));
}

const struct link_events shard_link_events = {
    .up = on_up, .down = on_down, .message = on_message, .writable = on_writable};

/* -- who is admitted has changed ----------------------------------------------------------------------------------- */

struct review {
    struct mail mail;
    struct hub_shard *shard;
};

static void review_discard(struct mail *m) { free(CONTAINER_OF(m, struct review, mail)); }

static void review_deliver(struct worker *self, struct mail *m)
{
    struct hub_shard *s = CONTAINER_OF(m, struct review, mail)->shard;
    (void)self;
    review_discard(m);
    claims_retry(s);
    LIST_FOREACH_SAFE(n, next, &s->sessions)
        peer_session_review(CONTAINER_OF(n, struct peer_session, node));
}

void shard_review(struct hub_shard *s)
{
    struct review *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        log_debug("hub", "no memory to look again at who is admitted");
        return;
    }
    r->mail = (struct mail){.deliver = review_deliver, .discard = review_discard};
    list_init(&r->mail.node);
    r->shard = s;
    worker_post(s->worker, &r->mail);
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

static void start_deliver(struct worker *self, struct mail *m)
{
    (void)self;
    link_start(CONTAINER_OF(m, struct hub_shard, start)->link);
}

static void change_deliver(struct worker *self, struct mail *m)
{
    struct hub_shard *s = CONTAINER_OF(m, struct hub_shard, change);
    (void)self;
    s->changed = true;
    s->next = s->given;
    s->given = NULL;
    link_close(s->link);
}

static void close_deliver(struct worker *self, struct mail *m)
{
    struct hub_shard *s = CONTAINER_OF(m, struct hub_shard, close);
    (void)self;
    s->closing = true;
    LIST_FOREACH(n, &s->sessions)
        peer_session_goaway(CONTAINER_OF(n, struct peer_session, node));
}

static void end_deliver(struct worker *self, struct mail *m)
{
    struct hub_shard *s = CONTAINER_OF(m, struct hub_shard, end);
    (void)self;
    s->closing = true;
    LIST_FOREACH_SAFE(n, next, &s->sessions)
        peer_session_end(CONTAINER_OF(n, struct peer_session, node), &error_shutting_down);
    if (s->link != NULL)
        link_close(s->link);
    atomic_fetch_add_explicit(&s->hub->ended, 1, memory_order_release);
}

/* The mail is a part of the shard. */
static void shard_mail_discard(struct mail *m) { (void)m; }

static void shard_mail_init(struct mail *m, void (*deliver)(struct worker *self, struct mail *m))
{
    *m = (struct mail){.deliver = deliver, .discard = shard_mail_discard};
    list_init(&m->node);
}

struct hub_shard *hub_shard_create(struct hub *h, unsigned index, const uint64_t key[static 2])
{
    struct hub_shard *s;
    ALLOC_OBJECT(s, SHARD_MAGIC);
    if (s == NULL)
        return NULL;
    s->hub = h;
    s->index = index;
    s->worker = h->config.workers[index];
    list_init(&s->sessions);
    list_init(&s->waiting);
    list_init(&s->conduits);
    list_init(&s->taps);
    list_init(&s->queries);
    post_office_init(&s->office, s->worker);
    shard_mail_init(&s->start, start_deliver);
    shard_mail_init(&s->close, close_deliver);
    shard_mail_init(&s->end, end_deliver);
    shard_mail_init(&s->change, change_deliver);
    roll_init(s);
    s->directory = directory_create(key);
    bool claims = claims_init(&s->claims);
    if (!routes_init(&s->routes, key) || !claims || s->directory == NULL)
        hub_shard_free(&s);
    return s;
}

void hub_shard_free(struct hub_shard **sp)
{
    struct hub_shard *s;
    if (*sp == NULL)
        return;
    TAKE_OBJECT(s, sp, SHARD_MAGIC);
    s->stopped = true;
    while (!list_empty(&s->sessions)) {
        struct peer_session *ps = CONTAINER_OF(s->sessions.next, struct peer_session, node);
        peer_session_free(&ps);
    }
    while (!list_empty(&s->taps)) {
        struct tap *t = CONTAINER_OF(s->taps.next, struct tap, node);
        tap_free(&t);
    }
    while (!list_empty(&s->conduits)) {
        struct conduit *c = CONTAINER_OF(s->conduits.next, struct conduit, node);
        conduit_free(&c);
    }
    queries_free(s);
    roll_done(s);
    post_office_done(&s->office);
    claims_done(&s->claims);
    routes_done(&s->routes);
    directory_free(&s->directory);
    link_free(&s->link);
    link_free(&s->given);
    link_free(&s->next);
    link_free(&s->former);
    offering_unref(s->offer);
    FREE_OBJECT(s);
}
