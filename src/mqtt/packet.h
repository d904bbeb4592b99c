/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control packets of MQTT 3.1, 3.1.1 and 5 <-> structs. Pure: no allocation, nothing owned; a decoded struct points
 * into the packet's buffer and is valid as long as that. What mqtt_decode() gives, mqtt_encode() takes: every type,
 * both ways, so clients, brokers and what stands between them use the same code. Text is checked, lists are checked to
 * their end.
 */
#ifndef MQTT_PACKET_H
#define MQTT_PACKET_H

#include "base/bytes.h"
#include "mqtt/property.h"
#include "mqtt/reason.h"
#include "mqtt/text.h"

/* The protocol level in CONNECT. */
enum mqtt_version { MQTT_V3_1 = 3, MQTT_V3_1_1 = 4, MQTT_V5 = 5 };

/* The longest fixed header. */
#define MQTT_HEADER_MAX 5

struct mqtt_header {
    enum mqtt_type type;
    uint8_t flags;   /* the low four bits */
    uint8_t size;    /* bytes of the header itself */
    bool padded;     /* the length is not in its shortest form, which MQTT 5 forbids */
    uint32_t length; /* bytes that follow */
};

enum mqtt_progress { MQTT_MORE, MQTT_DONE, MQTT_BAD };

/* Reads the fixed header (2.1) from the first bytes of a packet; MQTT_MORE: it is not complete yet. */
enum mqtt_progress mqtt_header_parse(const uint8_t *data, size_t len, struct mqtt_header *h);

struct mqtt_connect {
    enum mqtt_version version;
    bool clean_start; /* 3.x: clean session */
    uint16_t keep_alive; /* seconds; 0: none */
    struct mqtt_span properties;
    struct mqtt_span client_id;
    bool has_will, will_retain;
    uint8_t will_qos;
    struct mqtt_span will_properties, will_topic, will_payload;
    struct mqtt_span username, password; /* .data NULL: absent */
};

struct mqtt_connack {
    bool session_present;
    uint8_t code; /* 3.x: return code; 5: reason code */
    struct mqtt_span properties;
};

struct mqtt_publish {
    bool dup, retain;
    uint8_t qos;
    uint16_t packet_id;     /* 0 with QoS 0 */
    struct mqtt_span topic; /* empty: the topic alias says it (5 only) */
    struct mqtt_span properties;
    struct mqtt_span payload;
};

/* PUBACK, PUBREC, PUBREL, PUBCOMP. */
struct mqtt_ack {
    uint16_t packet_id;
    uint8_t reason; /* 0 in 3.x */
    struct mqtt_span properties;
};

/* SUBSCRIBE and UNSUBSCRIBE; at least one filter, read with mqtt_filter_next(). */
struct mqtt_subscribe {
    uint16_t packet_id;
    struct mqtt_span properties;
    struct mqtt_span filters; /* validated bytes */
};

/* SUBACK, and UNSUBACK (which has codes in 5 only). */
struct mqtt_suback {
    uint16_t packet_id;
    struct mqtt_span properties;
    struct mqtt_span codes; /* one byte a filter */
};

/* DISCONNECT and AUTH. */
struct mqtt_disconnect {
    uint8_t reason; /* 0 in 3.x */
    struct mqtt_span properties;
};

struct mqtt_packet {
    enum mqtt_type type;
    union {
        struct mqtt_connect connect;
        struct mqtt_connack connack;
        struct mqtt_publish publish;
        struct mqtt_ack ack;
        struct mqtt_subscribe subscribe;
        struct mqtt_suback suback;
        struct mqtt_disconnect disconnect;
    };
};

/*
 * Decodes the `h->length` bytes behind a complete header. `version` is the connection's; CONNECT brings its own.
 * False: *fault (else undefined) says why; of a CONNECT with an unknown protocol, connect.version is the answer's.
 */
bool mqtt_decode(struct mqtt_packet *p, enum mqtt_version version, const struct mqtt_header *h, const uint8_t *body,
                 struct mqtt_fault *fault);

struct mqtt_filter {
    struct mqtt_span filter;
    /* of SUBSCRIBE only; the last three are 0 in 3.x */
    uint8_t qos;
    bool no_local, retain_as_published;
    uint8_t retain_handling; /* 0: send retained, 1: only to a new subscription, 2: don't */
};

/* Takes the next filter off the front of the list of a SUBSCRIBE or UNSUBSCRIBE; false at the end. */
bool mqtt_filter_next(struct mqtt_span *filters, enum mqtt_type type, struct mqtt_filter *f);
/* Writes one element of such a list. */
void mqtt_filter_write(struct bytes_writer *w, enum mqtt_type type, const struct mqtt_filter *f);

/* Bytes of the whole packet; 0 when a field is too long for MQTT. */
size_t mqtt_encoded_size(enum mqtt_version version, const struct mqtt_packet *p);
/* Writes the whole packet; a field that is too long or a full buffer sets the writer's error. */
void mqtt_encode(struct bytes_writer *w, enum mqtt_version version, const struct mqtt_packet *p);

/* A PUBLISH without its payload, which follows from somewhere else: `payload.data` is not looked at. */
size_t mqtt_publish_head_size(enum mqtt_version version, const struct mqtt_publish *p);
void mqtt_publish_head_write(struct bytes_writer *w, enum mqtt_version version, const struct mqtt_publish *p);

#endif
