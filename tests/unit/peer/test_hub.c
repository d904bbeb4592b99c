/* SPDX-License-Identifier: Apache-2.0 */
/* Hubs that talk to each other over an ether: streams, sessions, presence, and how they end. */
#include "ether.h"
#include "peer/peer_session.h"
#include "program.h"
#include "tap.h"
#include "wire/envelope.h"

/* -- two programs -------------------------------------------------------------------------------------------------- */

static struct program server, tim, tim_too;

static void program_create(struct program *p, const char *id, unsigned workers, unsigned links, uint64_t grace_us,
                           uint64_t up_us)
{
    program_make_workers(p, workers);
    struct hub_config config = program_config(p, id);
    config.grace_us = grace_us;
    config.up_us = up_us;
    p->hub = hub_create(&config);
    OK(p->hub != NULL);
    for (unsigned i = 0; i < links; i++) {
        struct link_config of_link;
        hub_link_config(p->hub, i, &of_link);
        p->links[i] = ether_link_create(&of_link);
        hub_set_link(p->hub, i, p->links[i]);
    }
}

static void offer(struct program *p, size_t count)
{
    static const struct service_entry list[] = {{STREAM_KIND_TCP, "echo", NULL, 0}, {STREAM_KIND_HTTP, "source", NULL, 0}};
    OK(hub_offer(p->hub, list, count));
}

static void tim_start(struct program *p, unsigned workers, uint64_t grace_us)
{
    program_create(p, "tim", workers, 1, grace_us, 0);
    offer(p, 2);
    program_start(p);
}

/* The server knows `ups` arrivals on all of its workers. */
static void server_sees(unsigned ups) { WAIT(atomic_load(&server.ups) == ups * PROGRAM_WORKERS); }

static void pair_start(unsigned server_links, unsigned client_workers, uint64_t grace_us)
{
    ether_set(false, false, 0);
    program_create(&server, NULL, PROGRAM_WORKERS, server_links, grace_us, 0);
    program_start(&server);
    tim_start(&tim, client_workers, grace_us);
    server_sees(1);
}

/* Nothing is left of the streams once all have been told. */
static void nothing_left(struct program *p)
{
    struct left left = {0};
    for (unsigned i = 0; i < 1000; i++) {
        left = program_left(p);
        if (left.conduits + left.taps == 0)
            break;
    }
    OK_INT(left.conduits, 0);
    OK_INT(left.taps, 0);
}

static void pair_stop(void)
{
    nothing_left(&server);
    nothing_left(&tim);
    OK_INT(atomic_load(&server.misplaced) + atomic_load(&tim.misplaced), 0);
    program_free(&server);
    program_free(&tim);
}

static void call(struct call *k, unsigned worker) { run_on(&server, worker, call_open, k); }

static void call_waits(struct call *k, const struct error *reason)
{
    WAIT(atomic_load(&k->ended) != NULL);
    OK_TEXT(atomic_load(&k->ended)->name, reason->name);
}

static void cut_link(struct program *p, unsigned worker, void *arg)
{
    (void)arg;
    ether_detach(p->links[worker], "cut");
}

static void mend_link(struct program *p, unsigned worker, void *arg)
{
    (void)arg;
    ether_attach(p->links[worker]);
}

/* -- streams ------------------------------------------------------------------------------------------------------- */

static void echoes(void)
{
    pair_start(2, 1, US_PER_S);
    for (unsigned worker = 0; worker < PROGRAM_WORKERS; worker++) {
        struct call one = {.id = "tim", .service = "echo", .to_send = 100},
                    big = {.id = "tim", .service = "echo", .to_send = 3 * MIB};
        struct call none = {.id = "tim", .service = "echo"};
        call(&one, worker);
        call(&big, worker);
        call(&none, worker);
        call_waits(&one, &error_none);
        call_waits(&big, &error_none);
        call_waits(&none, &error_none);
        OK(atomic_load(&one.accepted) && atomic_load(&one.finished));
        OK_INT(atomic_load(&one.got), 100);
        OK_INT(one.bad, 0);
        OK_INT(atomic_load(&big.got), 3 * MIB);
        OK_INT(big.bad, 0);
        OK_INT(atomic_load(&none.got), 0);
    }
    OK_INT(atomic_load(&tim.sessions), 1);
    pair_stop();
}

