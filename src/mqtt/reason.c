/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of reason codes. */
#include "mqtt/reason.h"

#include <stddef.h>

#define P(type) (1u << MQTT_##type)
#define P_ACKS (P(PUBACK) | P(PUBREC) | P(PUBREL) | P(PUBCOMP))
#define P_ANSWERS (P(PUBACK) | P(PUBREC) | P(SUBACK) | P(UNSUBACK))

struct reason_row {
    uint8_t code;
    uint32_t packets;
    const char *text;
};

static const struct reason_row reason_rows[] = {
#define MQTT_REASON(id, code, packets, text) {code, packets, text},
#include "mdm-tunnel/tbl/mqtt_reasons.h"
#undef MQTT_REASON
};

static const struct reason_row *reason_find(unsigned code)
{
    for (size_t i = 0; i < sizeof(reason_rows) / sizeof(reason_rows[0]); i++)
        if (reason_rows[i].code == code)
            return &reason_rows[i];
    return NULL;
}

const char *mqtt_reason_text(unsigned code)
{
    const struct reason_row *row = reason_find(code);
    return row == NULL ? "unknown reason" : row->text;
}

bool mqtt_reason_allowed(unsigned code, enum mqtt_type type)
{
    const struct reason_row *row = reason_find(code);
    return row != NULL && (row->packets & (1u << type)) != 0;
}

uint8_t mqtt_reason_to_connack3(enum mqtt_reason reason)
{
    switch (reason) {
    case MQTT_SUCCESS:
        return 0;
    case MQTT_UNSUPPORTED_VERSION:
        return 1;
    case MQTT_CLIENT_ID_INVALID:
        return 2;
    case MQTT_BAD_CREDENTIALS:
        return 4;
    case MQTT_NOT_AUTHORIZED:
    case MQTT_BANNED:
    case MQTT_BAD_AUTHENTICATION_METHOD:
        return 5;
    default:
        return 3;
    }
}

const char *mqtt_type_name(unsigned type)
{
    static const char *const names[MQTT_TYPES] = {
        [MQTT_CONNECT] = "CONNECT",         [MQTT_CONNACK] = "CONNACK",       [MQTT_PUBLISH] = "PUBLISH",
        [MQTT_PUBACK] = "PUBACK",           [MQTT_PUBREC] = "PUBREC",         [MQTT_PUBREL] = "PUBREL",
        [MQTT_PUBCOMP] = "PUBCOMP",         [MQTT_SUBSCRIBE] = "SUBSCRIBE",   [MQTT_SUBACK] = "SUBACK",
        [MQTT_UNSUBSCRIBE] = "UNSUBSCRIBE", [MQTT_UNSUBACK] = "UNSUBACK",     [MQTT_PINGREQ] = "PINGREQ",
        [MQTT_PINGRESP] = "PINGRESP",       [MQTT_DISCONNECT] = "DISCONNECT", [MQTT_AUTH] = "AUTH",
    };
    return type < MQTT_TYPES && names[type] != NULL ? names[type] : "unknown";
}
