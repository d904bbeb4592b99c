/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message on its way from its publisher to receivers. The publisher's worker has it on its stack (refs 0), which is
 * all that receivers on the same worker need; what stays or crosses to another worker is kept: counted, on the heap,
 * read-only.
 */
#ifndef BROKER_MESSAGE_H
#define BROKER_MESSAGE_H

#include <stdatomic.h>

#include "base/chunk.h"
#include "mqtt/packet.h"

struct message {
    atomic_uint refs; /* 0: its owner's stack */
    uint8_t qos;
    bool retain;
    unsigned origin;             /* the worker that it was published on */
    uint64_t stamp;              /* orders the retained messages of a topic, with `origin` */
    uint64_t expires_us;         /* CLOCK_NEVER: never */
    struct mqtt_span topic;      /* a NUL follows */
    struct mqtt_span properties; /* those that receivers see; without the expiry */
    struct slice payload;
};

/* Another reference, or a copy of one that is on a stack (a small payload out of its big chunk). NULL: no memory. */
struct message *message_keep(const struct message *m);
void message_unref(struct message *m);

/* Bytes that it stands for when queued. */
size_t message_weight(const struct message *m);
/* Whole seconds until it expires, at least 1; 0 when it has expired; UINT32_MAX: never. */
uint32_t message_seconds_left(const struct message *m, uint64_t now_us);

/*
 * The properties of a PUBLISH or a will that receivers are to see: all but the topic alias, the will's delay and the
 * expiry. Usually a part of `all`; otherwise *copy is memory that the caller frees. False without memory.
 */
bool message_properties(struct mqtt_span all, struct mqtt_span *kept, void **copy);
/* When a message with these properties expires. */
uint64_t message_expiry_us(struct mqtt_span properties, uint64_t now_us);

#endif