static void closes_by_halves(void)
{
    pair_start(2, 1, US_PER_S);
    struct call k = {.id = "tim", .service = "farewell", .to_send = 10, .no_fin = true};
    call(&k, 1);
    WAIT(atomic_load(&k.finished));
    OK_TEXT(k.text, "bye");
    OK(atomic_load(&k.ended) == NULL); /* our direction is open */
    run_on(&server, 1, call_finish, &k);
    call_waits(&k, &error_none);
    pair_stop();
}

static void refuses(void)
{
    pair_start(2, 1, US_PER_S);
    struct call k = {.id = "tim", .service = "refuse", .to_send = 1000};
    call(&k, 0);
    call_waits(&k, &error_service_refused);
    OK(!atomic_load(&k.accepted));
    struct call nobody = {.id = "eve", .service = "echo"};
    call(&nobody, 0);
    OK(nobody.c == NULL);
    OK_TEXT(nobody.why->name, "unknown-client");
    OK_INT(hub_presence(hub_shard(server.hub, 0), "eve"), HUB_UNKNOWN);
    pair_stop();
}

static void cuts(void)
{
    pair_start(2, 2, US_PER_S);
    struct call theirs = {.id = "tim", .service = "cut", .to_send = 1000, .no_fin = true};
    call(&theirs, 1);
    call_waits(&theirs, &error_service_reset);
    struct call ours = {.id = "tim", .service = "echo", .to_send = 1000, .no_fin = true};
    call(&ours, 1);
    WAIT(atomic_load(&ours.got) == 1000);
    run_on(&server, 1, call_cut, &ours);
    struct call early = {.id = "tim", .service = "hold", .to_send = 1000, .no_fin = true};
    call(&early, 1);
    run_on(&server, 1, call_cut, &early);
    OK(early.c == NULL);
    pair_stop(); /* waits until the other end has gone too */
}

static void many_open_at_once(void)
{
    enum { COUNT = 200 };
    static struct call calls[COUNT];
    memset(calls, 0, sizeof(calls));
    pair_start(2, 2, US_PER_S);
    tim.scatter_opened = true;
    for (unsigned i = 0; i < COUNT; i++) {
        calls[i] = (struct call){.id = "tim", .service = "echo", .to_send = 500 + i};
        run_later(&server, i % 2, call_open, &calls[i], NULL);
    }
    unsigned good = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        WAIT(atomic_load(&calls[i].ended) != NULL);
        good +=
            atomic_load(&calls[i].ended) == &error_none && atomic_load(&calls[i].got) == 500 + i && calls[i].bad == 0;
    }
    OK_INT(good, COUNT);
    OK_INT(atomic_load(&tim.sessions), 1);
    pair_stop();
}

static void one_after_another(void)
{
    pair_start(2, 2, US_PER_S);
    tim.scatter_opened = true;
    unsigned good = 0;
    for (unsigned i = 0; i < 1000; i++) {
        struct call k = {.id = "tim", .service = "echo", .to_send = 300};
        call(&k, i % 2);
        WAIT(atomic_load(&k.ended) != NULL);
        good += atomic_load(&k.ended) == &error_none && atomic_load(&k.got) == 300;
    }
    OK_INT(good, 1000);
    struct left left = program_left(&server);
    OK(left.parcels > 0 && left.parcels <= PROGRAM_WORKERS * PARCELS_KEPT_MAX);
    pair_stop();
}

static void look_input(struct program *p, unsigned worker, void *arg)
{
    struct call *k = arg;
    (void)p;
    (void)worker;
    k->input = conduit_input(k->c);
    k->sent = k->input->bytes;
}

static void slow_reader_stops_itself_only(void)
{
    pair_start(2, 1, US_PER_S);
    struct call bulk = {.id = "tim", .service = "source", .host = "20000000", .no_read = true};
    call(&bulk, 1);
    unsigned good = 0;
    for (unsigned i = 0; i < 100; i++) {
        struct call k = {.id = "tim", .service = "echo", .to_send = 50000};
        call(&k, i % 2);
        WAIT(atomic_load(&k.ended) != NULL);
        good += atomic_load(&k.got) == 50000;
    }
    OK_INT(good, 100);
    run_on(&server, 1, look_input, &bulk);
    OK(bulk.sent > 0 && bulk.sent <= STREAM_WINDOW_INITIAL);
    run_on(&server, 1, call_resume, &bulk);
    call_waits(&bulk, &error_none);
    OK_INT(atomic_load(&bulk.got), 20000000);
    OK_INT(bulk.bad, 0);
    pair_stop();
}

