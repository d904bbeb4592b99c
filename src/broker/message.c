/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that stay or cross. */
#include "broker/message.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* A copy where the payload pins a chunk of more than four times its size. */
static struct slice payload_keep(const struct slice *payload)
{
    if (payload->chunk == NULL || payload->len < payload->chunk->size / 4)
        return slice_copy(payload->data, payload->len);
    return slice_ref(payload);
}

static struct message *message_copy(const struct message *m)
{
    struct message *copy = malloc(sizeof(*copy) + m->topic.len + 1 + m->properties.len);
    if (copy == NULL)
        return NULL;
    *copy = *m;
    copy->payload = payload_keep(&m->payload);
    if (copy->payload.chunk == NULL) {
        free(copy);
        return NULL;
    }
    uint8_t *at = (uint8_t *)(copy + 1);
    memcpy(at, m->topic.data, m->topic.len);
    at[m->topic.len] = '\0';
    copy->topic.data = at;
    at += m->topic.len + 1;
    if (m->properties.len > 0)
        memcpy(at, m->properties.data, m->properties.len);
    copy->properties.data = at;
    atomic_init(&copy->refs, 1);
    return copy;
}

struct message *message_keep(const struct message *m)
{
    struct message *kept = (struct message *)(uintptr_t)m;
    if (atomic_load_explicit(&kept->refs, memory_order_relaxed) == 0)
        return message_copy(m);
    atomic_fetch_add_explicit(&kept->refs, 1, memory_order_relaxed);
    return kept;
}

void message_unref(struct message *m)
{
    if (m == NULL || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
        return;
    slice_done(&m->payload);
    free(m);
}

size_t message_weight(const struct message *m)
{
    return sizeof(*m) + m->topic.len + m->properties.len + m->payload.len;
}

uint32_t message_seconds_left(const struct message *m, uint64_t now_us)
{
    if (m->expires_us == CLOCK_NEVER)
        return UINT32_MAX;
    return now_us >= m->expires_us ? 0 : (uint32_t)((m->expires_us - now_us + US_PER_S - 1) / US_PER_S);
}

static bool is_for_receivers(enum mqtt_property_id id)
{
    return id != MQTT_PROPERTY_TOPIC_ALIAS && id != MQTT_PROPERTY_WILL_DELAY && id != MQTT_PROPERTY_MESSAGE_EXPIRY;
}

bool message_properties(struct mqtt_span all, struct mqtt_span *kept, void **copy)
{
    struct mqtt_span rest = all;
    struct mqtt_property p;
    size_t len = 0;
    while (mqtt_property_next(&rest, &p))
        len += is_for_receivers(p.id) ? p.raw.len : 0;
    *copy = NULL;
    *kept = (struct mqtt_span){all.data, len};
    if (len == 0 || len == all.len)
        return true;
    uint8_t *at = malloc(len);
    if (at == NULL)
        return false;
    *copy = at;
    kept->data = at;
    for (rest = all; mqtt_property_next(&rest, &p);) {
        if (!is_for_receivers(p.id))
            continue;
        memcpy(at, p.raw.data, p.raw.len);
        at += p.raw.len;
    }
    return true;
}

uint64_t message_expiry_us(struct mqtt_span properties, uint64_t now_us)
{
    struct mqtt_property p;
    if (!mqtt_property_find(properties, MQTT_PROPERTY_MESSAGE_EXPIRY, &p))
        return CLOCK_NEVER;
    return now_us + p.number * US_PER_S;
}
