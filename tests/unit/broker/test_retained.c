/* SPDX-License-Identifier: Apache-2.0 */
/* The replica of retained messages: order, bounds, matching, expiry. */
#include "broker/retained.h"

#include <stdlib.h>

#include "base/clock.h"
#include "mdm-tunnel/limits.h"
#include "tap.h"

static const uint64_t key[2] = {1, 2};
static struct retained store;

static bool put(const char *topic, const char *payload, uint64_t stamp, unsigned origin, uint64_t expires_us)
{
    struct message m = {.retain = true,
                        .stamp = stamp,
                        .origin = origin,
                        .expires_us = expires_us,
                        .topic = mqtt_span_of(topic),
                        .payload = slice_static(payload, strlen(payload))};
    struct message *kept = message_keep(&m);
    bool ok = kept != NULL && retained_put(&store, kept);
    message_unref(kept);
    return ok;
}

static char found[512];

static void note_found(void *ctx, const struct message *m)
{
    (void)ctx;
    size_t at = strlen(found);
    snprintf(found + at, sizeof(found) - at, "%s=%.*s ", (const char *)m->topic.data, (int)m->payload.len,
             (const char *)m->payload.data);
}

static const char *find(const char *filter, uint64_t now_us)
{
    found[0] = '\0';
    retained_match(&store, mqtt_span_of(filter), now_us, note_found, NULL);
    return found;
}

static void test_matching(void)
{
    OK(retained_init(&store, key));
    OK(put("a/b", "1", 1, 0, CLOCK_NEVER) && put("a/c", "2", 2, 0, CLOCK_NEVER) && put("a", "3", 3, 0, CLOCK_NEVER));
    OK(put("$SYS/x", "4", 4, 0, CLOCK_NEVER) && put("a/b/c", "5", 5, 0, CLOCK_NEVER));
    OK_TEXT(find("a/b", 0), "a/b=1 ");
    OK_TEXT(find("a/+", 0), "a/b=1 a/c=2 ");
    OK_TEXT(find("a/#", 0), "a=3 a/b=1 a/b/c=5 a/c=2 ");
    OK_TEXT(find("#", 0), "a=3 a/b=1 a/b/c=5 a/c=2 ");
    OK_TEXT(find("+/x", 0), "");
    OK_TEXT(find("$SYS/#", 0), "$SYS/x=4 ");
    OK_TEXT(find("+/b/+", 0), "a/b/c=5 ");
    OK_TEXT(find("x", 0), "");
    OK_INT(store.count, 5);
    retained_done(&store);
}

static void test_order(void)
{
    OK(retained_init(&store, key));
    OK(put("t", "second", 7, 1, CLOCK_NEVER));
    OK(put("t", "first", 6, 3, CLOCK_NEVER));
    OK_TEXT(find("t", 0), "t=second ");
    OK(put("t", "same stamp, lower shard", 7, 0, CLOCK_NEVER));
    OK_TEXT(find("t", 0), "t=second ");
    OK(put("t", "same stamp, higher shard", 7, 2, CLOCK_NEVER));
    OK_TEXT(find("t", 0), "t=same stamp, higher shard ");
    OK(put("t", "", 9, 0, CLOCK_NEVER));
    OK_TEXT(find("t", 0), "");
    OK(put("t", "late", 8, 3, CLOCK_NEVER));
    OK_TEXT(find("t", 0), "");
    OK(put("t", "new", 10, 0, CLOCK_NEVER));
    OK_TEXT(find("t", 0), "t=new ");
    OK(put("t", "", 3, 0, CLOCK_NEVER));
    OK_TEXT(find("t", 0), "t=new ");
    retained_done(&store);
}

static void test_expiry(void)
{
    OK(retained_init(&store, key));
    OK(put("t", "x", 1, 0, 5 * US_PER_S));
    OK_TEXT(find("t", 5 * US_PER_S - 1), "t=x ");
    OK_TEXT(find("t", 5 * US_PER_S), "");
    retained_done(&store);
    struct message m = {.expires_us = 5 * US_PER_S};
    OK_INT(message_seconds_left(&m, 0), 5);
    OK_INT(message_seconds_left(&m, 1), 5);
    OK_INT(message_seconds_left(&m, 4 * US_PER_S + 1), 1);
    OK_INT(message_seconds_left(&m, 6 * US_PER_S), 0);
    m.expires_us = CLOCK_NEVER;
    OK_INT(message_seconds_left(&m, 6 * US_PER_S), UINT32_MAX);
}