static void slow_writer_is_held(void)
{
    pair_start(2, 1, US_PER_S);
    atomic_store(&tim.hold, true);
    struct call k = {.id = "tim", .service = "slow", .to_send = 5000000};
    struct call other = {.id = "tim", .service = "echo", .to_send = 2000000};
    call(&k, 1);
    call(&other, 1);
    call_waits(&other, &error_none);
    OK(k.sent <= 2 * STREAM_WINDOW_INITIAL); /* one window here, one there */
    run_on(&tim, 0, slow_resume, NULL);
    call_waits(&k, &error_none);
    OK_TEXT(k.text, "5000000");
    pair_stop();
}

static void places_streams(void)
{
    pair_start(2, 2, US_PER_S);
    tim.scatter_opened = true;
    for (unsigned i = 0; i < 4; i++) {
        struct call k = {.id = "tim", .service = "echo", .to_send = 700000};
        call(&k, i % 2);
        call_waits(&k, &error_none);
        OK_INT(atomic_load(&k.got), 700000);
        OK_INT(k.bad, 0);
    }
    OK_INT(atomic_load(&tim.placed), 4);
    pair_stop();
}

static void one_link_for_all_workers(void)
{
    pair_start(1, 2, US_PER_S);
    OK_INT(hub_presence(hub_shard(server.hub, 1), "tim"), HUB_PRESENT);
    for (unsigned i = 0; i < 4; i++) {
        struct call k = {.id = "tim", .service = "echo", .to_send = 400000};
        call(&k, i % 2);
        call_waits(&k, &error_none);
        OK_INT(atomic_load(&k.got), 400000);
    }
    run_on(&tim, 0, cut_link, NULL);
    WAIT(atomic_load(&server.lasts) == PROGRAM_WORKERS);
    OK_INT(hub_presence(hub_shard(server.hub, 1), "tim"), HUB_OFFLINE);
    pair_stop();
}

static void narrow_link(void)
{
    pair_start(2, 1, US_PER_S);
    for (unsigned i = 0; i < 2; i++)
        ether_narrow(server.links[i], 1);
    ether_narrow(tim.links[0], 1);
    struct call k[3];
    for (unsigned i = 0; i < 3; i++) {
        k[i] = (struct call){.id = "tim", .service = "echo", .to_send = 2000000};
        call(&k[i], i % 2);
    }
    for (unsigned i = 0; i < 3; i++) {
        call_waits(&k[i], &error_none);
        OK_INT(atomic_load(&k[i].got), 2000000);
    }
    pair_stop();
}

/* -- the way ------------------------------------------------------------------------------------------------------- */

static void envelopes_arrive_anywhere(void)
{
    pair_start(2, 1, US_PER_S);
    ether_set(true, false, 0);
    for (unsigned i = 0; i < 6; i++) {
        struct call k = {.id = "tim", .service = "echo", .to_send = 1000000};
        call(&k, i % 2);
        call_waits(&k, &error_none);
        OK_INT(atomic_load(&k.got), 1000000);
        OK_INT(k.bad, 0);
    }
    OK_INT(atomic_load(&tim.sessions), 1);
    pair_stop();
}

static void envelopes_get_lost(void)
{
    pair_start(2, 1, 20 * US_PER_S);
    ether_set(false, false, 5);
    struct call k = {.id = "tim", .service = "echo", .to_send = 2000000};
    call(&k, 0);
    call_waits(&k, &error_none);
    OK_INT(atomic_load(&k.got), 2000000);
    OK_INT(k.bad, 0);
    ether_set(false, false, 0);
    pair_stop();
}

static void goes_on_after_a_cut(void)
{
    pair_start(2, 1, 20 * US_PER_S);
    struct call k = {.id = "tim", .service = "source", .host = "30000000"},
                idle = {.id = "tim", .service = "echo", .to_send = 10, .no_fin = true};
    call(&idle, 0);
    WAIT(atomic_load(&idle.got) == 10);
    call(&k, 1);
    for (unsigned i = 1; i <= 3; i++) {
        WAIT(atomic_load(&k.got) > i * 1000000);
        run_on(&tim, 0, cut_link, NULL);
        WAIT(atomic_load(&server.downs) == i * PROGRAM_WORKERS);
        run_on(&tim, 0, mend_link, NULL);
        server_sees(1 + i);
    }
    call_waits(&k, &error_none);
    OK_INT(atomic_load(&k.got), 30000000);
    OK_INT(k.bad, 0);
    run_on(&server, 0, call_finish, &idle);
    call_waits(&idle, &error_none);
    OK_INT(atomic_load(&tim.sessions), 1);
    OK_INT(atomic_load(&server.sessions_ended), 0);
    pair_stop();
}

