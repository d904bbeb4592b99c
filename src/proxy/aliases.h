/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topic aliases (MQTT 5 3.3.2.3.4) of one direction, where hooks have to know what they stand for: they end here, and
 * each message goes on with its topic.
 */
#ifndef PROXY_ALIASES_H
#define PROXY_ALIASES_H

#include "mqtt/packet.h"

struct aliases;

/*
 * The topic of a message, which sets or uses an alias, or does neither; *table is made when it is needed. NULL, or what is
 * wrong. *topic is valid until the next call.
 */
const char *aliases_resolve(struct aliases **table, const struct mqtt_publish *p, struct mqtt_span *topic);
void aliases_free(struct aliases **table);

#endif
