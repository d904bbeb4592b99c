/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of packets: a line for each packet of MQTT as it came (`before`) and as it went on or what became of it (`after`), in both
 * directions, and for those that the proxy makes itself. Where it is on, every packet takes a passage. On the worker.
 */
#ifndef PROXY_PACKET_LOG_H
#define PROXY_PACKET_LOG_H

#include "base/chunk.h"
#include "base/line_fields.h"
#include "mqtt/packet.h"

struct pair;

/* What a line is made of; texts are the caller's. */
struct packet_entry {
    struct timespec at;
    bool up, after;
    uint64_t session;
    const char *client;  /* its id; "": not known yet */
    uint8_t version;     /* enum mqtt_version, of the connection */
    const uint8_t *bytes; /* the whole packet, not checked */
    size_t len;
    const char *verdict; /* after: "sent", "changed", "denied", "dropped", "made" (by the proxy); or why it was none of these */
    unsigned reason;     /* of a denial: of MQTT 5; 0: none */
    size_t payload_max;  /* so much of a payload is shown; 0: only its size */
};

/* Pure; ends in '\n'. Passwords are never shown. */
void packet_line_write(struct text_line *out, enum line_format format, const struct packet_entry *e);

/* Nothing where there is no such log. */
void packet_log_before(struct pair *p, bool up, struct slice packet);
void packet_log_after(struct pair *p, bool up, struct slice packet, const char *verdict, unsigned reason);

#endif