static void peer_vanishes(void)
{
    pair_start(2, 1, US_PER_S);
    struct call k[20];
    for (unsigned i = 0; i < 20; i++) {
        k[i] = (struct call){.id = "tim", .service = i % 2 == 0 ? "echo" : "hold", .to_send = 100000, .no_fin = true};
        call(&k[i], i % 2);
    }
    WAIT(atomic_load(&tim.opened) == 20);
    run_on(&tim, 0, cut_link, NULL);
    for (unsigned i = 0; i < 20; i++)
        call_waits(&k[i], &error_session_lost);
    OK_INT(hub_presence(hub_shard(server.hub, 0), "tim"), HUB_OFFLINE);
    OK_INT(atomic_load(&server.lasts), PROGRAM_WORKERS);
    struct call late = {.id = "tim", .service = "echo"};
    call(&late, 0);
    OK_TEXT(late.why->name, "client-offline");
    WAIT(atomic_load(&tim.sessions_ended) == 1);
    OK_INT(program_left(&server).routes, 0);
    pair_stop();
}

static void never_comes_up(void)
{
    ether_set(false, true, 0);
    program_create(&server, NULL, PROGRAM_WORKERS, 2, US_PER_S, 300 * US_PER_MS);
    program_start(&server);
    tim_start(&tim, 1, US_PER_S);
    server_sees(1);
    struct call k = {.id = "tim", .service = "echo", .to_send = 100};
    call(&k, 0);
    call_waits(&k, &error_client_offline);
    ether_set(false, false, 0);
    struct call again = {.id = "tim", .service = "echo", .to_send = 100};
    call(&again, 1);
    call_waits(&again, &error_none);
    pair_stop();
}

/* All instances of these tests run in one place. */
static void place_taken(void)
{
    pair_start(2, 1, 60 * US_PER_S);
    struct call dead = {.id = "tim", .service = "hold", .to_send = 1000, .no_fin = true};
    call(&dead, 0);
    WAIT(atomic_load(&tim.opened) == 1);
    run_on(&tim, 0, cut_link, NULL);
    WAIT(atomic_load(&server.lasts) == PROGRAM_WORKERS);
    OK(atomic_load(&dead.ended) == NULL); /* it may come back */
    tim_start(&tim_too, 1, US_PER_S);
    call_waits(&dead, &error_session_unknown);
    OK_INT(atomic_load(&server.sessions_ended), 1);
    struct call alive = {.id = "tim", .service = "echo", .to_send = 1000};
    call(&alive, 0);
    call_waits(&alive, &error_none);
    run_on(&tim, 0, mend_link, NULL); /* it was only away: it hears that its session is not known any more */
    WAIT(atomic_load(&tim.sessions_ended) == 1);
    program_stop(&tim_too);
    program_free(&tim_too);
    pair_stop();
}

static void two_instances(void)
{
    enum { COUNT = 10 };
    struct call k[COUNT];
    pair_start(2, 1, US_PER_S);
    tim_start(&tim_too, 1, US_PER_S);
    server_sees(2);
    OK_INT(atomic_load(&server.firsts), PROGRAM_WORKERS);
    OK_INT(hub_client_count(hub_shard(server.hub, 0)), 1);
    for (unsigned i = 0; i < COUNT; i++) {
        k[i] = (struct call){.id = "tim", .service = "echo", .to_send = 1000, .no_fin = true};
        call(&k[i], 1);
    }
    WAIT(atomic_load(&tim.opened) == COUNT / 2 && atomic_load(&tim_too.opened) == COUNT / 2);
    for (unsigned i = 0; i < COUNT; i++)
        WAIT(atomic_load(&k[i].got) == 1000);
    hub_end(tim_too.hub);
    WAIT(hub_ended(tim_too.hub) && atomic_load(&tim_too.link_downs) == 1);
    WAIT(atomic_load(&server.downs) == PROGRAM_WORKERS);
    WAIT(atomic_load(&server.sessions_ended) == 1);
    OK_TEXT(atomic_load(&server.session_reason)->name, "shutting-down");
    OK_INT(atomic_load(&server.lasts), 0);
    unsigned lost = 0, alive = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        lost += atomic_load(&k[i].ended) == &error_shutting_down;
        if (atomic_load(&k[i].ended) == NULL) {
            alive++;
            run_on(&server, 1, call_finish, &k[i]);
            call_waits(&k[i], &error_none);
        }
    }
    OK_INT(lost, COUNT / 2);
    OK_INT(alive, COUNT / 2);
    program_free(&tim_too);
    pair_stop();
}

