/* SPDX-License-Identifier: Apache-2.0 */
/* Topic names and filters. */
#include "mqtt/topic.h"

#include <string.h>

static bool has(struct mqtt_span s, char c)
{
    return s.len > 0 && memchr(s.data, c, s.len) != NULL;
}

static bool level_is(struct mqtt_span level, char c)
{
    return level.len == 1 && level.data[0] == (uint8_t)c;
}

bool mqtt_topic_next_level(struct mqtt_span *rest, struct mqtt_span *level)
{
    if (rest->data == NULL)
        return false;
    const uint8_t *slash = rest->len > 0 ? memchr(rest->data, '/', rest->len) : NULL;
    if (slash == NULL) {
        *level = *rest;
        *rest = MQTT_SPAN_NONE;
    } else {
        *level = (struct mqtt_span){rest->data, (size_t)(slash - rest->data)};
        *rest = (struct mqtt_span){slash + 1, rest->len - level->len - 1};
    }
    return true;
}

size_t mqtt_topic_levels(struct mqtt_span topic)
{
    size_t n = 1;
    for (size_t i = 0; i < topic.len; i++)
        n += topic.data[i] == '/';
    return n;
}

bool mqtt_topic_name_valid(struct mqtt_span name)
{
    return name.len > 0 && name.len <= MQTT_FIELD_MAX && !has(name, '+') && !has(name, '#');
}

bool mqtt_topic_has_wildcard(struct mqtt_span filter)
{
    return has(filter, '+') || has(filter, '#');
}

bool mqtt_topic_is_shared(struct mqtt_span filter)
{
    return filter.len >= 7 && memcmp(filter.data, "$share/", 7) == 0;
}

/* "$share/NAME/": the name is one level, not empty, without wildcards; what follows is a filter. */
static bool shared_head_skip(struct mqtt_span *filter)
{
    struct mqtt_span share, name;
    return mqtt_topic_next_level(filter, &share) && mqtt_topic_next_level(filter, &name) && name.len > 0 &&
           !mqtt_topic_has_wildcard(name) && filter->len > 0;
}

bool mqtt_topic_filter_valid(struct mqtt_span filter)
{
    if (filter.len == 0 || filter.len > MQTT_FIELD_MAX)
        return false;
    if (mqtt_topic_is_shared(filter) && !shared_head_skip(&filter))
        return false;
    struct mqtt_span level;
    while (mqtt_topic_next_level(&filter, &level)) {
        if (has(level, '#') && (level.len != 1 || filter.data != NULL))
            return false;
        if (has(level, '+') && level.len != 1)
            return false;
    }
    return true;
}

bool mqtt_topic_matches(struct mqtt_span filter, struct mqtt_span name)
{
    if (name.data[0] == '$' && (filter.data[0] == '+' || filter.data[0] == '#'))
        return false;
    struct mqtt_span want, have;
    while (mqtt_topic_next_level(&filter, &want)) {
        if (level_is(want, '#'))
            return true; /* also the level above: "a/#" matches "a" */
        if (!mqtt_topic_next_level(&name, &have))
            return false;
        if (!level_is(want, '+') && !mqtt_span_equal(want, have))
            return false;
    }
    return name.data == NULL;
}
