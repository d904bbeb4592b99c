/* SPDX-License-Identifier: Apache-2.0 */
/* One session and its mux, bound to the shard's link, turn and timer. */
#include "peer/peer_session.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "peer/peers.h"
#include "peer/query.h"
#include "peer/stream_ends.h"

/* How long a handshake may take, unless the configuration says. */
#define UP_US_DEFAULT (10 * US_PER_S)
/* How long a peer whose place is taken has to answer. */
#define FORMER_US (1 * US_PER_S)
/* How long an instance that did not answer is left alone while there are others. */
#define AVOID_US (10 * US_PER_S)

static struct peer_session *session_of(void *ctx)
{
    struct peer_session *ps = ctx;
    CHECK_OBJECT(ps, PEER_SESSION_MAGIC);
    return ps;
}

static uint64_t now_us(const struct peer_session *ps) { return worker_now_us(ps->shard->worker); }

/* -- what the session says ----------------------------------------------------------------------------------------- */

static size_t on_room(void *ctx)
{
    struct peer_session *ps = session_of(ctx);
    size_t room = link_room(ps->shard->link, ps->topic);
    if (room == 0 && list_empty(&ps->waiting_node))
        list_append(&ps->shard->waiting, &ps->waiting_node);
    return room;
}

static void on_send(void *ctx, struct slice envelope)
{
    struct peer_session *ps = session_of(ctx);
    link_publish(ps->shard->link, ps->topic, envelope);
}

static size_t on_pull(void *ctx, uint8_t *dst, size_t max)
{
    struct peer_session *ps = session_of(ctx);
    size_t n = ps->seal != NULL ? seal_pull(ps->seal, dst, max) : mux_pull(ps->mux, dst, max);
    ps->bytes_to += n;
    return n;
}

static const struct error *on_push(void *ctx, const struct slice *bytes)
{
    struct peer_session *ps = session_of(ctx);
    ps->bytes_from += bytes->len;
    return ps->seal != NULL ? seal_push(ps->seal, bytes) : mux_push(ps->mux, bytes, now_us(ps));
}

static void session_ready(struct peer_session *ps)
{
    const struct hub_config *config = &ps->shard->hub->config;
    ps->up = true;
    ps->up_us = now_us(ps);
    ps->shard->proofs--;
    if (config->id != NULL)
        mux_say_weight(ps->mux, config->weight);
    peer_session_offer(ps);
    if (config->events->session_up != NULL)
        config->events->session_up(config->ctx, ps->name);
    if (ps->named && shard_wants_proof(ps->shard))
        shard_proven(ps->shard, ps->name, ps->instance);
}

static void on_up(void *ctx)
{
    struct peer_session *ps = session_of(ctx);
    if (ps->seal == NULL)
        session_ready(ps);
}

static void on_ended(void *ctx, const struct error *reason) { session_of(ctx)->ended = reason; }

static void on_session_wake(void *ctx)
{
    struct peer_session *ps = session_of(ctx);
    worker_at_turn(ps->shard->worker, TURN_FLUSH, &ps->flush);
}

static const struct session_events session_events = {.room = on_room,
                                                     .send = on_send,
                                                     .pull = on_pull,
                                                     .push = on_push,
                                                     .up = on_up,
                                                     .ended = on_ended,
                                                     .wake = on_session_wake};

/* -- what the seal says -------------------------------------------------------------------------------------------- */

static size_t on_seal_pull(void *ctx, uint8_t *dst, size_t max) { return mux_pull(session_of(ctx)->mux, dst, max); }

/* The first word of the one who answered says that we are admitted there too. */
static const struct error *on_seal_push(void *ctx, const struct slice *bytes)
{
    struct peer_session *ps = session_of(ctx);
    if (!ps->up)
        session_ready(ps);
    return mux_push(ps->mux, bytes, now_us(ps));
}

static const struct error *admission(const struct peer_session *ps, bool again)
{
    const struct hub_config *config = &ps->shard->hub->config;
    return config->admit == NULL ? NULL : config->admit(config->ctx, ps->named ? ps->name : NULL, ps->proof, again);
}

static const struct error *on_proven(void *ctx, const struct seal_peer *peer)
{
    struct peer_session *ps = session_of(ctx);
    ps->proof = peer;
    const struct error *why = admission(ps, false);
    if (why == NULL && !ps->first)
        session_ready(ps);
    return why;
}

