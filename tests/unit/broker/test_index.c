/* SPDX-License-Identifier: Apache-2.0 */
/* The subscription index, held against plain matching. */
#include "broker/index.h"

#include <stdlib.h>

#include "mqtt/topic.h"
#include "tap.h"

static const uint64_t key[2] = {1, 2};

static unsigned found_count;
static uint64_t found_shards;

static void count_found(void *ctx, struct index_node *n)
{
    (void)ctx;
    LIST_FOREACH (node, &n->here[INDEX_ALL])
        found_count++;
    found_shards |= n->elsewhere[INDEX_ALL];
}

static unsigned match(const struct index *x, const char *topic)
{
    found_count = 0;
    found_shards = 0;
    index_match(x, mqtt_span_of(topic), count_found, NULL);
    return found_count;
}

static void test_against_matching(void)
{
    static const char *const filters[] = {"#",  "+",     "+/+",  "a/#",    "a/+",   "a/b",   "a",    "/",
                                          "/+", "+/b/#", "a//b", "$SYS/#", "+/+/c", "a/b/c", "a/+/c"};
    static const char *const topics[] = {"a", "a/b",  "a/b/c", "/",       "/x", "$SYS", "$SYS/a",
                                         "x", "a//b", "x/b",   "x/y/z/w", "a/", "+x"};
    enum { FILTERS = sizeof(filters) / sizeof(filters[0]), TOPICS = sizeof(topics) / sizeof(topics[0]) };
    struct subscription subs[FILTERS] = {0};
    struct index x;
    char text[64];
    size_t len;
    OK(index_init(&x, key));
    for (unsigned i = 0; i < FILTERS; i++)
        OK(index_add(&x, mqtt_span_of(filters[i]), &subs[i]));
    for (unsigned left = FILTERS;; left--) {
        for (unsigned t = 0; t < TOPICS; t++) {
            unsigned want = 0;
            for (unsigned i = 0; i < left; i++)
                want += mqtt_topic_matches(mqtt_span_of(filters[i]), mqtt_span_of(topics[t]));
            if (!tap_check(match(&x, topics[t]) == want, __FILE__, __LINE__, topics[t]))
                printf("# with %u filters: got %u, want %u\n", left, found_count, want);
        }
        if (left == 0)
            break;
        OK(index_remove(&x, &subs[left - 1], text, sizeof(text), &len));
        OK(len == strlen(filters[left - 1]) && memcmp(text, filters[left - 1], len) == 0);
    }
    OK_INT(x.trie.table.count, 0);
    index_done(&x);
}

static void test_last_one(void)
{
    struct subscription a = {.kind = INDEX_ALL}, b = {.kind = INDEX_ALL}, c = {.kind = INDEX_ANY};
    struct index x;
    char text[8];
    size_t len;
    OK(index_init(&x, key));
    OK(index_add(&x, mqtt_span_of("a/+"), &a) && index_add(&x, mqtt_span_of("a/+"), &b));
    OK(index_add(&x, mqtt_span_of("a/+"), &c));
    OK(index_find(&x, mqtt_span_of("a/+")) == a.node);
    OK(index_find(&x, mqtt_span_of("a/b")) == NULL);
    OK_INT(match(&x, "a/b"), 2);
    OK(!index_remove(&x, &a, text, sizeof(text), &len));
    OK(index_remove(&x, &b, text, sizeof(text), &len));
    OK_INT(match(&x, "a/b"), 0);
    OK(index_remove(&x, &c, text, sizeof(text), &len));
    OK(index_find(&x, mqtt_span_of("a/+")) == NULL);
    index_done(&x);
}

static void test_marks(void)
{
    struct index x;
    OK(index_init(&x, key));
    OK(index_mark(&x, mqtt_span_of("a/#"), INDEX_ALL, 3, true));
    OK(index_mark(&x, mqtt_span_of("a/b"), INDEX_ALL, 63, true));
    OK(index_mark(&x, mqtt_span_of("a/b"), INDEX_ALL, 63, true));
    match(&x, "a/b");
    OK(found_shards == (UINT64_C(1) << 3 | UINT64_C(1) << 63));
    match(&x, "a");
    OK(found_shards == UINT64_C(1) << 3);
    OK(index_mark(&x, mqtt_span_of("a/b"), INDEX_ALL, 63, false));
    OK(index_mark(&x, mqtt_span_of("a/#"), INDEX_ALL, 3, false));
    OK(index_mark(&x, mqtt_span_of("never/marked"), INDEX_ALL, 3, false));
    match(&x, "a/b");
    OK(found_shards == 0);
    OK_INT(x.trie.table.count, 0);
    index_done(&x);
}

static void test_many(void)
{
    enum { COUNT = 20000 };
    struct subscription *subs = calloc(COUNT, sizeof(*subs));
    struct index x;
    char text[96];
    size_t len;
    unsigned wrong = 0;
    OK(index_init(&x, key));
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(text, sizeof(text), "mdm/to/%032x/+", i);
        wrong += !index_add(&x, mqtt_span_of(text), &subs[i]);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(text, sizeof(text), "mdm/to/%032x/%032x", i, i + 1);
        wrong += match(&x, text) != 1;
    }
    OK_INT(match(&x, "mdm/to/other/x"), 0);
    for (unsigned i = 0; i < COUNT; i++)
        wrong += !index_remove(&x, &subs[i], text, sizeof(text), &len);
    OK_INT(wrong, 0);
    OK_INT(x.trie.table.count, 0);
    index_done(&x);
    free(subs);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"finds what plain matching finds", test_against_matching},
        {"tells the last subscription of a filter", test_last_one},
        {"marks of other shards", test_marks},
        {"20,000 filters", test_many},
    };
    return TAP_RUN(cases);
}
