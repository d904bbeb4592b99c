/* SPDX-License-Identifier: Apache-2.0 */
/* SUBSCRIBE, UNSUBSCRIBE and retained messages, across workers. */
#include "rig.h"

static struct mqtt_filter filter(const char *text, unsigned qos)
{
    return (struct mqtt_filter){.filter = mqtt_span_of(text), .qos = (uint8_t)qos};
}

static void test_overlapping(void)
{
    rig_start(2);
    struct client to = client_connect_at(MQTT_V3_1_1, "to", 0, NULL),
                  from = client_connect_at(MQTT_V3_1_1, "from", 1, NULL);
    OK_INT(client_subscribe(&to, "a/+", 0), 0);
    OK_INT(client_subscribe(&to, "a/b", 1), 1);
    OK_INT(client_subscribe(&to, "#", 0), 0);
    client_publish(&from, "a/b", "once", 1, false);
    OK(client_gets(&to, "a/b", "once", 1, false));
    client_publish(&to, "a/b", "own", 0, false);
    OK(client_gets(&to, "a/b", "own", 0, false));
    OK_INT(client_subscribe(&to, "a/b", 0), 0); /* replaced */
    client_publish(&from, "a/b", "once", 1, false);
    OK(client_gets(&to, "a/b", "once", 0, false));
    OK(client_idle(&to));
    client_close(&to);
    client_close(&from);
    rig_stop();
}

static void test_unsubscribe(void)
{
    rig_start(2);
    struct client a = client_connect_at(MQTT_V5, "a", 0, NULL), b = client_connect_at(MQTT_V5, "b", 0, NULL);
    struct client from = client_connect_at(MQTT_V3_1_1, "from", 1, NULL);
    client_subscribe(&a, "t/#", 0);
    client_subscribe(&b, "t/#", 0);
    OK_INT(client_unsubscribe(&a, "t/#"), MQTT_SUCCESS);
    OK_INT(client_unsubscribe(&a, "t/#"), MQTT_NO_SUBSCRIPTION_EXISTED);
    OK_INT(client_unsubscribe(&a, "never"), MQTT_NO_SUBSCRIPTION_EXISTED);
    client_publish(&from, "t", "1", 1, false);
    OK(client_gets(&b, "t", "1", 0, false));
    OK_INT(client_unsubscribe(&b, "t/#"), MQTT_SUCCESS);
    client_publish(&from, "t", "2", 1, false);
    /* What went from one worker to the other before this is there when it is. */
    OK_INT(client_subscribe(&b, "fence", 0), 0);
    client_publish(&from, "fence", "f", 1, false);
    OK(client_gets(&b, "fence", "f", 0, false));
    OK(client_idle(&a) && client_idle(&b));
    OK_INT(client_subscribe(&a, "t", 0), 0);
    client_publish(&from, "t", "3", 1, false);
    OK(client_gets(&a, "t", "3", 0, false));
    client_close(&a);
    client_close(&b);
    client_close(&from);
    rig_stop();
}

static void test_options(void)
{
    rig_start(2);
    struct client c = client_connect(MQTT_V5, "c"), other = client_connect(MQTT_V5, "other");
    struct mqtt_filter f = filter("t", 1);
    f.no_local = true;
    OK_INT(client_subscribe_with(&c, &f), 1);
    client_publish(&c, "t", "own", 1, false);
    client_publish(&other, "t", "other's", 0, true);
    OK(client_gets(&c, "t", "other's", 0, false));
    f.no_local = false;
    f.retain_as_published = true;
    f.retain_handling = 2;
    OK_INT(client_subscribe_with(&c, &f), 1);
    client_publish(&other, "t", "kept", 0, true);
    client_publish(&other, "t", "not kept", 0, false);
    OK(client_gets(&c, "t", "kept", 0, true) && client_gets(&c, "t", "not kept", 0, false));
    f.retain_handling = 1; /* only to a new subscription: this one is not */
    OK_INT(client_subscribe_with(&c, &f), 1);
    OK(client_idle(&c));
    OK_INT(client_unsubscribe(&c, "t"), 0);
    OK_INT(client_subscribe_with(&c, &f), 1);
    OK(client_gets(&c, "t", "kept", 0, true));
    f.retain_handling = 0; /* always */
    OK_INT(client_subscribe_with(&c, &f), 1);
    OK(client_gets(&c, "t", "kept", 0, true));
    client_close(&c);
    client_close(&other);
    rig_stop();
}

