/* SPDX-License-Identifier: Apache-2.0 */
/* A program's settings that say where peers meet, checked and made into a way (way.h). */
#ifndef RELAY_WAY_SETTINGS_H
#define RELAY_WAY_SETTINGS_H

#include <stddef.h>

#include "config/broker_settings.h"
#include "config/error.h"
#include "relay/way.h"

/*
 * A part of the program's settings: its rows fill in host, port, `broker` (BROKER_SETTINGS,
 * MQTUNNEL_SETTINGS) and `grace_us` (WAY_GRACE_SETTING).
 */
struct way_settings {
    char *host;
    unsigned port;
    struct broker_settings broker;
    struct link_urls brokers; /* valid with broker.url */
    struct link_proxy proxy;
    uint64_t grace_us;
};

#define WAY_GRACE_SETTING(at)                                                                                    \
    {.name = "grace", .kind = SETTING_SECONDS, .offset = (at), .min = 1, .max = 3600, .default_text = "60",       \
     .argument = "SECONDS", .help = "how long streams outlive the connection; the smaller of both ends' counts"}

/*
 * After the settings were read: whether they fit together. *device gets the name that mqtunnel's settings give the device, ""
 * when they give none. False and *err: the usage is wrong.
 */
bool way_settings_finish(struct way_settings *s, char device[static 64], struct config_error *err);
/* What they say; they outlive it. */
struct way way_settings_way(const struct way_settings *s);
/* For messages: "example.com:8001", or the broker's URL; 512 bytes are enough. */
void way_settings_text(const struct way_settings *s, char *out, size_t size);

#endif
