/* SPDX-License-Identifier: Apache-2.0 */
/* The one MQTT session of a server that has no broker of its own. */
#ifndef SERVER_UPLINK_H
#define SERVER_UPLINK_H

#include <stdint.h>

struct hub;
struct link;
struct server_settings;

/* For the hub's first worker; `instance` is the MQTT client identifier. NULL without memory. */
struct link *uplink_create(struct hub *hub, const struct server_settings *settings, const char *instance,
                           uint64_t keep_alive_us);

#endif