static const struct seal_events seal_events = {
    .pull = on_seal_pull, .push = on_seal_push, .proven = on_proven, .wake = on_session_wake};

/* -- what the mux says --------------------------------------------------------------------------------------------- */

static void on_mux_wake(void *ctx) { session_wake(session_of(ctx)->session); }

static void on_opened(void *ctx, struct mux_stream *stream, const struct open_head *head)
{
    struct peer_session *ps = session_of(ctx);
    struct conduit_peer peer = peer_of(ps);
    stream_arrived(ps->shard, stream, head, &peer);
}

/* Without memory what was said before stays. */
static void offering_take(struct peer_session *ps, const struct service_entry *list, size_t count)
{
    const struct hub_config *config = &ps->shard->hub->config;
    struct offering *o = offering_create(list, count);
    if (o == NULL) {
        log_warning(ps->name, "no memory for what it offers");
        return;
    }
    if (config->offered != NULL && ps->named) {
        o->made_free = config->offered_free;
        o->made = config->offered(config->offered_ctx, ps->name, ps->seal != NULL ? &ps->proof->key : NULL, o->list, o->count);
    }
    offering_unref(ps->offering);
    ps->offering = o;
    shard_offering(ps->shard, ps->instance, o);
}

static void on_services(void *ctx, const struct service_entry *list, size_t count)
{
    struct peer_session *ps = session_of(ctx);
    offering_take(ps, list, count);
    if (ps->offering != NULL)
        questions_answer(ps, NULL);
}

static void on_weight(void *ctx, unsigned weight)
{
    struct peer_session *ps = session_of(ctx);
    shard_weigh(ps->shard, ps->instance, ps->id, weight);
}

/* A workstation gives no ports. */
static void on_public_port(void *ctx, const struct public_port *p)
{
    struct peer_session *ps = session_of(ctx);
    if (ps->seal == NULL || (ps->proof != NULL && !ps->proof->other))
        shard_tell(ps->shard, public_port, ps->instance, p);
}

static void on_goaway(void *ctx, const struct error *reason)
{
    struct peer_session *ps = session_of(ctx);
    (void)reason;
    shard_leaving(ps->shard, ps->instance);
}

static const struct mux_events mux_events = {
    .wake = on_mux_wake, .opened = on_opened, .services = on_services, .weight = on_weight,
    .public_port = on_public_port, .goaway = on_goaway};

/* -- every call into the session is between enter and leave -------------------------------------------------------- */

static void timer_arm(struct peer_session *ps)
{
    uint64_t at = session_deadline(ps->session);
    if (!ps->up && ps->up_until_us < at)
        at = ps->up_until_us;
    if (ps->former_until_us < at)
        at = ps->former_until_us;
    if (ps->idle_until_us < at)
        at = ps->idle_until_us;
    if (at >= ps->timer_us)
        return; /* too early does no harm: it is set again then */
    uint64_t now = now_us(ps), delay = at > now ? at - now : 0;
    struct timeval tv = {.tv_sec = (time_t)(delay / US_PER_S), .tv_usec = (suseconds_t)(delay % US_PER_S)};
    ps->timer_us = at;
    event_add(&ps->timer, &tv);
}

static void enter(struct peer_session *ps)
{
    CHECK_OBJECT(ps, PEER_SESSION_MAGIC);
    assert(!ps->inside);
    ps->inside = true;
}

static void finish(struct peer_session *ps);

static bool is_idle(const struct peer_session *ps)
{
    return ps->up && ps->first && mux_stream_count(ps->mux) == 0 && list_empty(&ps->questions);
}

/* Nobody needs it: it ends in a while, and comes again with the next stream. */
static void idle_watch(struct peer_session *ps)
{
    uint64_t linger_us = ps->shard->hub->config.linger_us;
    if (linger_us == 0 || !is_idle(ps))
        ps->idle_until_us = CLOCK_NEVER;
    else if (ps->idle_until_us == CLOCK_NEVER)
        ps->idle_until_us = now_us(ps) + linger_us;
}

static void leave(struct peer_session *ps)
{
    ps->inside = false;
    if (ps->ended != NULL) {
        finish(ps);
        return;
    }
    idle_watch(ps);
    timer_arm(ps);
}