/* While the server was away nobody told it that one of two has gone. */
static void missed_farewell(void)
{
    pair_start(1, 1, US_PER_S);
    tim_start(&tim_too, 1, US_PER_S);
    server_sees(2);
    run_on(&server, 0, cut_link, NULL);
    run_on(&tim_too, 0, cut_link, NULL);
    run_on(&server, 0, mend_link, NULL);
    OK_INT(atomic_load(&server.downs), 0);
    WAIT(atomic_load(&server.downs) == PROGRAM_WORKERS); /* when it has settled */
    OK_INT(atomic_load(&server.lasts), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct call k = {.id = "tim", .service = "echo", .to_send = 100};
        call(&k, i);
        call_waits(&k, &error_none);
    }
    OK_INT(atomic_load(&tim.opened), 2);
    program_free(&tim_too);
    pair_stop();
}

/* A broker that gives nobody what it retains: who is there says it when it is asked. */
static void asks_who_is_there(void)
{
    ether.forgets = true;
    tim_start(&tim, 1, US_PER_S);
    WAIT(atomic_load(&tim.link_ups) == 1);
    program_create(&server, NULL, PROGRAM_WORKERS, 1, US_PER_S, 0);
    program_start(&server);
    server_sees(1);
    tim_start(&tim_too, 1, US_PER_S);
    server_sees(2);
    run_on(&server, 0, cut_link, NULL);
    run_on(&tim_too, 0, cut_link, NULL);
    run_on(&server, 0, mend_link, NULL);
    WAIT(atomic_load(&server.downs) == PROGRAM_WORKERS);
    OK_INT(atomic_load(&server.lasts), 0);
    ether.forgets = false;
    program_free(&tim_too);
    pair_stop();
}

/* The will of an old connection is heard after the presence of the new one. */
static void late_will(void)
{
    char topic[256];
    pair_start(1, 1, US_PER_S);
    snprintf(topic, sizeof(topic), "mdm/at/tim/%s", tim.instance);
    pthread_mutex_lock(&ether.lock);
    ether_retain(0, topic, "");
    pthread_mutex_unlock(&ether.lock);
    WAIT(atomic_load(&server.downs) == PROGRAM_WORKERS);
    server_sees(2);
    struct call k = {.id = "tim", .service = "echo", .to_send = 100};
    call(&k, 0);
    call_waits(&k, &error_none);
    pair_stop();
}

/* -- questions ----------------------------------------------------------------------------------------------------- */

struct asked {
    const char *id;
    struct hub_query *query;
    atomic_uint answers;
    size_t count;
    char first[64];
    const struct error *why;
};

static void answered(void *ctx, struct offering *o, const struct error *why)
{
    struct asked *a = ctx;
    a->count = o != NULL ? o->count : 0;
    a->why = why;
    if (a->count > 0)
        snprintf(a->first, sizeof(a->first), "%s", o->list[0].name);
    atomic_fetch_add(&a->answers, 1);
    tell();
}

static void ask(struct program *p, unsigned worker, void *arg)
{
    struct asked *a = arg;
    struct hub_choice at = {.edition = 0};
    if (hub_choose(hub_shard(p->hub, worker), a->id, NULL, &at, &a->why))
        a->query = hub_services(hub_shard(p->hub, worker), &at, answered, a);
}

/* What is known without asking. */
static void look(struct program *p, unsigned worker, void *arg)
{
    struct asked *a = arg;
    struct hub_choice at;
    if (!hub_choose(hub_shard(p->hub, worker), a->id, NULL, &at, &a->why))
        return;
    struct offering *o = hub_offering(hub_shard(p->hub, worker), &at);
    a->count = o != NULL ? o->count : 0;
}

static void ask_and_cancel(struct program *p, unsigned worker, void *arg)
{
    struct asked *a = arg;
    ask(p, worker, a);
    hub_query_cancel(&a->query);
}

