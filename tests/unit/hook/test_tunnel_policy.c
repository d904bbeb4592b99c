/* SPDX-License-Identifier: Apache-2.0 */
/* What the tunnel's policy lets whom do. */
#include "hook/tunnel_policy.h"

#include "tap.h"

#define OWN "0123456789abcdef0123456789abcdef"
#define OTHER "ffffffffffffffffffffffffffffffff"

static struct tunnel_policy policy;

static bool publish(const char *client_id, const char *topic, bool retain)
{
    struct broker_client who = {.client_id = client_id, .version = 5};
    return policy.policy.publish(policy.policy.ctx, &who, topic, retain);
}

static bool subscribe(const char *client_id, const char *filter)
{
    struct broker_client who = {.client_id = client_id, .version = 4};
    return policy.policy.subscribe(policy.policy.ctx, &who, filter);
}

static void test_instance_sends(void)
{
    OK(tunnel_policy_init(&policy, "mdm"));
    OK(publish(OWN, "mdm/to/" OTHER "/" OWN, false));
    OK(publish(OWN, "mdm/to/" OWN "/" OWN, false));
    OK(!publish(OWN, "mdm/to/" OTHER "/" OWN, true));
    OK(!publish(OWN, "mdm/to/" OTHER "/" OTHER, false));
    OK(!publish(OWN, "mdm/to/tim/" OWN, false));
    OK(!publish(OWN, "mdm/to/" OTHER, false));
    OK(!publish(OWN, "mdm/to/" OTHER "/" OWN "/x", false));
    OK(!publish(OWN, "mdm/to/" OTHER "/" OWN "/", false));
    OK(!publish(OWN, "mdm/to//" OWN, false));
    OK(!publish(OWN, "/mdm/to/" OTHER "/" OWN, false));
    OK(!publish(OWN, "mdmx/to/" OTHER "/" OWN, false));
    OK(!publish(OWN, "mdm", false));
    OK(!publish(OWN, "other", false));
    OK(!publish(OWN, "$SYS/x", false));
    OK(!publish(OWN, "mdm/xx/" OTHER "/" OWN, false));
}

static void test_instance_presence(void)
{
    OK(tunnel_policy_init(&policy, "mdm"));
    OK(publish(OWN, "mdm/at/tim/" OWN, true));
    OK(!publish(OWN, "mdm/at/tim/" OWN, false));
    OK(!publish(OWN, "mdm/at/tim/" OTHER, true));
    OK(!publish(OWN, "mdm/at/Tim/" OWN, true));
    OK(!publish(OWN, "mdm/at/-tim/" OWN, true));
    OK(!publish(OWN, "mdm/at/t--m/" OWN, true));
    OK(!publish(OWN, "mdm/at//" OWN, true));
    OK(!publish(OWN, "mdm/at/t_m/" OWN, true));
    OK(!publish(OWN, "mdm/at/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/" OWN, true));
}

static void test_subscriptions(void)
{
    OK(tunnel_policy_init(&policy, "mdm"));
    OK(subscribe(OWN, "mdm/to/" OWN "/+"));
    OK(!subscribe(OWN, "mdm/to/" OTHER "/+"));
    OK(!subscribe(OWN, "mdm/to/+/+"));
    OK(!subscribe(OWN, "mdm/to/" OWN "/#"));
    OK(!subscribe(OWN, "mdm/to/" OWN "/" OTHER));
    OK(subscribe(OWN, "mdm/at/tim/+"));
    OK(!subscribe(OWN, "mdm/at/+/+"));
    OK(!subscribe(OWN, "mdm/at/tim/#"));
    OK(subscribe(OWN, "mdm/at/tim/" OWN));
    OK(!subscribe(OWN, "mdm/at/tim/" OTHER));
    OK(subscribe(OWN, "mdm/who"));
    OK(!subscribe(OWN, "mdm/who/x"));
    OK(!subscribe(OWN, "mdmx/who"));
    OK(!publish(OWN, "mdm/who", false));
    OK(!publish(OWN, "mdm/who", true));
    OK(!subscribe(OWN, "mdm/at/#"));
    OK(!subscribe(OWN, "mdm/#"));
    OK(!subscribe(OWN, "#"));
    OK(!subscribe(OWN, "+/at/tim/+"));
    OK(!subscribe(OWN, "$share/g/mdm/at/tim/+"));
}

static void test_strangers(void)
{
    OK(tunnel_policy_init(&policy, "mdm"));
    const char *ids[] = {"tim", "", "0123456789ABCDEF0123456789ABCDEF", "0123456789abcdef0123456789abcde", "+",
                         "auto-0123456789abcdef0123456789abcdef"};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        char topic[160];
        OK(subscribe(ids[i], "mdm/at/tim/+"));
        OK(!subscribe(ids[i], "mdm/at/+/+"));
        snprintf(topic, sizeof(topic), "mdm/to/%s/+", ids[i]);
        OK(!subscribe(ids[i], topic));
        snprintf(topic, sizeof(topic), "mdm/to/" OTHER "/%s", ids[i]);
        OK(!publish(ids[i], topic, false));
        snprintf(topic, sizeof(topic), "mdm/at/tim/%s", ids[i]);
        OK(!publish(ids[i], topic, true));
    }
}

static void test_prefixes(void)
{
    OK(tunnel_policy_init(&policy, "home/mdm"));
    OK(publish(OWN, "home/mdm/to/" OTHER "/" OWN, false));
    OK(!publish(OWN, "home/to/" OTHER "/" OWN, false));
    OK(!tunnel_policy_init(&policy, ""));
    OK(!tunnel_policy_init(&policy, "mdm/#"));
    OK(!tunnel_policy_init(&policy, "+"));
    OK(!tunnel_policy_init(&policy, "$SYS"));
    OK(!tunnel_policy_init(&policy, "a\xff"));
    OK(tunnel_policy_init(&policy, "1234567890123456789012345678901234567890123456789012345678901234"));
    OK(!tunnel_policy_init(&policy, "12345678901234567890123456789012345678901234567890123456789012345"));
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"an instance sends envelopes as itself only", test_instance_sends},
        {"an instance publishes its own presence", test_instance_presence},
        {"subscriptions name one receiver or one client", test_subscriptions},
        {"other client ids may only read presence", test_strangers},
        {"prefixes", test_prefixes},
    };
    return TAP_RUN(cases);
}
