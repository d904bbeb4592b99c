/* SPDX-License-Identifier: Apache-2.0 */
/* From the settings to a link to another broker. */
#include "server/uplink.h"

#include "link/link.h"
#include "peer/hub.h"
#include "server/server_settings.h"

struct link *uplink_create(struct hub *hub, const struct server_settings *settings, const char *instance,
                           uint64_t keep_alive_us)
{
    const struct broker_settings *b = &settings->broker;
    struct link_config config = {0};
    const struct link_mqtt_config mqtt = {
        .urls = settings->brokers.list,
        .url_count = settings->brokers.count,
        .ca_file = b->ca_cert,
        .cert_file = b->client_cert,
        .key_file = b->private_key,
        .alpn = b->alpn,
        .proxy = &settings->proxy,
        .username = b->username,
        .password = b->password,
        .client_id = instance,
        .keep_alive_us = keep_alive_us,
        .max_payload = b->max_payload,
    };

    hub_link_config(hub, 0, &config);
    return link_mqtt_create(&config, &mqtt);
}
