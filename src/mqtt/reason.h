/* SPDX-License-Identifier: Apache-2.0 */
/* Reason codes (MQTT 5 2.4) and how a fault in a packet is told. */
#ifndef MQTT_REASON_H
#define MQTT_REASON_H

#include <stdbool.h>
#include <stdint.h>

enum mqtt_type {
    MQTT_WILL = 0, /* no packet: stands for the will's properties inside CONNECT */
    MQTT_CONNECT = 1,
    MQTT_CONNACK,
    MQTT_PUBLISH,
    MQTT_PUBACK,
    MQTT_PUBREC,
    MQTT_PUBREL,
    MQTT_PUBCOMP,
    MQTT_SUBSCRIBE,
    MQTT_SUBACK,
    MQTT_UNSUBSCRIBE,
    MQTT_UNSUBACK,
    MQTT_PINGREQ,
    MQTT_PINGRESP,
    MQTT_DISCONNECT,
    MQTT_AUTH,
    MQTT_TYPES
};

enum mqtt_reason {
#define MQTT_REASON(id, code, packets, text) MQTT_##id = code,
#include "mdm-tunnel/tbl/mqtt_reasons.h"
#undef MQTT_REASON
};

/* Why a packet was refused: a reason code for the answer, and words (static). */
struct mqtt_fault {
    enum mqtt_reason reason;
    const char *words;
};

/* "PUBLISH"; "unknown" for what is none. */
const char *mqtt_type_name(unsigned type);
/* "not authorized"; "unknown reason" for a code that MQTT 5 does not know. */
const char *mqtt_reason_text(unsigned code);
/* Whether MQTT 5 allows this code in a packet of this type. */
bool mqtt_reason_allowed(unsigned code, enum mqtt_type type);
/* The return code of a 3.1.1 CONNACK (0 to 5) for a reason code. */
uint8_t mqtt_reason_to_connack3(enum mqtt_reason reason);

#endif
