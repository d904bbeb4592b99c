/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a stream gets its two ends. Opened here: the tap travels to the session's owner. Opened by a peer: the conduit
 * travels to its user. Either way the mail that carries the new end goes before anything that is said to it.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "peer/peer_session.h"
#include "peer/stream_ends.h"

/* How long an instance that refused a service is left alone while others have it. */
#define REFUSED_US (5 * US_PER_S)

bool stream_ends_create(struct hub_shard *here, struct hub_shard *user, struct hub_shard *owner, struct conduit **c,
                        struct tap **t)
{
    struct conduit *conduit = conduit_create(here, user);
    struct tap *tap = tap_create(here, owner);
    if (conduit == NULL || tap == NULL) {
        conduit_free(&conduit);
        tap_free(&tap);
        return false;
    }
    outbox_address(&conduit->out, &user->office, owner->worker, tap);
    outbox_address(&tap->out, &owner->office, user->worker, conduit);
    *c = conduit;
    *t = tap;
    return true;
}

/* -- opened here --------------------------------------------------------------------------------------------------- */

struct opening {
    struct mail mail;
    struct tap *tap;
    struct open_head head;
    uint32_t session; /* through this one only; 0: any with the instance, made if there is none */
    char id[NAME_MAX_BYTES + 1];
    char instance[INSTANCE_TEXT_BYTES + 1];
};

static struct peer_session *opening_session(const struct opening *o, const struct error **why)
{
    struct hub_shard *s = o->tap->shard;
    if (o->session == 0)
        return peer_session_open(s, o->id, o->instance, why);
    const struct route *r = routes_find(&s->routes, o->instance, o->session);
    *why = &error_session_unknown;
    return r == NULL || r->here == NULL || !r->here->up ? NULL : r->here;
}

static void opening_deliver(struct worker *self, struct mail *m)
{
    struct opening *o = CONTAINER_OF(m, struct opening, mail);
    struct tap *t = o->tap;
    const struct error *why = NULL;
    (void)self;
    tap_settle(t);
    struct peer_session *ps = opening_session(o, &why);
    if (ps != NULL)
        t->stream = mux_open(ps->mux, &o->head, &tap_stream_events, t, &why);
    t->through = ps;
    memcpy(t->service, o->head.service, sizeof(t->service));
    if (t->stream == NULL)
        tap_refused(t, why);
    free(o);
}

static void opening_discard(struct mail *m)
{
    struct opening *o = CONTAINER_OF(m, struct opening, mail);
    tap_free(&o->tap);
    free(o);
}

static struct opening *opening_create(const char *id, const char *instance, const struct open_head *head)
{
    struct opening *o = calloc(1, sizeof(*o));
    if (o == NULL)
        return NULL;
    o->mail = (struct mail){.deliver = opening_deliver, .discard = opening_discard};
    list_init(&o->mail.node);
    o->head = *head;
    snprintf(o->id, sizeof(o->id), "%s", id);
    memcpy(o->instance, instance, sizeof(o->instance));
    return o;
}

/* The instance of `id` whose turn it is, and how well it fits. NULL and *why. */
static const struct directory_instance *hub_pick(struct hub_shard *s, const char *id, const char *service,
                                                 enum directory_fitness *fitness, const struct error **why)
{
    const struct directory_instance *to = NULL;
    if (s->closing)
        *why = &error_shutting_down;
    else if ((to = directory_pick(s->directory, id, service, worker_now_us(s->worker), fitness)) == NULL)
        *why =
            directory_presence(s->directory, id) == DIRECTORY_UNKNOWN ? &error_unknown_client : &error_client_offline;
    return to;
}

struct hub_shard *shard_owner(const struct hub_shard *s, const struct directory_instance *to)
{
    const struct list *routes = routes_of(&s->routes, to->text);
    unsigned index =
        routes != NULL ? CONTAINER_OF(routes->next, struct route, node)->owner : hub_owner(s->hub, to->origin);
    return s->hub->shards[index];
}

bool hub_choose(struct hub_shard *s, const char *id, const char *service, struct hub_choice *out,
                const struct error **why)
{
    CHECK_OBJECT(s, SHARD_MAGIC);
    enum directory_fitness fitness;
    const struct directory_instance *to = hub_pick(s, id, service, &fitness, why);
    if (to == NULL)
        return false;
    memcpy(out->instance, to->text, sizeof(out->instance));
    out->edition = to->edition;
    out->sound = fitness < DIRECTORY_REFUSES;
    return true;
}

bool hub_refused(struct hub_shard *s, const struct hub_choice *choice, const char *service, const struct error *reason)
{
    CHECK_OBJECT(s, SHARD_MAGIC);
    if (reason == &error_shutting_down)
        directory_leave(s->directory, choice->instance);
    else if (reason == &error_service_refused || reason == &error_unknown_service || reason == &error_kind_not_offered)
        directory_refuse(s->directory, choice->instance, service, worker_now_us(s->worker) + REFUSED_US);
    else
        return false;
    return true;
}