static void test_refused(void)
{
    char text[MQTT_TOPIC_MAX + 2];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    rig_start(2);
    struct client v5 = client_connect(MQTT_V5, "v5"), v3 = client_connect(MQTT_V3_1_1, "v3");
    OK_INT(client_subscribe(&v5, "$share/g/t", 1), MQTT_SHARED_NOT_SUPPORTED);
    OK_INT(client_subscribe(&v3, "$share/g/t", 1), 0x80);
    OK_INT(client_subscribe(&v5, text, 1), MQTT_TOPIC_FILTER_INVALID);
    OK_INT(client_subscribe(&v5, "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/#", 1), MQTT_TOPIC_FILTER_INVALID);
    OK_INT(client_subscribe(&v5, "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/#", 1), 1);
    for (unsigned i = 1; i < MQTT_SUBSCRIPTIONS_PER_CONNECTION_MAX; i++) {
        snprintf(text, sizeof(text), "f/%u", i);
        OK_INT(client_subscribe(&v5, text, 0), 0);
    }
    OK_INT(client_subscribe(&v5, "one/more", 0), MQTT_QUOTA_EXCEEDED);
    OK_INT(client_subscribe(&v5, "f/1", 1), 1);
    CLIENT_WRITE(&v5, "\x82\x09\0\1\2\x0b\1\0\1t\0");
    OK(client_next(&v5) == MQTT_SUBACK && v5.p.suback.codes.data[0] == MQTT_SUBSCRIPTION_ID_NOT_SUPPORTED);
    CLIENT_WRITE(&v5, "\x82\x07\0\1\0\0\2a#");
    OK(client_dismissed(&v5, MQTT_MALFORMED_PACKET));
    client_close(&v5);
    client_close(&v3);
    rig_stop();
}

static void test_many_filters(void)
{
    uint8_t filters[4096];
    struct bytes_writer w;
    rig_start(3);
    struct client c = client_connect(MQTT_V3_1_1, "c");
    bytes_writer_init(&w, filters, sizeof(filters));
    for (unsigned i = 0; i < 100; i++) {
        char text[16];
        snprintf(text, sizeof(text), "f/%u", i);
        struct mqtt_filter f = filter(text, i % 3);
        mqtt_filter_write(&w, MQTT_SUBSCRIBE, &f);
    }
    client_send(&c, &(struct mqtt_packet){.type = MQTT_SUBSCRIBE,
                                          .subscribe = {.packet_id = 2, .filters = {filters, bytes_written(&w)}}});
    OK(client_next(&c) == MQTT_SUBACK);
    OK_INT(c.p.suback.codes.len, 100);
    unsigned granted = 0, refused = 0;
    for (size_t i = 0; i < c.p.suback.codes.len; i++) {
        granted += c.p.suback.codes.data[i] == (i % 3 > 1 ? 1 : i % 3);
        refused += c.p.suback.codes.data[i] == 0x80;
    }
    OK_INT(granted, MQTT_SUBSCRIPTIONS_PER_CONNECTION_MAX);
    OK_INT(refused, 100 - MQTT_SUBSCRIPTIONS_PER_CONNECTION_MAX);
    client_close(&c);
    rig_stop();
}

static void test_dollar(void)
{
    rig_start(2);
    struct client c = client_connect(MQTT_V3_1_1, "c");
    client_subscribe(&c, "#", 0);
    client_subscribe(&c, "+/x", 0);
    client_publish(&c, "$own/x", "hidden", 0, false);
    OK(client_idle(&c));
    client_subscribe(&c, "$own/#", 0);
    client_publish(&c, "$own/x", "seen", 0, false);
    OK(client_gets(&c, "$own/x", "seen", 0, false));
    client_close(&c);
    rig_stop();
}

static void test_retained(void)
{
    rig_start(3);
    struct client from = client_connect_at(MQTT_V3_1_1, "from", 0, NULL);
    client_publish(&from, "at/tim/1", "here", 1, true);
    client_publish(&from, "at/tim/2", "also", 1, true);
    client_publish(&from, "at/tom/1", "other", 1, true);
    client_publish(&from, "at/tim/2", "", 1, true);
    client_publish(&from, "at/tim/3", "not kept", 1, false);
    for (unsigned shard = 0; shard < 3; shard++) { /* PUBACK said that all of them know */
        struct client c = client_connect_at(MQTT_V3_1_1, "c", shard, NULL);
        client_subscribe(&c, "at/tim/+", 1);
        OK(client_gets(&c, "at/tim/1", "here", 1, true));
        OK(client_idle(&c));
        client_publish(&from, "at/tim/1", "changed", 1, true);
        OK(client_gets(&c, "at/tim/1", "changed", 1, false));
        client_publish(&from, "at/tim/1", "", 1, true);
        OK(client_gets(&c, "at/tim/1", "", 1, false));
        client_publish(&from, "at/tim/1", "here", 1, true);
        OK(client_gets(&c, "at/tim/1", "here", 1, false));
        client_close(&c);
    }
    client_close(&from);
    rig_stop();
}

