/* SPDX-License-Identifier: Apache-2.0 */
/* From settings to a link. */
#include "relay/way.h"

#include "base/clock.h"
#include "mdm-tunnel/limits.h"

#define KEEP_ALIVE_US (10 * US_PER_S)
#define IDLE_US (10 * US_PER_S)
#define GRACE_US (60 * US_PER_S)

const char *way_host(const struct way *w) { return w->broker_url != NULL ? w->broker_url->host : w->host; }
uint16_t way_port(const struct way *w) { return w->broker_url != NULL ? w->broker_url->port : w->port; }

/*
 * What cannot be known is whether the other end at a host is the server's own broker or a foreign one: envelopes are as
 * large as the server agrees to, and their number is what no broker is known to drop.
 */
void way_fill_hub(const struct way *w, struct hub_config *out)
{
    bool foreign = w->broker_url != NULL;
    out->prefix = w->broker->prefix;
    out->max_envelope = foreign ? w->broker->max_payload : ENVELOPE_MAX_EMBEDDED;
    out->window_max = foreign ? SESSION_WINDOW_BROKER : SESSION_WINDOW_MAX;
    out->envelopes_max = SESSION_ENVELOPES_BROKER;
    out->grace_us = GRACE_US;
    out->idle_us = IDLE_US;
}

bool way_make_link(const struct way *w, struct hub *h, const char *instance)
{
    const struct broker_settings *b = w->broker;
    const struct link_url *url = w->broker_url;
    struct link_config link;
    struct link_mqtt_config mqtt = {
        .host = way_host(w),
        .port = way_port(w),
        .client_id = instance,
        .username = b->username,
        .password = b->password,
        .proxy = w->proxy,
        .keep_alive_us = KEEP_ALIVE_US,
        .max_attempts = w->max_attempts,
        .max_payload = url != NULL ? b->max_payload : ENVELOPE_MAX_EMBEDDED,
    };
    if (url != NULL) {
        mqtt.tls = url->tls;
        mqtt.path = url->websocket ? url->path : NULL;
        mqtt.ca_file = b->ca_cert;
        mqtt.cert_file = b->client_cert;
        mqtt.key_file = b->private_key;
        mqtt.alpn = b->alpn;
    }
    hub_link_config(h, 0, &link);
    struct link *l = link_mqtt_create(&link, &mqtt);
    if (l != NULL)
        hub_set_link(h, 0, l);
    return l != NULL;
}