static void on_flush(struct turn *t)
{
    struct peer_session *ps = CONTAINER_OF(t, struct peer_session, flush);
    struct hub_shard *s = ps->shard;
    enter(ps);
    session_flush(ps->session, now_us(ps));
    const struct error *why = ps->seal != NULL ? seal_failed(ps->seal) : NULL;
    if (why == NULL)
        why = mux_failed(ps->mux);
    if (why != NULL)
        session_close(ps->session, why, now_us(ps));
    leave(ps);
    post_office_post(&s->office); /* what was sent frees room at the conduits, in this turn yet */
}

static void former_due(struct peer_session *ps, uint64_t now)
{
    ps->former_until_us = CLOCK_NEVER;
    if (session_state(ps->session) != SESSION_UP)
        session_close(ps->session, &error_session_unknown, now);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct peer_session *ps = session_of(ctx);
    uint64_t now = now_us(ps);
    (void)fd;
    (void)what;
    ps->timer_us = CLOCK_NEVER;
    enter(ps);
    if (!ps->up && now >= ps->up_until_us)
        session_close(ps->session, &error_client_offline, now);
    else if (now >= ps->former_until_us)
        former_due(ps, now);
    else if (now >= ps->idle_until_us && is_idle(ps))
        session_close(ps->session, &error_session_idle, now);
    else if (now >= session_deadline(ps->session))
        session_tick(ps->session, now);
    leave(ps);
}

void peer_session_receive(struct peer_session *ps, const struct slice *envelope)
{
    if (ps->absent)
        peer_session_presence(ps, true);
    enter(ps);
    session_receive(ps->session, envelope, now_us(ps));
    leave(ps);
}

void peer_session_writable(struct peer_session *ps)
{
    enter(ps);
    session_writable(ps->session);
    leave(ps);
}

void peer_session_carrier(struct peer_session *ps)
{
    bool carried = ps->shard->link_up && !ps->absent;
    if (carried == ps->carried)
        return;
    ps->carried = carried;
    enter(ps);
    if (carried)
        session_carrier_back(ps->session, now_us(ps));
    else
        session_carrier_lost(ps->session, now_us(ps));
    leave(ps);
}

void peer_session_presence(struct peer_session *ps, bool there)
{
    ps->absent = !there;
    peer_session_carrier(ps);
}

void peer_session_former(struct peer_session *ps)
{
    uint64_t now = now_us(ps);
    if (ps->former_until_us != CLOCK_NEVER)
        return;
    ps->former_until_us = now + FORMER_US;
    enter(ps);
    if (ps->carried)
        session_carrier_back(ps->session, now);
    leave(ps);
}

void peer_session_end(struct peer_session *ps, const struct error *reason)
{
    enter(ps);
    session_close(ps->session, reason, now_us(ps));
    leave(ps);
}

void peer_session_review(struct peer_session *ps)
{
    const struct error *why = ps->seal != NULL && ps->up ? admission(ps, true) : NULL;
    if (why != NULL) {
        peer_session_end(ps, why);
    } else if (ps->offering != NULL) {
        struct offering *before = offering_ref(ps->offering);
        offering_take(ps, before->list, before->count);
        offering_unref(before);
    }
}

void peer_session_goaway(struct peer_session *ps) { mux_say_goaway(ps->mux, &error_shutting_down); }

/* The rules for visitors are no guest's: there are hashes of passwords among them. Without memory it hears of nothing. */
static void offer_to_guest(struct peer_session *ps, const struct offering *o)
{
    struct service_entry *list = calloc(o->count + 1, sizeof(*list));
    size_t count = 0;
    for (size_t i = 0; i < o->count && list != NULL; i++) {
        if (i + 1 < o->count && strcmp(o->list[i].name, o->list[i + 1].name) == 0)
            continue; /* of two kinds: to a guest one is as good as the other */
        list[count] = o->list[i];
        list[count].options = NULL;
        list[count++].options_len = 0;
    }
    mux_say_services(ps->mux, list, count);
    free(list);
}

