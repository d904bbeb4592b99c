/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connection may do on the embedded broker of a tunnel, with topics below one prefix:
 *
 *   whose MQTT client id is an instance id (32 lower-case hexadecimal digits)
 *       subscribes to PREFIX/to/OWN/+ and publishes PREFIX/to/ANY/OWN (not retained), PREFIX/at/ID/OWN (retained);
 *   everybody
 *       subscribes to PREFIX/at/ID/+ of one named ID: listing all of them takes a session with the server.
 *
 * Nothing else. Who owns an ID is decided by the peers' keys, not here.
 */
#ifndef HOOK_TUNNEL_POLICY_H
#define HOOK_TUNNEL_POLICY_H

#include "broker/broker.h"
#include "mdm-tunnel/limits.h"

struct tunnel_policy {
    struct broker_policy policy; /* for broker_config */
    char prefix[TOPIC_PREFIX_MAX + 1];
};

/* False when the prefix is longer than TOPIC_PREFIX_MAX or cannot stand in a topic. It outlives the broker. */
bool tunnel_policy_init(struct tunnel_policy *p, const char *prefix);

#endif