bool hub_is_there(struct hub_shard *s, const struct hub_choice *of)
{
    CHECK_OBJECT(s, SHARD_MAGIC);
    return directory_find(s->directory, of->instance) != NULL;
}

struct offering *hub_offering(struct hub_shard *s, const struct hub_choice *of)
{
    CHECK_OBJECT(s, SHARD_MAGIC);
    const struct directory_instance *to = directory_find(s->directory, of->instance);
    return to == NULL ? NULL : to->offering;
}

/* Takes the opening, which may be NULL; sends it with the stream's tap to the session's owner. */
static struct conduit *opening_send(struct hub_shard *s, struct hub_shard *owner, struct opening *o,
                                    const struct conduit_events *events, void *ctx, const struct error **why)
{
    struct conduit *c;
    struct tap *t;
    if (o == NULL || !stream_ends_create(s, s, owner, &c, &t)) {
        free(o);
        *why = &error_no_memory;
        return NULL;
    }
    o->tap = t;
    if (!worker_post_new(owner->worker, &o->mail)) {
        opening_discard(&o->mail);
        conduit_free(&c);
        *why = &error_limit;
        return NULL;
    }
    conduit_set_events(c, events, ctx);
    conduit_settle(c);
    return c;
}

struct conduit *hub_open(struct hub_shard *s, const struct hub_choice *choice, const struct open_head *head,
                         const struct conduit_events *events, void *ctx, const struct error **why)
{
    CHECK_OBJECT(s, SHARD_MAGIC);
    const struct directory_instance *to = directory_find(s->directory, choice->instance);
    if (to == NULL || s->closing) {
        *why = to == NULL ? &error_client_offline : &error_shutting_down;
        return NULL;
    }
    return opening_send(s, shard_owner(s, to), opening_create(to->id, to->text, head), events, ctx, why);
}

struct conduit *hub_open_back(struct hub_shard *s, const struct conduit_peer *to, const struct open_head *head,
                              const struct conduit_events *events, void *ctx, const struct error **why)
{
    CHECK_OBJECT(s, SHARD_MAGIC);
    if (s->closing) {
        *why = &error_shutting_down;
        return NULL;
    }
    struct opening *o = opening_create(to->name, to->instance, head);
    if (o != NULL)
        o->session = to->session;
    return opening_send(s, s->hub->shards[to->owner], o, events, ctx, why);
}

/* -- opened by a peer ---------------------------------------------------------------------------------------------- */

struct arrival {
    struct mail mail;
    struct conduit *conduit;
    struct open_head head;
};

static void arrival_deliver(struct worker *self, struct mail *m)
{
    struct arrival *a = CONTAINER_OF(m, struct arrival, mail);
    struct conduit *c = a->conduit;
    struct hub_shard *s = c->shard;
    const struct hub_config *config = &s->hub->config;
    (void)self;
    conduit_settle(c);
    if (s->closing)
        conduit_refuse(&c, &error_shutting_down);
    else
        config->events->opened(config->ctx, s, c, &a->head);
    free(a);
}

static void arrival_discard(struct mail *m)
{
    struct arrival *a = CONTAINER_OF(m, struct arrival, mail);
    conduit_free(&a->conduit);
    free(a);
}

static struct hub_shard *user_of(struct hub_shard *owner, const struct open_head *head)
{
    const struct hub_config *config = &owner->hub->config;
    if (config->place == NULL)
        return owner;
    return owner->hub->shards[config->place(config->ctx, head) % owner->hub->shard_count];
}

void stream_arrived(struct hub_shard *owner, struct mux_stream *stream, const struct open_head *head,
                    const struct conduit_peer *peer)
{
    struct tap *t;
    if (owner->hub->config.events->opened == NULL || owner->closing) {
        mux_refuse(stream, owner->closing ? &error_shutting_down : &error_unknown_service);
        return;
    }
    struct hub_shard *user = user_of(owner, head);
    struct arrival *a = calloc(1, sizeof(*a));
    if (a == NULL || !stream_ends_create(owner, user, owner, &a->conduit, &t)) {
        free(a);
        mux_refuse(stream, &error_no_memory);
        return;
    }
    a->mail = (struct mail){.deliver = arrival_deliver, .discard = arrival_discard};
    list_init(&a->mail.node);
    a->head = *head;
    a->conduit->peer = *peer;
    if (!worker_post_new(user->worker, &a->mail)) {
        arrival_discard(&a->mail);
        tap_free(&t);
        mux_refuse(stream, &error_limit);
        return;
    }
    t->stream = stream;
    tap_settle(t);
    mux_attach(stream, &tap_stream_events, t);
}
