/* SPDX-License-Identifier: Apache-2.0 */
/* Rules for the topics of a tunnel. */
#include "hook/tunnel_policy.h"

#include <string.h>

#include "base/label.h"
#include "mqtt/topic.h"

_Static_assert(LABEL_BYTES == NAME_MAX_BYTES, "a client id is a label");

/* A topic or filter below the prefix: PREFIX/KIND/WHOM/SENDER, four fields whatever the prefix has. */
struct tunnel_topic {
    struct mqtt_span kind, whom, sender;
};

static bool topic_split(const struct tunnel_policy *p, const char *text, struct tunnel_topic *t)
{
    size_t len = strlen(p->prefix);
    if (strncmp(text, p->prefix, len) != 0 || text[len] != '/')
        return false;
    struct mqtt_span rest = mqtt_span_of(text + len + 1);
    return mqtt_topic_next_level(&rest, &t->kind) && mqtt_topic_next_level(&rest, &t->whom) &&
           mqtt_topic_next_level(&rest, &t->sender) && rest.data == NULL;
}

static bool is(struct mqtt_span level, const char *text) { return mqtt_span_equal(level, mqtt_span_of(text)); }

static bool is_instance(struct mqtt_span level)
{
    if (level.len != INSTANCE_TEXT_BYTES)
        return false;
    for (size_t i = 0; i < level.len; i++)
        if (memchr("0123456789abcdef", level.data[i], 16) == NULL)
            return false;
    return true;
}

/* A client id of the tunnel as it stands in topics: a label in lower case. */
static bool is_name(struct mqtt_span level)
{
    char name[LABEL_BYTES + 1];
    return label_normalise((const char *)level.data, level.len, name) && is(level, name);
}

static bool may_publish(void *ctx, const struct broker_client *who, const char *topic, bool retain)
{
    struct tunnel_topic t;
    if (!topic_split(ctx, topic, &t) || !is_instance(t.sender) || !is(t.sender, who->client_id))
        return false;
    return retain ? is(t.kind, "at") && is_name(t.whom) : is(t.kind, "to") && is_instance(t.whom);
}

/* PREFIX/who, where only the server asks. */
static bool is_who(const struct tunnel_policy *p, const char *text)
{
    size_t len = strlen(p->prefix);
    return strncmp(text, p->prefix, len) == 0 && strcmp(text + len, "/who") == 0;
}

static bool may_subscribe(void *ctx, const struct broker_client *who, const char *filter)
{
    struct tunnel_topic t;
    if (is_who(ctx, filter))
        return true;
    if (!topic_split(ctx, filter, &t))
        return false;
    if (is(t.kind, "at"))
        return is_name(t.whom) && (is(t.sender, "+") || is(t.sender, who->client_id));
    return is(t.kind, "to") && is(t.sender, "+") && is_instance(t.whom) && is(t.whom, who->client_id);
}

bool tunnel_policy_init(struct tunnel_policy *p, const char *prefix)
{
    size_t len = strlen(prefix);
    struct mqtt_span text = mqtt_span_of(prefix);
    if (len > TOPIC_PREFIX_MAX || prefix[0] == '$' || !mqtt_topic_name_valid(text) || !mqtt_text_valid(text))
        return false;
    p->policy = (struct broker_policy){.ctx = p, .publish = may_publish, .subscribe = may_subscribe};
    memcpy(p->prefix, prefix, len + 1);
    return true;
}
