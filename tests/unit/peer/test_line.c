/* SPDX-License-Identifier: Apache-2.0 */
/* The whole way down: a server's hub on direct lines of its embedded broker, a client's hub over MQTT on the loopback.
 */
#include "broker/broker.h"
#include "program.h"
#include "tap.h"

static struct program server, tim;
static struct broker *broker;
static uint16_t port;

static void server_create(void)
{
    program_make_workers(&server, PROGRAM_WORKERS);
    struct broker_config of_broker = {
        .workers = server.workers, .worker_count = PROGRAM_WORKERS, .connect_timeout_us = 10 * US_PER_S, .strangers_max = 100};
    broker = broker_create(&of_broker);
    port = 0;
    OK(broker != NULL);
    OK_INT(broker_listen(broker, &broker_plain, "127.0.0.1", &port), 0);
    struct hub_config config = program_config(&server, NULL);
    config.max_envelope = ENVELOPE_MAX_EMBEDDED;
    server.hub = hub_create(&config);
    for (unsigned i = 0; i < PROGRAM_WORKERS; i++) {
        struct link_config of_link;
        hub_link_config(server.hub, i, &of_link);
        server.links[i] = link_direct_create(&of_link, broker_shard(broker, i));
        hub_set_link(server.hub, i, server.links[i]);
    }
    program_start(&server);
}

static void client_create(unsigned workers)
{
    struct link_config of_link;
    program_make_workers(&tim, workers);
    tim.scatter_opened = true;
    struct hub_config config = program_config(&tim, "tim");
    config.max_envelope = ENVELOPE_MAX_EMBEDDED;
    tim.hub = hub_create(&config);
    const struct link_url url = {.host = "127.0.0.1", .port = port};
    struct link_mqtt_config mqtt = {.urls = &url,
                                    .url_count = 1,
                                    .client_id = tim.instance,
                                    .keep_alive_us = 30 * US_PER_S,
                                    .max_payload = ENVELOPE_MAX_EMBEDDED};
    hub_link_config(tim.hub, 0, &of_link);
    tim.links[0] = link_mqtt_create(&of_link, &mqtt);
    hub_set_link(tim.hub, 0, tim.links[0]);
    static const struct service_entry list[] = {{STREAM_KIND_TCP, "echo", NULL, 0}};
    OK(hub_offer(tim.hub, list, 1));
    program_start(&tim);
}

static void pair_start(unsigned client_workers)
{
    server_create();
    client_create(client_workers);
    WAIT(atomic_load(&server.ups) == PROGRAM_WORKERS);
}

static void server_free(void)
{
    program_stop(&server);
    hub_free(&server.hub);
    broker_free(&broker);
    program_free(&server);
}

static void call(struct call *k, unsigned worker) { run_on(&server, worker, call_open, k); }

static void streams(void)
{
    static struct call many[100];
    memset(many, 0, sizeof(many));
    pair_start(2);
    struct call bulk = {.id = "tim", .service = "source", .host = "50000000"},
                up = {.id = "tim", .service = "echo", .to_send = 10000000};
    call(&bulk, 0);
    call(&up, 1);
    for (unsigned i = 0; i < 100; i++) {
        many[i] = (struct call){.id = "tim", .service = i % 10 == 0 ? "refuse" : "echo", .to_send = 3000};
        run_later(&server, i % 2, call_open, &many[i], NULL);
    }
    unsigned good = 0;
    for (unsigned i = 0; i < 100; i++) {
        WAIT(atomic_load(&many[i].ended) != NULL);
        good += i % 10 == 0 ? atomic_load(&many[i].ended) == &error_service_refused : atomic_load(&many[i].got) == 3000;
    }
    OK_INT(good, 100);
    WAIT(atomic_load(&bulk.ended) != NULL);
    WAIT(atomic_load(&up.ended) != NULL);
    OK_INT(atomic_load(&bulk.got), 50000000);
    OK_INT(bulk.bad, 0);
    OK_INT(atomic_load(&up.got), 10000000);
    OK_INT(up.bad, 0);
    OK_INT(atomic_load(&tim.sessions), 1);
    program_free(&tim);
    server_free();
}

static void polite_end(void)
{
    pair_start(1);
    struct call k = {.id = "tim", .service = "echo", .to_send = 10, .no_fin = true};
    call(&k, 1);
    WAIT(atomic_load(&k.got) == 10);
    hub_end(tim.hub);
    WAIT(atomic_load(&k.ended) != NULL);
    OK_TEXT(atomic_load(&k.ended)->name, "shutting-down");
    WAIT(atomic_load(&server.lasts) == PROGRAM_WORKERS);
    WAIT(hub_ended(tim.hub));
    program_free(&tim);
    client_create(1); /* a new instance of the id */
    WAIT(atomic_load(&server.firsts) == 2 * PROGRAM_WORKERS);
    k = (struct call){.id = "tim", .service = "echo", .to_send = 10};
    call(&k, 0);
    WAIT(atomic_load(&k.ended) != NULL);
    OK_INT(atomic_load(&k.got), 10);
    program_free(&tim);
    server_free();
}

static void server_goes_first(void)
{
    pair_start(2);
    struct call k = {.id = "tim", .service = "source", .host = "90000000"};
    call(&k, 0);
    WAIT(atomic_load(&k.got) > 1000000);
    server_free();
    WAIT(atomic_load(&tim.link_downs) > 0);
    program_free(&tim);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"streams over MQTT", streams},
        {"a polite end and a new beginning", polite_end},
        {"the server goes first", server_goes_first},
    };
    return TAP_RUN(cases);
}
