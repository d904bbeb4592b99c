/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks in order. */
#include "hook/chain.h"

#include <string.h>

#include "hook/internal.h"
#include "mqtt/topic.h"

struct hook_chain *hook_chain_create(void)
{
    struct hook_chain *c;
    ALLOC_OBJECT(c, CHAIN_MAGIC);
    return c;
}

bool hook_chain_add(struct hook_chain *c, const struct mdm_hook *given)
{
    CHECK_OBJECT(c, CHAIN_MAGIC);
    if (c->count == HOOKS_MAX || given->version != MDM_HOOK_VERSION || given->size < offsetof(struct mdm_hook, auth_connect))
        return false;
    struct mdm_hook *hook = &c->hooks[c->count++];
    memcpy(hook, given, given->size < sizeof(*hook) ? given->size : sizeof(*hook));
    struct hook_wants *w = &c->wants;
    w->auth_connect |= hook->auth_connect != NULL;
    w->auth_publish |= hook->auth_publish != NULL;
    w->auth_subscribe |= hook->auth_subscribe != NULL;
    w->intercept |= hook->intercept != NULL;
    w->rewrite |= hook->rewrite != NULL;
    w->connect |= hook->connect != NULL;
    w->publish |= hook->publish != NULL;
    w->subscribe |= hook->subscribe != NULL;
    w->unsubscribe |= hook->unsubscribe != NULL;
    w->disconnect |= hook->disconnect != NULL;
    w->auth_request |= hook->auth_request != NULL;
    return true;
}

void hook_chain_free(struct hook_chain **cp)
{
    struct hook_chain *c;
    if (*cp == NULL)
        return;
    TAKE_OBJECT(c, cp, CHAIN_MAGIC);
    while (c->count > 0) {
        const struct mdm_hook *hook = &c->hooks[--c->count];
        if (hook->close != NULL)
            hook->close(hook->ctx);
    }
    FREE_OBJECT(c);
}

const struct hook_wants *hook_chain_wants(const struct hook_chain *c) { return &c->wants; }

/* -- rewriting ------------------------------------------------------------------------------------------------------- */

static bool name_possible(const char *name, size_t len, bool filter)
{
    struct mqtt_span s = {(const uint8_t *)name, len};
    return len <= MQTT_FIELD_MAX && mqtt_text_valid(s) && (filter ? mqtt_topic_filter_valid(s) : mqtt_topic_name_valid(s));
}

size_t hook_chain_rewrite(const struct hook_chain *c, const struct hook_session *s, enum mdm_direction direction,
                          struct mqtt_span topic, bool filter, char out[static MQTT_FIELD_MAX + 1])
{
    static _Thread_local char from[MQTT_FIELD_MAX + 1];
    size_t len = 0;
    memcpy(from, topic.data, topic.len);
    from[topic.len] = '\0';
    for (unsigned i = 0; i < c->count; i++) {
        const struct mdm_hook *hook = &c->hooks[direction == MDM_TO_BROKER ? i : c->count - 1 - i];
        size_t made = hook->rewrite == NULL ? 0
                                            : hook->rewrite(hook->ctx, hook_session_facts(s), direction, from, filter, out,
                                                            MQTT_FIELD_MAX + 1);
        if (made == 0)
            continue;
        if (!name_possible(out, made, filter))
            return SIZE_MAX;
        len = made;
        memcpy(from, out, made);
        from[made] = '\0';
    }
    if (len > 0)
        memcpy(out, from, len + 1); /* a later hook may have scribbled there */
    return len;
}

/* -- news ------------------------------------------------------------------------------------------------------------ */

#define FOREACH_HOOK(hook, c) \
    for (unsigned hook_i = 0; hook_i < (c)->count; hook_i++) \
        for (const struct mdm_hook *hook = &(c)->hooks[hook_i]; hook != NULL; hook = NULL)

/* A topic as text; on this thread until the next call. */
static const char *text_of(struct mqtt_span topic)
{
    static _Thread_local char text[MQTT_FIELD_MAX + 1];
    memcpy(text, topic.data, topic.len);
    text[topic.len] = '\0';
    return text;
}

void hook_chain_connect(const struct hook_chain *c, const struct hook_session *s)
{
    FOREACH_HOOK(hook, c)
        if (hook->connect != NULL)
            hook->connect(hook->ctx, hook_session_facts(s));
}

void hook_chain_publish(const struct hook_chain *c, const struct hook_session *s, struct mqtt_span topic,
                        const struct mqtt_publish *p)
{
    const struct mdm_publish it = {
        .topic = text_of(topic), .payload = {p->payload.data, p->payload.len}, .qos = p->qos, .retain = p->retain};
    FOREACH_HOOK(hook, c)
        if (hook->publish != NULL)
            hook->publish(hook->ctx, hook_session_facts(s), &it);
}

void hook_chain_subscribe(const struct hook_chain *c, const struct hook_session *s, const struct mqtt_filter *f)
{
    const struct mdm_subscribe it = {.filter = text_of(f->filter), .qos = f->qos};
    FOREACH_HOOK(hook, c)
        if (hook->subscribe != NULL)
            hook->subscribe(hook->ctx, hook_session_facts(s), &it);
}

void hook_chain_unsubscribe(const struct hook_chain *c, const struct hook_session *s, struct mqtt_span filter)
{
    const char *text = text_of(filter);
    FOREACH_HOOK(hook, c)
        if (hook->unsubscribe != NULL)
            hook->unsubscribe(hook->ctx, hook_session_facts(s), text);
}

void hook_chain_disconnect(const struct hook_chain *c, const struct hook_session *s, const char *why)
{
    FOREACH_HOOK(hook, c)
        if (hook->disconnect != NULL)
            hook->disconnect(hook->ctx, hook_session_facts(s), why);
}
