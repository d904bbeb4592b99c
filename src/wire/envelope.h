/* SPDX-License-Identifier: Apache-2.0 */
/* Envelope: one message between two peers, one MQTT payload (mdm-tunnel-protocol(7), "Envelopes"). Pure codec. */
#ifndef WIRE_ENVELOPE_H
#define WIRE_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#include "wire/error.h"

#define ENVELOPE_VERSION 1
#define ENVELOPE_HEAD_BYTES 26

enum envelope_type {
#define ENVELOPE(id, code, text) ENVELOPE_##id = (code),
#include "mdm-tunnel/tbl/envelopes.h"
#undef ENVELOPE
};

/* The sender is near the end of its window: acknowledge without delay. */
#define ENVELOPE_FLAG_ACK_NOW 0x01
/* HELLO: goes on with a session that the receiver must know (else: BYE session-unknown). */
#define ENVELOPE_FLAG_RESUME 0x02

struct envelope {
    enum envelope_type type;
    uint8_t flags;
    uint32_t session; /* random, never 0; chosen by the side that says HELLO first */
    uint64_t seq;     /* DATA: its number, from 0; HELLO: the first that the sender still holds;
                         NACK: the first that arrived beyond the gap; else the next to be sent */
    uint64_t ack;     /* the next DATA envelope expected: all before it have arrived */
    uint32_t room;    /* bytes of bodies beyond `ack` that the receiver takes */
};

void envelope_encode(const struct envelope *e, uint8_t out[static ENVELOPE_HEAD_BYTES]);
/*
 * NULL, or why not (protocol_version, protocol_error); `out` is untouched then. The body is what follows the head; ACK
 * and NACK have none. Unknown flags are let through.
 */
const struct error *envelope_decode(struct envelope *out, const uint8_t *data, size_t len);
/* "HELLO"; NULL for what is none. */
const char *envelope_type_name(enum envelope_type type);

#endif
