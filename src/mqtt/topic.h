/* SPDX-License-Identifier: Apache-2.0 */
/* Topic names and topic filters (MQTT 5 and 3.1.1 4.7). That they are valid UTF-8 is checked with mqtt_text_valid(). */
#ifndef MQTT_TOPIC_H
#define MQTT_TOPIC_H

#include "mqtt/text.h"

/* A name that can be published to: not empty, no wildcard. */
bool mqtt_topic_name_valid(struct mqtt_span name);
/* '+' fills a level, '#' fills the last one. A shared filter ("$share/NAME/FILTER") must be so in all its parts. */
bool mqtt_topic_filter_valid(struct mqtt_span filter);
/* Whether a valid filter has '+' or '#'. */
bool mqtt_topic_has_wildcard(struct mqtt_span filter);
/* Whether a filter asks for a shared subscription (MQTT 5 4.8.2). */
bool mqtt_topic_is_shared(struct mqtt_span filter);
/* Both valid. A wildcard in the first level does not match a name that starts with '$' (4.7.2). */
bool mqtt_topic_matches(struct mqtt_span filter, struct mqtt_span name);

/* How many levels; at least 1. */
size_t mqtt_topic_levels(struct mqtt_span topic);
/*
 * Takes the next level off the front of *rest (without its '/'). False when nothing is left: rest->data is NULL then.
 * An empty level is a level: "a//b" has three, "/" has two.
 */
bool mqtt_topic_next_level(struct mqtt_span *rest, struct mqtt_span *level);

#endif
