/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes inside a packet, and what MQTT asks of text. */
#ifndef MQTT_TEXT_H
#define MQTT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes inside somebody else's buffer, valid as long as that buffer. `data` NULL: the field is absent. */
struct mqtt_span {
    const uint8_t *data;
    size_t len;
};

#define MQTT_SPAN_NONE ((struct mqtt_span){NULL, 0})

/* The most that a text or binary field can carry (its length is a u16). */
#define MQTT_FIELD_MAX 65535u

struct mqtt_span mqtt_span_of(const char *text);
bool mqtt_span_equal(struct mqtt_span a, struct mqtt_span b);

/* MQTT 5 and 3.1.1 1.5.4/1.5.3: well-formed UTF-8 (RFC 3629), no surrogates, no U+0000. */
bool mqtt_text_valid(struct mqtt_span text);

#endif
