/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of a WebSocket as they pass, one direction (RFC 6455 5.2): masked or not, extensions or not, in pieces of any size.
 * What is not a frame is said and ends it. Pure but for what it tells.
 */
#ifndef INSPECT_FRAMES_H
#define INSPECT_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mdm-tunnel/limits.h"
#include "wire/websocket.h"

struct frames_frame {
    uint8_t opcode;
    bool fin, compressed; /* RSV1: an extension has changed the payload (RFC 7692) */
    bool whole;
    uint64_t bytes;         /* of the payload, as the head says */
    const uint8_t *payload; /* its first bytes, without mask */
    size_t len;
};
typedef void frames_fn(void *ctx, const struct frames_frame *f);

/* Zeroed at the start. */
struct frames {
    uint8_t head[WEBSOCKET_HEAD_MAX], head_len;
    bool in_payload;
    uint64_t bytes, left;
    uint8_t mask[4];
    size_t len;
    uint8_t payload[INSPECT_FRAME_MAX];
};

/* Tells each frame that is complete. Returns the bytes taken; less than `len`: what comes there is no frame. */
size_t frames_eat(struct frames *f, const uint8_t *data, size_t len, frames_fn *tell, void *ctx);
/* Nothing comes any more: tells the one that has begun. */
void frames_end(struct frames *f, frames_fn *tell, void *ctx);

#endif
