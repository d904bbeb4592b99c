/* SPDX-License-Identifier: Apache-2.0 */
/* Who counts as a client: nobody before his key is proven and admitted. */
#include "ether.h"
#include "program.h"
#include "tap.h"

static struct program server, tim, mal;
static struct seal_context *server_key, *tim_key, *mal_key;
static struct fingerprint wanted; /* the key that the server admits as tim */
static pthread_mutex_t wanted_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint asked, refused, asked_again;
static uint64_t patience_us; /* 0: the usual times */
static uint64_t linger_us;   /* the server's; 0: for ever */

static void want(const struct seal_context *key)
{
    pthread_mutex_lock(&wanted_lock);
    wanted = *seal_context_fingerprint(key);
    pthread_mutex_unlock(&wanted_lock);
}

static const struct error *server_admit(void *ctx, const char *id, const struct seal_peer *peer, bool again)
{
    (void)ctx;
    pthread_mutex_lock(&wanted_lock);
    bool right = id != NULL && strcmp(id, "tim") == 0 && fingerprint_equal(&peer->key, &wanted);
    pthread_mutex_unlock(&wanted_lock);
    atomic_fetch_add(&asked, 1);
    atomic_fetch_add(&asked_again, again);
    if (right)
        return NULL;
    atomic_fetch_add(&refused, 1);
    tell();
    return &error_name_taken;
}

static void start(struct program *p, const char *id, unsigned workers, struct seal_context *key,
                  const struct error *(*admit)(void *, const char *, const struct seal_peer *, bool))
{
    static const struct service_entry list[] = {{STREAM_KIND_TCP, "echo", NULL, 0}};
    program_key = key;
    program_make_workers(p, workers);
    struct hub_config config = program_config(p, id);
    config.admit = admit;
    if (id == NULL)
        config.linger_us = linger_us;
    if (patience_us > 0)
        config.idle_us = config.grace_us = patience_us;
    p->hub = hub_create(&config);
    for (unsigned i = 0; i < workers; i++) {
        struct link_config of_link;
        hub_link_config(p->hub, i, &of_link);
        p->links[i] = ether_link_create(&of_link);
        hub_set_link(p->hub, i, p->links[i]);
    }
    if (id != NULL)
        OK(hub_offer(p->hub, list, 1));
    program_start(p);
}

static void begin(void)
{
    ether_set(false, false, 0);
    server_key = key_create();
    tim_key = key_create();
    mal_key = key_create();
    atomic_store(&asked, 0);
    atomic_store(&asked_again, 0);
    atomic_store(&refused, 0);
    want(tim_key);
    start(&server, NULL, PROGRAM_WORKERS, server_key, server_admit);
}

static void finish(struct program *a, struct program *b)
{
    struct program *all[] = {&server, a, b};
    for (unsigned i = 0; i < 3; i++)
        if (all[i] != NULL)
            program_stop(all[i]);
    for (unsigned i = 0; i < 3; i++)
        if (all[i] != NULL)
            program_free(all[i]);
    seal_context_free(&server_key);
    seal_context_free(&tim_key);
    seal_context_free(&mal_key);
}

static void server_sees(unsigned ups) { WAIT(atomic_load(&server.ups) == ups * PROGRAM_WORKERS); }

static void echo_works(unsigned worker)
{
    struct call k = {.id = "tim", .service = "echo", .to_send = 100000};
    run_on(&server, worker, call_open, &k);
    WAIT(atomic_load(&k.ended) != NULL);
    OK_TEXT(atomic_load(&k.ended)->name, "none");
    OK_INT(atomic_load(&k.got), 100000);
}

static void call_refused(const char *name)
{
    struct call k = {.id = "tim", .service = "echo", .to_send = 100};
    run_on(&server, 0, call_open, &k);
    const struct error *why = k.why;
    if (why == NULL) {
        WAIT(atomic_load(&k.ended) != NULL);
        why = atomic_load(&k.ended);
    }
    OK_TEXT(why->name, name);
}

static void admitted(void)
{
    begin();
    start(&tim, "tim", 1, tim_key, NULL);
    server_sees(1);
    OK_INT(atomic_load(&asked), 1);
    for (unsigned i = 0; i < PROGRAM_WORKERS; i++)
        echo_works(i);
    finish(&tim, NULL);
}

static void impostor(void)
{
    begin();
    start(&mal, "tim", 1, mal_key, NULL);
    WAIT(atomic_load(&refused) >= 1);
    WAIT(atomic_load(&mal.session_reason) != NULL);
    OK_TEXT(atomic_load(&mal.session_reason)->name, "name-taken");
    OK_INT(atomic_load(&server.ups), 0);
    call_refused("unknown-client");
    start(&tim, "tim", 1, tim_key, NULL);
    server_sees(1);
    for (unsigned i = 0; i < 20; i++)
        echo_works(i % PROGRAM_WORKERS);
    OK_INT(atomic_load(&mal.opened), 0);
    OK_INT(atomic_load(&mal.sessions), 0);
    OK_INT(atomic_load(&tim.sessions_ended), 0);
    finish(&tim, &mal);
}

/* What was right becomes wrong, and the other way round, at once. */
static void reviewed(void)
{
    begin();
    start(&tim, "tim", 1, tim_key, NULL);
    server_sees(1);
    start(&mal, "tim", 1, mal_key, NULL);
    WAIT(atomic_load(&refused) >= 1);
    hub_review(server.hub);
    WAIT(atomic_load(&asked_again) >= 1);
    echo_works(0);
    want(mal_key);
    hub_review(server.hub);
    WAIT(atomic_load(&tim.sessions_ended) >= 1);
    OK_TEXT(atomic_load(&tim.session_reason)->name, "name-taken");
    server_sees(2);
    unsigned before = atomic_load(&tim.opened);
    echo_works(0);
    OK_INT(atomic_load(&tim.opened), before);
    OK(atomic_load(&mal.opened) > 0);
    finish(&tim, &mal);
}