static void test_graves_are_bounded(void)
{
    char topic[32];
    OK(retained_init(&store, key));
    for (unsigned i = 0; i < MQTT_RETAINED_GRAVES_MAX + 10; i++) {
        snprintf(topic, sizeof(topic), "g/%u", i);
        put(topic, "", i + 1, 0, CLOCK_NEVER);
    }
    OK_INT(store.grave_count, MQTT_RETAINED_GRAVES_MAX);
    OK_INT(store.trie.table.count, MQTT_RETAINED_GRAVES_MAX + 1);
    OK_INT(store.count, 0);
    retained_done(&store);
}

static void test_full(void)
{
    char topic[32];
    unsigned refused = 0;
    OK(retained_init(&store, key));
    for (unsigned i = 0; i < MQTT_RETAINED_MAX; i++) {
        snprintf(topic, sizeof(topic), "f/%u", i);
        refused += !put(topic, "x", i + 1, 0, i < 10 ? US_PER_S : CLOCK_NEVER);
    }
    OK_INT(refused, 0);
    OK(!retained_has_room(&store, mqtt_span_of("one/more")));
    OK(!put("one/more", "x", MQTT_RETAINED_MAX + 1, 0, CLOCK_NEVER));
    OK(retained_has_room(&store, mqtt_span_of("f/7")));
    retained_sweep(&store, US_PER_S - 1);
    OK_INT(store.count, MQTT_RETAINED_MAX);
    retained_sweep(&store, US_PER_S); /* not so soon again */
    OK_INT(store.count, MQTT_RETAINED_MAX);
    retained_sweep(&store, 2 * US_PER_S);
    OK_INT(store.count, MQTT_RETAINED_MAX - 10);
    OK_TEXT(find("f/7", 0), "");
    for (unsigned i = 0; i < 10; i++) {
        snprintf(topic, sizeof(topic), "f/%u", i);
        OK(put(topic, "x", MQTT_RETAINED_MAX + 1, 0, CLOCK_NEVER));
    }
    OK(put("f/7", "new", MQTT_RETAINED_MAX + 2, 0, CLOCK_NEVER));
    OK_TEXT(find("f/7", 0), "f/7=new ");
    OK(put("f/7", "", MQTT_RETAINED_MAX + 3, 0, CLOCK_NEVER));
    OK(put("one/more", "x", MQTT_RETAINED_MAX + 4, 0, CLOCK_NEVER));
    retained_done(&store);
}

static void test_properties(void)
{
    uint8_t space[64];
    struct bytes_writer w;
    struct mqtt_span kept;
    void *copy;
    bytes_writer_init(&w, space, sizeof(space));
    mqtt_property_write_number(&w, MQTT_PROPERTY_TOPIC_ALIAS, 3);
    mqtt_property_write_number(&w, MQTT_PROPERTY_MESSAGE_EXPIRY, 10);
    OK(message_properties((struct mqtt_span){space, bytes_written(&w)}, &kept, &copy) && kept.len == 0 && copy == NULL);
    OK(message_expiry_us((struct mqtt_span){space, bytes_written(&w)}, 5) == 10 * US_PER_S + 5);
    mqtt_property_write_pair(&w, mqtt_span_of("a"), mqtt_span_of("b"));
    OK(message_properties((struct mqtt_span){space, bytes_written(&w)}, &kept, &copy));
    OK(copy != NULL && kept.len == 7 && kept.data[0] == MQTT_PROPERTY_USER_PROPERTY);
    free(copy);
    struct mqtt_span all = {space + 8, 7};
    OK(message_properties(all, &kept, &copy) && copy == NULL && kept.data == all.data && kept.len == 7);
    OK(message_expiry_us(all, 5) == CLOCK_NEVER);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"matching", test_matching},   {"the highest stamp stays", test_order},
        {"expiry", test_expiry},       {"graves are bounded", test_graves_are_bounded},
        {"the store is full", test_full}, {"properties for receivers", test_properties},
    };
    return TAP_RUN(cases);
}
