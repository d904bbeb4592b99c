/* SPDX-License-Identifier: Apache-2.0 */
/* Topic aliases. */
#include "proxy/aliases.h"

#include <stdlib.h>
#include <string.h>

#include "mdm-tunnel/limits.h"

struct aliases {
    struct alias {
        uint8_t *topic; /* NULL: not set */
        size_t len;
    } of[PROXY_TOPIC_ALIASES_MAX];
};

static const char *alias_set(struct aliases *t, unsigned alias, struct mqtt_span topic)
{
    uint8_t *copy = malloc(topic.len);
    if (copy == NULL)
        return "out of memory";
    memcpy(copy, topic.data, topic.len);
    free(t->of[alias - 1].topic);
    t->of[alias - 1] = (struct alias){copy, topic.len};
    return NULL;
}

const char *aliases_resolve(struct aliases **table, const struct mqtt_publish *p, struct mqtt_span *topic)
{
    uint32_t alias = mqtt_property_number(p->properties, MQTT_PROPERTY_TOPIC_ALIAS, 0);
    *topic = p->topic;
    if (alias == 0)
        return p->topic.len > 0 ? NULL : "a message has neither a topic nor an alias";
    if (alias > PROXY_TOPIC_ALIASES_MAX)
        return "a topic alias is over the maximum";
    if (*table == NULL)
        *table = calloc(1, sizeof(**table));
    if (*table == NULL)
        return "out of memory";
    if (p->topic.len > 0)
        return alias_set(*table, alias, p->topic);
    const struct alias *a = &(*table)->of[alias - 1];
    if (a->topic == NULL)
        return "a topic alias is not set";
    *topic = (struct mqtt_span){a->topic, a->len};
    return NULL;
}

void aliases_free(struct aliases **tp)
{
    struct aliases *t = *tp;
    *tp = NULL;
    for (unsigned i = 0; t != NULL && i < PROXY_TOPIC_ALIASES_MAX; i++)
        free(t->of[i].topic);
    free(t);
}