static void asks_for_services(void)
{
    pair_start(2, 1, US_PER_S);
    struct asked both[2] = {{.id = "tim"}, {.id = "tim"}}, nobody = {.id = "eve"}, cancelled = {.id = "tim"};
    run_on(&server, 1, ask_and_cancel, &cancelled);
    OK(cancelled.query == NULL);
    for (unsigned i = 0; i < 2; i++)
        run_later(&server, i, ask, &both[i], NULL);
    for (unsigned i = 0; i < 2; i++) {
        WAIT(atomic_load(&both[i].answers) == 1);
        OK(both[i].why == NULL);
        OK_INT(both[i].count, 2);
        OK_TEXT(both[i].first, "echo");
    }
    run_on(&server, 0, ask, &nobody);
    OK(nobody.query == NULL);
    OK_TEXT(nobody.why->name, "unknown-client");
    for (unsigned i = 0; i < 2; i++) {
        struct asked known = {.id = "tim"};
        run_on(&server, i, look, &known);
        OK_INT(known.count, 2);
    }
    offer(&tim, 0);
    struct asked later = {.id = "tim", .count = 2};
    while (later.count == 2) {
        atomic_store(&later.answers, 0);
        run_on(&server, 0, ask, &later);
        WAIT(atomic_load(&later.answers) == 1);
    }
    OK_INT(later.count, 0);
    OK(later.why == NULL);
    OK_INT(atomic_load(&cancelled.answers), 0);
    pair_stop();
}

static void question_ends_with_the_session(void)
{
    ether_set(false, true, 0);
    program_create(&server, NULL, PROGRAM_WORKERS, 2, US_PER_S, 300 * US_PER_MS);
    program_start(&server);
    tim_start(&tim, 1, US_PER_S);
    server_sees(1);
    struct asked a = {.id = "tim"};
    run_on(&server, 1, ask, &a);
    WAIT(atomic_load(&a.answers) == 1);
    OK_TEXT(a.why->name, "client-offline");
    pair_stop();
}

/* -- ends ---------------------------------------------------------------------------------------------------------- */

static void closes(void)
{
    pair_start(2, 1, US_PER_S);
    struct call old = {.id = "tim", .service = "echo", .to_send = 10, .no_fin = true};
    call(&old, 0);
    WAIT(atomic_load(&old.got) == 10);
    hub_close(tim.hub);
    hub_close(tim.hub);
    struct call k;
    do { /* until the GOAWAY has come */
        k = (struct call){.id = "tim", .service = "echo"};
        call(&k, 1);
        WAIT(atomic_load(&k.ended) != NULL);
    } while (atomic_load(&k.ended) == &error_none);
    OK_TEXT(atomic_load(&k.ended)->name, "shutting-down");
    run_on(&server, 0, call_finish, &old);
    call_waits(&old, &error_none);
    hub_close(server.hub);
    do {
        k = (struct call){.id = "tim", .service = "echo"};
        call(&k, 1);
        WAIT(atomic_load(&k.ended) != NULL);
    } while (k.why == NULL);
    OK_TEXT(k.why->name, "shutting-down");
    hub_end(tim.hub);
    hub_end(tim.hub);
    WAIT(atomic_load(&server.sessions_ended) == 1);
    OK_TEXT(atomic_load(&server.session_reason)->name, "shutting-down");
    WAIT(hub_ended(tim.hub));
    pair_stop();
}

/* In the middle of everything. */
static void freed_while_alive(void)
{
    static struct call k[40];
    memset(k, 0, sizeof(k));
    pair_start(2, 2, US_PER_S);
    tim.scatter_opened = true;
    for (unsigned i = 0; i < 40; i++) {
        k[i] = (struct call){.id = "tim",
                             .service = i % 4 == 0   ? "hold"
                                        : i % 4 == 1 ? "echo"
                                                     : "source",
                             .host = "90000000",
                             .to_send = 100000,
                             .no_fin = true,
                             .no_read = i % 8 == 3};
        run_later(&server, i % 2, call_open, &k[i], NULL);
    }
    struct asked a = {.id = "eve"};
    run_later(&server, 1, ask, &a, NULL);
    WAIT(atomic_load(&k[2].got) > 100000);
    program_stop(&server);
    program_free(&tim);
    program_free(&server);
}

/* -- strangers ----------------------------------------------------------------------------------------------------- */

struct heard {
    atomic_uint byes, answers; /* HELLO_ACKs */
    atomic_uint code;
};

static void stranger_up(void *ctx, const char *note)
{
    (void)ctx;
    (void)note;
}

static void stranger_down(void *ctx, const char *why, uint64_t retry_us)
{
    (void)ctx;
    (void)why;
    (void)retry_us;
}

