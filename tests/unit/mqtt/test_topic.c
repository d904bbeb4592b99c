/* SPDX-License-Identifier: Apache-2.0 */
/* Topic names, filters and UTF-8. The examples are those of MQTT 5 4.7. */
#include "mqtt/topic.h"

#include "tap.h"

#define TEXT(literal) ((struct mqtt_span){(const uint8_t *)(literal), sizeof(literal) - 1})

static bool matches(const char *filter, const char *name)
{
    return mqtt_topic_matches(mqtt_span_of(filter), mqtt_span_of(name));
}
static bool is_filter(const char *filter) { return mqtt_topic_filter_valid(mqtt_span_of(filter)); }
static bool is_name(const char *name) { return mqtt_topic_name_valid(mqtt_span_of(name)); }

static void test_names(void)
{
    OK(is_name("a"));
    OK(is_name("/"));
    OK(is_name("a//b/"));
    OK(is_name("$SYS/x"));
    OK(is_name("with space"));
    OK(!is_name(""));
    OK(!is_name("a/+"));
    OK(!is_name("a/#"));
    OK(!is_name("a+b"));
}

static void test_filters(void)
{
    const char *good[] = {"#",     "+",    "/",      "a/#",          "+/+",     "/+",
                          "+/b/#", "a//b", "$SYS/#", "$share/g/a/#", "$shared", "$share"};
    const char *bad[] = {"",   "a#",        "#/a",      "a/#/b",     "a+",         "+a",         "a/b+/c",
                         "##", "$share//a", "$share/g", "$share/g/", "$share/+/a", "$share/g#/a"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        tap_check(is_filter(good[i]), __FILE__, __LINE__, good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        tap_check(!is_filter(bad[i]), __FILE__, __LINE__, bad[i]);
    OK(mqtt_topic_is_shared(mqtt_span_of("$share/g/a")));
    OK(!mqtt_topic_is_shared(mqtt_span_of("$shared/g/a")));
    OK(mqtt_topic_has_wildcard(mqtt_span_of("a/+")));
    OK(mqtt_topic_has_wildcard(mqtt_span_of("#")));
    OK(!mqtt_topic_has_wildcard(mqtt_span_of("a/b")));
}

static void test_matching(void)
{
    OK(matches("sport/tennis/player1/#", "sport/tennis/player1"));
    OK(matches("sport/tennis/player1/#", "sport/tennis/player1/ranking"));
    OK(matches("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"));
    OK(matches("sport/#", "sport"));
    OK(matches("#", "a/b"));
    OK(matches("sport/tennis/+", "sport/tennis/player1"));
    OK(!matches("sport/tennis/+", "sport/tennis/player1/ranking"));
    OK(!matches("sport/+", "sport"));
    OK(matches("sport/+", "sport/"));
    OK(matches("+/+", "/finance"));
    OK(matches("/+", "/finance"));
    OK(!matches("+", "/finance"));
    OK(matches("a/b", "a/b"));
    OK(!matches("a/b", "a/B"));
    OK(!matches("a/b", "a"));
    OK(!matches("a", "a/b"));
    OK(!matches("a/b", "a/bc"));
    OK(matches("a//b", "a//b"));
    OK(!matches("a//b", "a/b"));
    OK(matches("+/monitor/+", "x/monitor/y"));
}

static void test_dollar(void)
{
    OK(!matches("#", "$SYS/x"));
    OK(!matches("+/monitor/Clients", "$SYS/monitor/Clients"));
    OK(matches("$SYS/#", "$SYS/x"));
    OK(matches("$SYS/monitor/+", "$SYS/monitor/Clients"));
    OK(matches("a/+", "a/$x"));
    OK(matches("a/#", "a/$x/y"));
}

static void test_levels(void)
{
    struct mqtt_span rest = mqtt_span_of("a//b/"), level;
    OK_INT(mqtt_topic_levels(rest), 4);
    OK(mqtt_topic_next_level(&rest, &level) && level.len == 1);
    OK(mqtt_topic_next_level(&rest, &level) && level.len == 0);
    OK(mqtt_topic_next_level(&rest, &level) && level.len == 1);
    OK(mqtt_topic_next_level(&rest, &level) && level.len == 0);
    OK(!mqtt_topic_next_level(&rest, &level));
    OK_INT(mqtt_topic_levels(mqtt_span_of("/")), 2);
    OK_INT(mqtt_topic_levels(mqtt_span_of("abc")), 1);
}

static void test_utf8(void)
{
    OK(mqtt_text_valid(TEXT("")));
    OK(mqtt_text_valid(TEXT("plain ascii that is longer than a word")));
    OK(mqtt_text_valid(TEXT("A\xF0\xAA\x9B\x94")));
    OK(mqtt_text_valid(TEXT("\xEF\xBB\xBF")));     /* BOM is a character (1.5.4-3) */
    OK(mqtt_text_valid(TEXT("\xC2\x80\xDF\xBF")));
    OK(mqtt_text_valid(TEXT("\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF")));
    OK(mqtt_text_valid(TEXT("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF")));
    OK(!mqtt_text_valid(TEXT("a\0b")));
    OK(!mqtt_text_valid(TEXT("eight by\0tes and more")));
    OK(!mqtt_text_valid(TEXT("\x80")));
    OK(!mqtt_text_valid(TEXT("\xC0\x80")));         /* overlong NUL */
    OK(!mqtt_text_valid(TEXT("\xC1\xBF")));
    OK(!mqtt_text_valid(TEXT("\xE0\x9F\xBF")));     /* overlong */
    OK(!mqtt_text_valid(TEXT("\xF0\x8F\xBF\xBF"))); /* overlong */
    OK(!mqtt_text_valid(TEXT("\xED\xA0\x80")));     /* surrogate */
    OK(!mqtt_text_valid(TEXT("\xF4\x90\x80\x80"))); /* beyond U+10FFFF */
    OK(!mqtt_text_valid(TEXT("\xF5\x80\x80\x80")));
    OK(!mqtt_text_valid(TEXT("abc\xC3")));          /* cut short */
    OK(!mqtt_text_valid(TEXT("\xE2\x82")));
    OK(!mqtt_text_valid(TEXT("\xE2\x28\xA1")));
    OK(!mqtt_text_valid(TEXT("12345678\xFF")));
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"topic names", test_names}, {"topic filters", test_filters}, {"matching", test_matching},
        {"topics that start with $", test_dollar}, {"levels", test_levels}, {"UTF-8", test_utf8},
    };
    return TAP_RUN(cases);
}
