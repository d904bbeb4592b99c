/* SPDX-License-Identifier: Apache-2.0 */
/* From settings to a way. */
#include "relay/way_settings.h"

#include <stdio.h>

bool way_settings_finish(struct way_settings *s, char device[static 64], struct config_error *err)
{
    if (!broker_settings_adopt(&s->broker, s->host, s->port, device, err) || !broker_settings_finish(&s->broker, err))
        return false;
    bool broker = s->broker.url != NULL;
    const char *why = broker ? link_urls_parse(s->broker.url, &s->brokers) : NULL;
    if (why != NULL) {
        config_error_set(err, "broker: %s", why);
        return false;
    }
    why = link_proxy_choose(s->broker.proxy, broker ? s->brokers.list[0].host : s->host, s->brokers.list[0].tls, &s->proxy);
    if (why != NULL)
        config_error_set(err, "proxy: %s", why);
    return why == NULL;
}

struct way way_settings_way(const struct way_settings *s)
{
    return (struct way){.host = s->host,
                        .port = (uint16_t)s->port,
                        .broker = &s->broker,
                        .brokers = s->broker.url != NULL ? &s->brokers : NULL,
                        .proxy = &s->proxy,
                        .grace_us = s->grace_us};
}

void way_settings_text(const struct way_settings *s, char *out, size_t size)
{
    if (s->broker.url != NULL)
        snprintf(out, size, "%.500s", s->broker.url);
    else
        snprintf(out, size, "%.500s:%u", s->host, s->port);
}