static void stranger_message(void *ctx, const char *topic, const struct slice *payload, bool retained, unsigned origin)
{
    struct heard *h = ctx;
    struct envelope e;
    (void)topic;
    (void)retained;
    (void)origin;
    if (envelope_decode(&e, payload->data, payload->len) == NULL && e.type == ENVELOPE_BYE) {
        atomic_store(&h->code, payload->data[payload->len - 1]);
        atomic_fetch_add(&h->byes, 1);
    } else if (payload->data[0] == (ENVELOPE_VERSION << 4 | ENVELOPE_HELLO_ACK)) {
        atomic_fetch_add(&h->answers, 1);
    }
    tell();
}

static const struct link_events stranger_events = {
    .up = stranger_up, .down = stranger_down, .message = stranger_message};

static void send_envelope(const char *topic, const struct envelope *e)
{
    uint8_t data[ENVELOPE_HEAD_BYTES + 6] = {0};
    envelope_encode(e, data);
    data[ENVELOPE_HEAD_BYTES + 2] = 0x80; /* HELLO: longest envelope 32 KiB */
    ether_inject(server.links[0], topic, data, sizeof(data));
}

static void strangers(void)
{
    static const char instance[] = "00000000000000000000000000000bad";
    static const char *const none[] = {NULL};
    struct heard heard = {0};
    char topic[256], filter[256];
    pair_start(2, 1, US_PER_S);
    snprintf(topic, sizeof(topic), PREFIX "/to/%s/%s", server.instance, instance);
    snprintf(filter, sizeof(filter), PREFIX "/to/%s/+", instance);
    const char *const filters[] = {filter, NULL};
    struct link_config config = {.worker = tim.workers[0],
                                 .events = &stranger_events,
                                 .ctx = &heard,
                                 .filters = filters,
                                 .everywhere_filters = none};
    struct link *stranger = ether_link_create(&config);
    tim.links[1] = stranger;
    ether_attach(stranger);

    ether_inject(server.links[0], topic, "", 0);
    ether_inject(server.links[0], topic, "\x11garbage that is long enough to be a head", 12);
    ether_inject(server.links[0], topic, "\x71 of another version", 20);
    WAIT(atomic_load(&heard.byes) == 1);
    OK_INT(atomic_load(&heard.code), error_protocol_version.code);
    ether_inject(server.links[0], PREFIX "/at/tim", "{}", 2);
    ether_inject(server.links[0], PREFIX "/at/TIM/00000000000000000000000000000bad", "{}", 2);
    ether_inject(server.links[0], PREFIX "/at/tim/xyz", "{}", 2);
    ether_inject(server.links[0], PREFIX "/at//", "{}", 2);
    ether_inject(server.links[0], "elsewhere", "{}", 2);
    snprintf(filter, sizeof(filter), PREFIX "/to/%s/%s", server.instance, "short");
    send_envelope(filter, &(struct envelope){.type = ENVELOPE_DATA, .session = 1});

    send_envelope(topic, &(struct envelope){.type = ENVELOPE_BYE, .session = 1});
    send_envelope(topic, &(struct envelope){.type = ENVELOPE_DATA, .session = 1});
    send_envelope(topic, &(struct envelope){.type = ENVELOPE_HELLO, .flags = ENVELOPE_FLAG_RESUME, .session = 2});
    WAIT(atomic_load(&heard.byes) == 3);
    OK_INT(atomic_load(&heard.code), error_session_unknown.code);

    for (uint32_t i = 0; i < SESSIONS_PER_INSTANCE_MAX; i++)
        send_envelope(topic, &(struct envelope){.type = ENVELOPE_HELLO, .session = 10 + i});
    WAIT(atomic_load(&server.sessions) == SESSIONS_PER_INSTANCE_MAX);
    send_envelope(topic, &(struct envelope){.type = ENVELOPE_HELLO, .session = 20});
    WAIT(atomic_load(&heard.byes) == 4);
    OK_INT(atomic_load(&heard.code), error_session_limit.code);
    OK_INT(program_left(&server).sessions, SESSIONS_PER_INSTANCE_MAX);
    for (uint32_t i = 0; i < SESSIONS_PER_INSTANCE_MAX; i++)
        send_envelope(topic, &(struct envelope){.type = ENVELOPE_BYE, .session = 10 + i});
    WAIT(atomic_load(&server.sessions_ended) == SESSIONS_PER_INSTANCE_MAX);

    struct call k = {.id = "tim", .service = "echo", .to_send = 1000};
    call(&k, 0);
    call_waits(&k, &error_none);
    for (unsigned i = 0; i < 2 * GOODBYES_PER_SECOND_MAX; i++)
        send_envelope(topic, &(struct envelope){.type = ENVELOPE_DATA, .session = 1});
    unsigned answers = atomic_load(&heard.answers); /* the next one comes after all BYEs */
    send_envelope(topic, &(struct envelope){.type = ENVELOPE_HELLO, .session = 30});
    WAIT(atomic_load(&heard.answers) > answers);
    OK(atomic_load(&heard.byes) >= GOODBYES_PER_SECOND_MAX);
    OK(atomic_load(&heard.byes) < 4 + 2 * GOODBYES_PER_SECOND_MAX);
    nothing_left(&server);
    nothing_left(&tim);
    program_stop(&tim);
    link_free(&stranger);
    program_free(&server);
    program_free(&tim);
}

