/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as MQTT wants it. */
#include "mqtt/text.h"

#include <string.h>

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

/* The length of the sequence at `at` that starts with a byte >= 0x80; 0 when it is not well-formed. RFC 3629 4. */
static size_t sequence_length(const uint8_t *at, size_t left)
{
    uint8_t first = at[0], low = 0x80, high = 0xBF;
    size_t len;
    if (first >= 0xC2 && first <= 0xDF)
        len = 2;
    else if (first >= 0xE0 && first <= 0xEF)
        len = 3;
    else if (first >= 0xF0 && first <= 0xF4)
        len = 4;
    else
        return 0;
    if (first == 0xE0)
        low = 0xA0; /* shorter forms exist */
    else if (first == 0xED)
        high = 0x9F; /* surrogates */
    else if (first == 0xF0)
        low = 0x90; /* shorter forms exist */
    else if (first == 0xF4)
        high = 0x8F; /* beyond U+10FFFF */
    if (left < len || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    return len;
}

bool mqtt_text_valid(struct mqtt_span text)
{
    if (text.len == 0)
        return true;
    const uint8_t *end = text.data + text.len;
    const uint8_t *at = skip_ascii(text.data, end);
    while (at < end) {
        size_t len = sequence_length(at, (size_t)(end - at));
        if (len == 0)
            return false;
        at = skip_ascii(at + len, end);
    }
    return true;
}
