/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is right and wrong on the way to a broker, for people: the name is resolved, each address is tried, TLS and WebSocket begin, the
 * broker lets us in and says what it takes. Blocks for some seconds at most; any thread, while the process has no other link: the MQTT
 * library has one set of tables for all.
 */
#ifndef LINK_CHECKUP_H
#define LINK_CHECKUP_H

#include "link/link.h"

enum link_finding { LINK_GOOD, LINK_DOUBTFUL, LINK_BAD };

/* `what` is checked: "resolution", "reachability", "TLS", "MQTT", "broker limits"; `text`: how it is; `deed`: what to do about it, "": nothing. */
typedef void link_checkup_fn(void *ctx, const char *what, enum link_finding finding, const char *text, const char *deed);

/* The broker `index` of the configuration. */
void link_checkup(const struct link_mqtt_config *config, unsigned index, link_checkup_fn *say, void *ctx);

#endif