/* -- the same with encryption -------------------------------------------------------------------------------------- */

static void sealed(void (*test)(void))
{
    program_key = key_create();
    OK(program_key != NULL);
    test();
    seal_context_free(&program_key);
}

static void sealed_echoes(void) { sealed(echoes); }
static void sealed_halves(void) { sealed(closes_by_halves); }
static void sealed_many(void) { sealed(many_open_at_once); }
static void sealed_slow_reader(void) { sealed(slow_reader_stops_itself_only); }
static void sealed_one_link(void) { sealed(one_link_for_all_workers); }
static void sealed_narrow(void) { sealed(narrow_link); }
static void sealed_anywhere(void) { sealed(envelopes_arrive_anywhere); }
static void sealed_lossy(void) { sealed(envelopes_get_lost); }
static void sealed_cut(void) { sealed(goes_on_after_a_cut); }
static void sealed_two(void) { sealed(two_instances); }
static void sealed_missed(void) { sealed(missed_farewell); }
static void sealed_asks(void) { sealed(asks_who_is_there); }
static void sealed_will(void) { sealed(late_will); }
static void sealed_services(void) { sealed(asks_for_services); }
static void sealed_closes(void) { sealed(closes); }
static void sealed_freed(void) { sealed(freed_while_alive); }

int main(void)
{
    static const struct tap_case cases[] = {
        {"echo of nothing, a little, much", echoes},
        {"half-close", closes_by_halves},
        {"refusals", refuses},
        {"cuts by either side", cuts},
        {"200 streams opened at once share a session", many_open_at_once},
        {"1000 streams one after another", one_after_another},
        {"a slow reader stops itself only", slow_reader_stops_itself_only},
        {"a fast writer is held", slow_writer_is_held},
        {"streams go to the worker that the program chooses", places_streams},
        {"one link for all workers", one_link_for_all_workers},
        {"a link with little room", narrow_link},
        {"envelopes arrive at any worker", envelopes_arrive_anywhere},
        {"envelopes get lost", envelopes_get_lost},
        {"streams go on after a cut", goes_on_after_a_cut},
        {"a peer vanishes", peer_vanishes},
        {"a session never comes up", never_comes_up},
        {"another process takes a peer's place", place_taken},
        {"two instances of one id", two_instances},
        {"presence that was missed", missed_farewell},
        {"who is there is asked", asks_who_is_there},
        {"a late will", late_will},
        {"services are asked for", asks_for_services},
        {"a question ends with its session", question_ends_with_the_session},
        {"close and end", closes},
        {"freed while streams are alive", freed_while_alive},
        {"strangers", strangers},
        {"sealed: echo", sealed_echoes},
        {"sealed: half-close", sealed_halves},
        {"sealed: 200 streams opened at once share a session", sealed_many},
        {"sealed: a slow reader stops itself only", sealed_slow_reader},
        {"sealed: one link for all workers", sealed_one_link},
        {"sealed: a link with little room", sealed_narrow},
        {"sealed: envelopes arrive at any worker", sealed_anywhere},
        {"sealed: envelopes get lost", sealed_lossy},
        {"sealed: streams go on after a cut", sealed_cut},
        {"sealed: two instances of one id", sealed_two},
        {"sealed: presence that was missed", sealed_missed},
        {"sealed: who is there is asked", sealed_asks},
        {"sealed: a late will", sealed_will},
        {"sealed: services are asked for", sealed_services},
        {"sealed: close and end", sealed_closes},
        {"sealed: freed while streams are alive", sealed_freed},
    };
    return TAP_RUN(cases);
}