void peer_session_offer(struct peer_session *ps)
{
    const struct offering *o = ps->shard->offer;
    if (!ps->up)
        return;
    if (o != NULL && ps->seal != NULL && ps->proof != NULL && ps->proof->other)
        offer_to_guest(ps, o);
    else
        mux_say_services(ps->mux, o != NULL ? o->list : NULL, o != NULL ? o->count : 0);
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

static bool topic_make(struct peer_session *ps)
{
    const struct hub *h = ps->shard->hub;
    return asprintf(&ps->topic, "%s/to/%s/%s", h->prefix, ps->instance, h->instance) >= 0;
}

/*
 * Both ends say the same: who said HELLO, who answers, as which client (none: ""), and whether who said HELLO comes as a
 * guest.
 */
static void names_write(const struct peer_session *ps, bool guest, char out[static SEAL_NAMES_MAX + 1])
{
    const struct hub *h = ps->shard->hub;
    snprintf(out, SEAL_NAMES_MAX + 1, "mdm/1/%s/%s/%s%s", ps->first ? h->instance : ps->instance,
             ps->first ? ps->instance : h->instance, !ps->first ? h->id : ps->named ? ps->name : "",
             guest ? "/guest" : "");
}

static bool seal_make(struct peer_session *ps)
{
    const struct hub_config *config = &ps->shard->hub->config;
    char names[SEAL_NAMES_MAX + 1];
    if (config->seal == NULL)
        return true;
    names_write(ps, ps->first && config->guest, names);
    ps->seal = seal_create(config->seal, ps->first, names, ps->named ? ps->name : NULL, &seal_events, ps);
    if (ps->seal == NULL || ps->first)
        return ps->seal != NULL;
    names_write(ps, true, names);
    seal_accept_other(ps->seal, names);
    return true;
}

static bool session_make(struct peer_session *ps)
{
    const struct hub_config *config = &ps->shard->hub->config;
    size_t link_max = link_max_payload(ps->shard->link);
    struct session_config of_session = {
        .id = ps->first ? ps->id : 0,
        .max_envelope = link_max < config->max_envelope ? link_max : config->max_envelope,
        .window_max = config->window_max,
        .envelopes_max = config->envelopes_max,
        .sealed = config->seal != NULL,
        .grace_us = config->grace_us,
        .idle_us = config->idle_us,
    };
    struct mux_config of_mux = {.opens_odd = ps->first,
                                .window_initial = STREAM_WINDOW_INITIAL,
                                .window_max = STREAM_WINDOW_MAX,
                                .streams_max = STREAMS_PER_SESSION_MAX,
                                .opens_max = config->opens_max};
    ps->session = session_create(&of_session, &session_events, ps, now_us(ps));
    ps->mux = ps->session == NULL ? NULL : mux_create(&of_mux, &mux_events, ps);
    return ps->mux != NULL;
}

static struct peer_session *peer_session_alloc(struct hub_shard *s, const char *id, const char *instance)
{
    struct peer_session *ps;
    ALLOC_OBJECT(ps, PEER_SESSION_MAGIC);
    if (ps == NULL)
        return NULL;
    ps->shard = s;
    ps->carried = true;
    ps->timer_us = ps->former_until_us = ps->idle_until_us = CLOCK_NEVER;
    list_init(&ps->node);
    list_init(&ps->waiting_node);
    list_init(&ps->questions);
    turn_init(&ps->flush, on_flush);
    evtimer_assign(&ps->timer, worker_events(s->worker), on_timer, ps);
    ps->named = id != NULL;
    snprintf(ps->name, sizeof(ps->name), "%s", id != NULL ? id : instance);
    snprintf(ps->instance, sizeof(ps->instance), "%s", instance);
    return ps;
}

static struct peer_session *peer_session_create(struct hub_shard *s, const char *id, const char *instance,
                                                uint32_t session_id, bool first, const struct error **why)
{
    uint64_t up_us = s->hub->config.up_us != 0 ? s->hub->config.up_us : UP_US_DEFAULT;
    if (s->closing || s->session_count >= s->session_max) {
        *why = s->closing ? &error_shutting_down : &error_session_limit;
        return NULL;
    }
    struct peer_session *ps = peer_session_alloc(s, id, instance);
    if (ps == NULL) {
        *why = &error_no_memory;
        return NULL;
    }
    ps->id = session_id;
    ps->first = first;
    ps->up_until_us = now_us(ps) + up_us;
    list_append(&s->sessions, &ps->node);
    s->session_count++;
    s->proofs++;
    if (!topic_make(ps) || !seal_make(ps) || !session_make(ps) || !shard_route_add(s, instance, session_id, ps)) {
        peer_session_free(&ps);
        *why = &error_no_memory;
        return NULL;
    }
    on_session_wake(ps);
    timer_arm(ps);
    peer_session_carrier(ps);
    return ps;
}

static uint32_t session_id_new(const struct hub_shard *s, const char *instance)
{
    uint32_t id = 0;
    while (id == 0 || routes_find(&s->routes, instance, id) != NULL)
        if (getrandom(&id, sizeof(id), 0) != sizeof(id))
            id = 0;
    return id;
}

struct peer_session *peer_session_open(struct hub_shard *s, const char *id, const char *instance,
                                       const struct error **why)
{
    struct peer_session *here[ROUTES_HERE_MAX];
    unsigned count = routes_here(&s->routes, instance, here);
    for (unsigned i = 0; i < count; i++)
        if (!here[i]->named || strcmp(here[i]->name, id) == 0)
            return here[i];
    return peer_session_create(s, id, instance, session_id_new(s, instance), true, why);
}

struct peer_session *peer_session_answer(struct hub_shard *s, const char *instance, uint32_t id,
                                         const struct error **why)
{
    const struct directory_instance *known = directory_find(s->directory, instance);
    if (routes_count(&s->routes, instance) >= SESSIONS_PER_INSTANCE_MAX) {
        *why = &error_session_limit;
        return NULL;
    }
    return peer_session_create(s, known != NULL ? known->id : NULL, instance, id, false, why);
}

void peer_session_free(struct peer_session **psp)
{
    struct peer_session *ps;
    TAKE_OBJECT(ps, psp, PEER_SESSION_MAGIC);
    if (ps->mux != NULL)
        mux_free(&ps->mux, ps->ended != NULL ? ps->ended : &error_shutting_down);
    if (ps->session != NULL)
        session_free(&ps->session);
    if (ps->seal != NULL)
        seal_free(&ps->seal);
    questions_free(ps);
    event_del(&ps->timer);
    turn_cancel(&ps->flush);
    list_remove(&ps->waiting_node);
    list_remove(&ps->node);
    ps->shard->session_count--;
    ps->shard->proofs -= !ps->up;
    offering_unref(ps->offering);
    free(ps->topic);
    FREE_OBJECT(ps);
}

/* Reasons that are about whose key it is. */
static bool is_about_keys(const struct error *reason)
{
    return reason == &error_encryption_mismatch || reason == &error_server_key_unknown || reason == &error_name_taken ||
           reason == &error_key_not_allowed || reason == &error_psk_refused || reason == &error_certificate_refused ||
           reason == &error_name_reserved ||
           reason == &error_device_key_unknown || reason == &error_workstation_refused;
}

/* What the end of a session says about its instance, where that has to be proven. */
static void finish_proof(struct hub_shard *s, const char *id, const char *instance, const struct error *reason, bool up)
{
    /* Its will may have been lost with its broker: nothing is heard of it, so it has to prove itself again. */
    bool vanished = up && reason == &error_session_lost;
    if (is_about_keys(reason) || (reason == &error_encryption_failed && !up) || vanished)
        shard_disproven(s, id, instance);
    else if (!up)
        claim_failed(s, id, instance);
}

/* The session is over: its streams end with its reason, and the instance is left alone for a while if it was silent. */
static void finish(struct peer_session *ps)
{
    struct hub_shard *s = ps->shard;
    const struct hub_config *config = &s->hub->config;
    const struct error *reason = ps->ended;
    bool proves = ps->named && shard_wants_proof(s), up = ps->up;
    char name[sizeof(ps->name)], instance[sizeof(ps->instance)];
    memcpy(name, ps->name, sizeof(name));
    memcpy(instance, ps->instance, sizeof(instance));
    shard_route_remove(s, ps->instance, ps->id);
    if (reason == &error_client_offline || reason == &error_session_lost)
        shard_avoid(s, ps->instance, now_us(ps) + AVOID_US);
    questions_answer(ps, reason);
    peer_session_free(&ps);
    if (proves)
        finish_proof(s, name, instance, reason, up);
    if (config->events->session_ended != NULL)
        config->events->session_ended(config->ctx, name, reason);
}
