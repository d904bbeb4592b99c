/* SPDX-License-Identifier: Apache-2.0 */
/* Filters of rules against topics and filters. */
#include "hook/topic_rule.h"

#include <string.h>

#include "mdm-tunnel/hook.h"
#include "tap.h"

static void covers(void)
{
    static const char *const yes[][2] = {{"a/b", "a/b"},   {"a/+", "a/b"}, {"a/+", "a/+"}, {"#", "a/b"}, {"a/#", "a/#"}, {"a/#", "a"},
                                         {"a/#", "a/+/c"}, {"+/b", "/b"},  {"#", "#"},     {"+", "a"},   {"a/+/c", "a/+/c"}, {"$SYS/#", "$SYS/x"}};
    static const char *const no[][2] = {{"a/b", "a/+"}, {"a/b", "a/#"}, {"a/+", "a/#"},  {"a/+", "a/b/c"}, {"a/b/c", "a/b"}, {"a/b", "a/b/c"},
                                        {"a/+", "a"},   {"#", "$SYS/x"}, {"+/x", "$SYS/x"}, {"a", "b"},    {"ab", "a"},      {"a/#", "#"}};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        OK(topic_rule_covers(yes[i][0], yes[i][1]));
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        OK(!topic_rule_covers(no[i][0], no[i][1]));
}

static void overlaps(void)
{
    static const char *const yes[][2] = {{"a/b", "a/b"}, {"a/b", "a/+"}, {"a/b", "#"}, {"a/b/c", "a/#"}, {"a/#", "a"}, {"a", "a/#"},
                                         {"+/b", "a/+"}, {"#", "#"}};
    static const char *const no[][2] = {{"a/b", "a/c"}, {"a/b", "a"}, {"a/+", "b/+"}, {"a/+/c", "a/b/d"}, {"$SYS/x", "#"}, {"#", "$SYS/x"}};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        OK(topic_rule_overlaps(yes[i][0], yes[i][1]));
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        OK(!topic_rule_overlaps(no[i][0], no[i][1]));
}

static void expand(void)
{
    char out[16];
    struct mdm_session s = {.client_id = "c1", .username = "tim", .certificate_cn = NULL};
    OK(topic_rule_expand("x/%u/%c/%%", &s, out, sizeof(out)));
    OK_TEXT(out, "x/tim/c1/%");
    OK(!topic_rule_expand("%{cn}/#", &s, out, sizeof(out)));
    s.certificate_cn = "cn";
    OK(topic_rule_expand("%{cn}/#", &s, out, sizeof(out)));
    OK_TEXT(out, "cn/#");
    OK(topic_rule_expand("100%", &s, out, sizeof(out)));
    OK_TEXT(out, "100%");
    OK(!topic_rule_expand("0123456789/%u/%c", &s, out, sizeof(out)));
    static const char *const bad[] = {"+", "#", "a/b", ""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        s.username = bad[i];
        OK(!topic_rule_expand("x/%u", &s, out, sizeof(out)));
    }
}

static void rewrites(void)
{
    char out[32];
    OK_INT(topic_rule_rewrite("data/#", "device/c/data/#", "data/x", out, sizeof(out)), 15);
    OK_TEXT(out, "device/c/data/x");
    OK_INT(topic_rule_rewrite("data/#", "device/c/data/#", "data", out, sizeof(out)), 13);
    OK_TEXT(out, "device/c/data");
    OK_INT(topic_rule_rewrite("data/#", "d/#", "data/+/#", out, sizeof(out)), 5);
    OK_TEXT(out, "d/+/#");
    OK_INT(topic_rule_rewrite("data/#", "d/#", "database", out, sizeof(out)), 0);
    OK_INT(topic_rule_rewrite("data", "d", "data/x", out, sizeof(out)), 0);
    OK_INT(topic_rule_rewrite("data", "d", "data", out, sizeof(out)), 1);
    OK_INT(topic_rule_rewrite("a/#", "b/#", "a/0123456789012345678901234567890123", out, sizeof(out)), 0);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"what a rule covers", covers},
        {"what a rule touches", overlaps},
        {"what stands for something", expand},
        {"topics are rewritten", rewrites},
    };
    return TAP_RUN(cases);
}
