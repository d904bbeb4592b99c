/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties of MQTT 5 (2.2.2). A packet carries them as validated raw bytes (without their length in front), so that
 * they can be handed on byte for byte; here they are read and written one by one.
 */
#ifndef MQTT_PROPERTY_H
#define MQTT_PROPERTY_H

#include "base/bytes.h"
#include "mqtt/reason.h"
#include "mqtt/text.h"

enum mqtt_property_id {
#define MQTT_PROPERTY(id, code, type, packets) MQTT_PROPERTY_##id = code,
#include "mdm-tunnel/tbl/mqtt_properties.h"
#undef MQTT_PROPERTY
};

struct mqtt_property {
    enum mqtt_property_id id;
    uint32_t number;         /* of the numeric ones */
    struct mqtt_span text;   /* text and binary; the name of a user property */
    struct mqtt_span value;  /* of a user property */
    struct mqtt_span raw;    /* the whole property, with its identifier */
};

/* Takes the next property off the front of validated bytes; false at the end. */
bool mqtt_property_next(struct mqtt_span *rest, struct mqtt_property *p);
/* The first one with this id. *p is untouched when there is none. */
bool mqtt_property_find(struct mqtt_span properties, enum mqtt_property_id id, struct mqtt_property *p);
/* Its number, or `otherwise` when there is none. */
uint32_t mqtt_property_number(struct mqtt_span properties, enum mqtt_property_id id, uint32_t otherwise);
/*
 * Whether the bytes are properties that a packet of this type may carry, each once where MQTT says so, with values in
 * range and not more than MQTT_USER_PROPERTIES_MAX user properties. Otherwise *fault says why.
 */
bool mqtt_properties_valid(struct mqtt_span properties, enum mqtt_type type, struct mqtt_fault *fault);

void mqtt_property_write_number(struct bytes_writer *w, enum mqtt_property_id id, uint32_t number);
void mqtt_property_write_text(struct bytes_writer *w, enum mqtt_property_id id, struct mqtt_span text);
void mqtt_property_write_pair(struct bytes_writer *w, struct mqtt_span name, struct mqtt_span value);

/* Variable byte integers (1.5.5), at most 268,435,455. */
#define MQTT_VARINT_MAX 268435455u
size_t mqtt_varint_size(uint32_t v);
void mqtt_varint_write(struct bytes_writer *w, uint32_t v);
/* Only the shortest form is valid; sets the reader's error otherwise. */
uint32_t mqtt_varint_read(struct bytes_reader *r);

#endif
