/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as MQTT wants it. */
#include "mqtt/text.h"

#include <string.h>

#include "base/utf8.h"

struct mqtt_span mqtt_span_of(const char *text)
{
    return (struct mqtt_span){(const uint8_t *)text, text == NULL ? 0 : strlen(text)};
}

bool mqtt_span_equal(struct mqtt_span a, struct mqtt_span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* The first of the next bytes that is not ASCII or is NUL; eight at a time. */
static const uint8_t *skip_ascii(const uint8_t *at, const uint8_t *end)
{
    const uint64_t high = UINT64_C(0x8080808080808080), low = UINT64_C(0x0101010101010101);
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        if (((word | (word - low)) & high) != 0)
            break;
        at += 8;
    }
    while (at < end && *at != 0 && *at < 0x80)
        at++;
    return at;
}

bool mqtt_text_valid(struct mqtt_span text)
{
    if (text.len == 0)
        return true;
    const uint8_t *end = text.data + text.len;
    const uint8_t *at = skip_ascii(text.data, end);
    while (at < end) {
        size_t len = utf8_sequence(at, (size_t)(end - at));
        if (len == 0)
            return false;
        at = skip_ascii(at + len, end);
    }
    return true;
}