static const struct error *never(void *ctx, const char *id, const struct seal_peer *peer, bool again)
{
    (void)ctx, (void)id, (void)peer, (void)again;
    return &error_server_key_unknown;
}

/* The client does not know the server's key: it is never there, and nothing is asked of it. */
static void client_refuses(void)
{
    begin();
    start(&tim, "tim", 1, tim_key, never);
    WAIT(atomic_load(&server.sessions_ended) >= 1);
    OK_TEXT(atomic_load(&server.session_reason)->name, "server-key-unknown");
    OK_INT(atomic_load(&server.ups), 0);
    OK_INT(atomic_load(&tim.sessions), 0);
    call_refused("unknown-client");
    finish(&tim, NULL);
}

static const struct error *guests_only(void *ctx, const char *id, const struct seal_peer *peer, bool again)
{
    (void)ctx, (void)id, (void)again;
    return peer->other ? NULL : &error_server_key_unknown;
}

/* A workstation comes as a guest to the id that it names, and to nobody else; who is no guest is told from it. */
static void guest(void)
{
    static const char *const ids[] = {"tim", NULL};
    begin();
    start(&tim, "tim", 1, tim_key, guests_only);
    start(&mal, "mal", 1, mal_key, guests_only);
    program_key = server_key;
    static struct program station;
    program_make_workers(&station, 1);
    struct hub_config config = program_config(&station, NULL);
    struct link_config of_link;
    config.watch_presence = false;
    config.watch_ids = ids;
    config.guest = true;
    station.hub = hub_create(&config);
    hub_link_config(station.hub, 0, &of_link);
    station.links[0] = ether_link_create(&of_link);
    hub_set_link(station.hub, 0, station.links[0]);
    program_start(&station);
    WAIT(atomic_load(&station.ups) == 1);
    struct call k = {.id = "tim", .service = "echo", .to_send = 1000}, other = {.id = "mal", .service = "echo"};
    run_on(&station, 0, call_open, &k);
    WAIT(atomic_load(&k.ended) != NULL);
    OK_TEXT(atomic_load(&k.ended)->name, "none");
    OK_INT(atomic_load(&tim.opened), 1);
    run_on(&station, 0, call_open, &other);
    OK_TEXT(other.why->name, "unknown-client");
    OK_INT(atomic_load(&server.ups), 0);
    program_stop(&station);
    finish(&tim, &mal);
    program_free(&station);
}

/* What nobody needs ends, and comes again with the next stream; its client stays known. */
static void lingers(void)
{
    linger_us = 200 * US_PER_MS;
    begin();
    linger_us = 0;
    start(&tim, "tim", 1, tim_key, NULL);
    server_sees(1);
    for (unsigned i = 1; i <= 2; i++) {
        echo_works(i - 1);
        WAIT(atomic_load(&server.sessions_ended) == i && atomic_load(&tim.sessions_ended) == i);
        OK_TEXT(atomic_load(&tim.session_reason)->name, "session-idle");
    }
    OK_INT(atomic_load(&server.downs), 0);
    finish(&tim, NULL);
}

static void one_side_only(void)
{
    begin();
    start(&tim, "tim", 1, NULL, NULL);
    WAIT(atomic_load(&server.sessions_ended) >= 1);
    OK_TEXT(atomic_load(&server.session_reason)->name, "encryption-mismatch");
    OK_TEXT(atomic_load(&tim.session_reason)->name, "encryption-mismatch");
    OK_INT(atomic_load(&server.ups), 0);
    finish(&tim, NULL);
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

/* A session goes on after a cut without another handshake. */
static void resumes(void)
{
    begin();
    start(&tim, "tim", 1, tim_key, NULL);
    server_sees(1);
    struct call k = {.id = "tim", .service = "echo", .to_send = 1000, .no_fin = true};
    run_on(&server, 1, call_open, &k);
    WAIT(atomic_load(&k.got) == 1000);
    run_on(&tim, 0, cut_link, NULL);
    WAIT(atomic_load(&server.downs) == PROGRAM_WORKERS);
    run_on(&tim, 0, mend_link, NULL);
    server_sees(2);
    run_on(&server, 1, call_finish, &k);
    WAIT(atomic_load(&k.ended) != NULL);
    OK_TEXT(atomic_load(&k.ended)->name, "none");
    OK_INT(atomic_load(&asked), 1);
    finish(&tim, NULL);
}

/* A will is lost with its broker: who is not heard of any more is not there, and is back when it is heard of. */
static void vanishes(void)
{
    patience_us = 200 * US_PER_MS;
    begin();
    start(&tim, "tim", 1, tim_key, NULL);
    server_sees(1);
    ether_set(false, true, 0);
    WAIT(atomic_load(&server.lasts) == PROGRAM_WORKERS);
    call_refused("client-offline");
    ether_set(false, false, 0);
    server_sees(2);
    echo_works(0);
    patience_us = 0;
    finish(&tim, NULL);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"a key that is admitted", admitted},
        {"another key for the same id", impostor},
        {"who is admitted changes", reviewed},
        {"a client that does not know the server", client_refuses},
        {"a guest is told from a server", guest},
        {"a session that nobody needs ends, and comes again", lingers},
        {"one side without encryption", one_side_only},
        {"no second handshake after a cut", resumes},
        {"who vanishes without a will", vanishes},
    };
    return TAP_RUN(cases);
}
