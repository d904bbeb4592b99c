/* SPDX-License-Identifier: Apache-2.0 */
/* From settings to a link. */
#include "relay/way.h"

#include <stdio.h>

#include "base/clock.h"
#include "mdm-tunnel/limits.h"

#define KEEP_ALIVE_US (10 * US_PER_S)
#define IDLE_US (10 * US_PER_S)

const char *way_host(const struct way *w) { return w->brokers != NULL ? w->brokers->list[0].host : w->host; }
uint16_t way_port(const struct way *w) { return w->brokers != NULL ? w->brokers->list[0].port : w->port; }

/*
 * What cannot be known is whether the other end at a host is the server's own broker or a foreign one: envelopes are as
 * large as the server agrees to, and their number is what no broker is known to drop.
 */
void way_fill_hub(const struct way *w, struct hub_config *out)
{
    bool foreign = w->brokers != NULL;
    out->prefix = w->broker->prefix;
    out->max_envelope = foreign ? w->broker->max_payload : ENVELOPE_MAX_EMBEDDED;
    out->window_max = foreign ? SESSION_WINDOW_BROKER : SESSION_WINDOW_MAX;
    out->envelopes_max = SESSION_ENVELOPES_BROKER;
    out->grace_us = w->grace_us;
    out->idle_us = IDLE_US;
    out->asks = foreign && out->guest;
}

/* `own` is the URL of the server's own broker, where that is meant. */
static void mqtt_fill(const struct way *w, const char *instance, struct link_url *own, struct link_mqtt_config *out)
{
    const struct broker_settings *b = w->broker;
    bool foreign = w->brokers != NULL;
    *own = (struct link_url){.port = w->port};
    snprintf(own->host, sizeof(own->host), "%s", w->host != NULL ? w->host : "");
    *out = (struct link_mqtt_config){
        .urls = foreign ? w->brokers->list : own,
        .url_count = foreign ? w->brokers->count : 1,
        .client_id = instance,
        .username = b->username,
        .password = b->password,
        .proxy = w->proxy,
        .keep_alive_us = KEEP_ALIVE_US,
        .max_attempts = w->max_attempts,
        .max_payload = foreign ? b->max_payload : ENVELOPE_MAX_EMBEDDED,
    };
    if (foreign) {
        out->ca_file = b->ca_cert;
        out->cert_file = b->client_cert;
        out->key_file = b->private_key;
        out->alpn = b->alpn;
    }
}

void way_checkup(const struct way *w, const char *instance, link_checkup_fn *say, void *ctx)
{
    struct link_mqtt_config mqtt;
    struct link_url own;
    mqtt_fill(w, instance, &own, &mqtt);
    for (unsigned i = 0; i < mqtt.url_count; i++)
        link_checkup(&mqtt, i, say, ctx);
}

bool way_make_link(const struct way *w, struct hub *h, const char *instance)
{
    struct link_config link;
    struct link_mqtt_config mqtt;
    struct link_url own;
    mqtt_fill(w, instance, &own, &mqtt);
    hub_link_config(h, 0, &link);
    struct link *l = link_mqtt_create(&link, &mqtt);
    if (l != NULL)
        hub_set_link(h, 0, l);
    return l != NULL;
}