static void test_retained_limits(void)
{
    static uint8_t payload[MQTT_RETAINED_PAYLOAD_MAX + 1];
    rig_start(2);
    struct client c = client_connect(MQTT_V5, "c"), late = client_connect(MQTT_V5, "late");
    struct mqtt_packet p = publish_packet("big", "", 1, true);
    p.publish.payload = (struct mqtt_span){payload, sizeof(payload)};
    client_send(&c, &p);
    OK(client_next(&c) == MQTT_PUBACK && c.p.ack.reason == MQTT_QUOTA_EXCEEDED);
    p.publish.payload.len--;
    client_send(&c, &p);
    OK(client_next(&c) == MQTT_PUBACK && c.p.ack.reason == MQTT_SUCCESS);
    client_subscribe(&late, "big", 0);
    OK(client_next(&late) == MQTT_PUBLISH && late.p.publish.payload.len == MQTT_RETAINED_PAYLOAD_MAX);
    p.publish.payload.len++;
    p.publish.qos = 0;
    p.publish.packet_id = 0;
    client_send(&c, &p);
    OK(client_dismissed(&c, MQTT_QUOTA_EXCEEDED));
    client_close(&c);
    client_close(&late);
    rig_stop();
}

/* Two publishers on two workers: whatever the order, all workers keep the same message in the end. */
static void test_replicas_agree(void)
{
    enum { COUNT = 200 };
    char text[16];
    rig_start(2);
    struct client a = client_connect_at(MQTT_V3_1_1, "a", 0, NULL), b = client_connect_at(MQTT_V3_1_1, "b", 1, NULL);
    unsigned acks = 0, same = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(text, sizeof(text), "%u", i);
        struct mqtt_packet p = publish_packet("t", i % 3 ? text : "", 1, true);
        client_send(&a, &p);
        client_send(&b, &p);
    }
    for (unsigned i = 0; i < COUNT; i++)
        acks += (client_next(&a) == MQTT_PUBACK) + (client_next(&b) == MQTT_PUBACK);
    OK_INT(acks, 2 * COUNT);
    client_publish(&a, "end", "end", 1, true);
    client_subscribe(&a, "#", 0);
    client_subscribe(&b, "#", 0);
    for (bool end = false; !end;) {
        OK(client_next(&a) == MQTT_PUBLISH && client_next(&b) == MQTT_PUBLISH);
        same += mqtt_span_equal(a.p.publish.payload, b.p.publish.payload);
        end = mqtt_span_equal(a.p.publish.topic, mqtt_span_of("end"));
    }
    OK(client_idle(&a) && client_idle(&b));
    OK(same == 1 || same == 2);
    client_close(&a);
    client_close(&b);
    rig_stop();
}

static bool only_good(void *ctx, const struct broker_client *who, const char *text)
{
    return ctx == &rig && who->version == 4 && strcmp(text, "good/+") == 0;
}

static void test_policy(void)
{
    static const struct broker_policy policy = {.ctx = &rig, .subscribe = only_good};
    OK(rig_create(2, &policy, 10 * US_PER_S));
    rig_run();
    struct client v3 = client_connect(MQTT_V3_1_1, "v3"), v5 = client_connect(MQTT_V5, "v5");
    OK_INT(client_subscribe(&v3, "good/+", 1), 1);
    OK_INT(client_subscribe(&v3, "good/#", 1), 0x80);
    OK_INT(client_subscribe(&v5, "good/+", 1), MQTT_NOT_AUTHORIZED);
    client_publish(&v5, "good/x", "y", 1, false);
    OK(client_gets(&v3, "good/x", "y", 1, false));
    OK(client_idle(&v5));
    client_close(&v3);
    client_close(&v5);
    rig_stop();
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"overlapping subscriptions deliver once", test_overlapping},
        {"unsubscribing", test_unsubscribe},
        {"options of MQTT 5", test_options},
        {"filters that are refused", test_refused},
        {"many filters in one packet", test_many_filters},
        {"topics that start with $", test_dollar},
        {"retained messages", test_retained},
        {"bounds of retained messages", test_retained_limits},
        {"replicas agree", test_replicas_agree},
        {"policy", test_policy},
    };
    return TAP_RUN(cases);
}
