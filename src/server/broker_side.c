/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded broker from the settings. */
#include "server/broker_side.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "server/certificates.h"

/* -- news for the log ---------------------------------------------------------------------------------------------- */

static void on_connected(void *ctx, const struct broker_client *who)
{
    (void)ctx;
    if (who->certificate != NULL)
        log_info(who->address, "MQTT connection of %s (%s, %s)", who->client_id, who->listener, who->certificate);
    else
        log_info(who->address, "MQTT connection of %s (%s)", who->client_id, who->listener);
}

static void on_disconnected(void *ctx, const struct broker_client *who, const char *why)
{
    (void)ctx;
    log_info(who->address, "MQTT connection of %s is closed: %s", who->client_id, why);
}

static void on_failed(void *ctx, const char *address, const char *listener, const char *why)
{
    (void)ctx;
    log_info(address, "no MQTT connection (%s): %s", listener, why);
}

static const struct broker_events broker_events = {
    .connected = on_connected, .disconnected = on_disconnected, .failed = on_failed};

/* -- listeners ----------------------------------------------------------------------------------------------------- */

static bool side_failed(struct config_error *err, const char *what, int failure)
{
    config_error_set(err, "%s: %s", what, strerror(failure));
    return false;
}

static bool listen_plain(struct broker_side *b, const struct server_settings *set, struct ports *ports,
                         struct config_error *err)
{
    char what[96];

    ports->client = (uint16_t)set->client_port;
    int failure = broker_listen(b->broker, &broker_plain, set->client_bind, &ports->client);
    snprintf(what, sizeof(what), "%s client-port %u", set->client_bind != NULL ? set->client_bind : "*",
             set->client_port);
    return failure == 0 || side_failed(err, what, failure);
}

static bool listen_more(struct broker_side *b, const struct server_settings *set, unsigned i,
                        struct tls_store *certificates, struct ports *ports, struct config_error *err)
{
    const struct listen_url *url = &set->client_listen_urls[i];
    char what[LISTEN_ADDRESS_MAX + 64];

    snprintf(b->sockets[i], sizeof(b->sockets[i]), SHELF_MQTT "-%u", i + 1);
    b->kinds[i] = (struct transport_kind){
        .name = url->scheme,
        .socket = b->sockets[i],
        .tls = !url->tls ? NULL : b->certificates != NULL ? b->certificates : certificates,
        .path = url->websocket ? url->path : NULL,
        .keep_request = b->guard != NULL,
    };
    ports->more_clients[i] = url->port;
    int failure =
        broker_listen(b->broker, &b->kinds[i], url->address[0] != '\0' ? url->address : NULL, &ports->more_clients[i]);
    snprintf(what, sizeof(what), "client-listen: %s://%s:%u", url->scheme, url->address, url->port);
    return failure == 0 || side_failed(err, what, failure);
}

static bool create_certificates(struct broker_side *b, const struct server_settings *set, struct worker *const *workers,
                                unsigned count, struct config_error *err)
{
    bool failed = false;

    if (set->client_verify != TLS_CLIENTS_ANY)
        b->certificates = certificates_create(set, set->client_verify, workers, count, &failed, err);
    return !failed;
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

bool broker_side_create(struct broker_side *b, const struct server_settings *settings, struct worker *const *workers, unsigned count,
                        struct tls_store *certificates, const struct hook_chain *hooks, struct shelf *shelf, struct ports *ports,
                        struct config_error *err)
{
    if (!tunnel_policy_init(&b->policy, settings->broker.prefix))
        return side_failed(err, "topic prefix", EINVAL);
    if (!create_certificates(b, settings, workers, count, err))
        return false;
    if (hooks != NULL && (b->guard = hook_guard_create(hooks)) == NULL)
        return side_failed(err, "hooks", ENOMEM);
    b->broker = broker_create(&(struct broker_config){
        .workers = workers,
        .worker_count = count,
        .policy = &b->policy.policy,
        .guard = b->guard != NULL ? hook_guard_for_broker(b->guard) : NULL,
        .events = &broker_events,
        .connect_timeout_us = settings->limits.connect_us,
        .strangers_max = settings->limits.strangers,
        .strangers_per_address_max = settings->limits.strangers_per_address,
        .shelf = shelf,
    });
    if (b->broker == NULL)
        return side_failed(err, "broker", ENOMEM);
    bool ok = listen_plain(b, settings, ports, err);
    for (unsigned i = 0; ok && i < settings->client_listen_count; i++)
        ok = listen_more(b, settings, i, certificates, ports, err);
    return ok;
}

void broker_side_reload(struct broker_side *b)
{
    if (b->certificates != NULL)
        tls_store_reload(b->certificates);
}

void broker_side_free(struct broker_side *b)
{
    if (b->broker != NULL)
        broker_free(&b->broker);
    hook_guard_free(&b->guard);
    if (b->certificates != NULL)
        tls_store_free(&b->certificates);
}
