/* SPDX-License-Identifier: Apache-2.0 */
/* A topic filter and a topic name, with a NUL between: matching holds against a plain recursive definition. */
#include <assert.h>
#include <string.h>

#include "mqtt/topic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* MQTT 5 4.7.1, one level at a time, written apart from the real one. */
static bool matches(const uint8_t *f, const uint8_t *f_end, const uint8_t *n, const uint8_t *n_end)
{
    const uint8_t *f_slash = f, *n_slash = n;
    if (f_end - f == 1 && *f == '#')
        return true;
    while (f_slash < f_end && *f_slash != '/')
        f_slash++;
    while (n_slash < n_end && *n_slash != '/')
        n_slash++;
    bool plus = f_slash - f == 1 && *f == '+';
    if (!plus && (f_slash - f != n_slash - n || memcmp(f, n, (size_t)(f_slash - f)) != 0))
        return false;
    if (f_slash == f_end)
        return n_slash == n_end;
    if (n_slash == n_end)
        return f_end - f_slash == 2 && f_slash[1] == '#';
    return matches(f_slash + 1, f_end, n_slash + 1, n_end);
}

static size_t count_levels(struct mqtt_span topic)
{
    struct mqtt_span level;
    size_t n = 0, bytes = 0, len = topic.len;
    while (mqtt_topic_next_level(&topic, &level)) {
        n++;
        bytes += level.len;
    }
    assert(bytes + n - 1 == len);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size > 0 ? memchr(data, '\0', size) : NULL;
    if (nul == NULL || size > 4096)
        return 0;
    struct mqtt_span filter = {data, (size_t)(nul - data)}, name = {nul + 1, size - filter.len - 1};
    mqtt_text_valid(filter);
    bool name_ok = mqtt_topic_name_valid(name), filter_ok = mqtt_topic_filter_valid(filter);
    if (name_ok) {
        assert(mqtt_topic_filter_valid(name) || mqtt_topic_is_shared(name));
        assert(mqtt_topic_matches(name, name));
        assert(count_levels(name) == mqtt_topic_levels(name));
    }
    if (name_ok && filter_ok) {
        bool hidden = name.data[0] == '$' && (filter.data[0] == '+' || filter.data[0] == '#');
        bool want = !hidden && matches(filter.data, filter.data + filter.len, name.data, name.data + name.len);
        assert(mqtt_topic_matches(filter, name) == want);
    }
    return 0;
}
