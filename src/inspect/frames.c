/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of a WebSocket as they pass. */
#include "inspect/frames.h"

#include <string.h>

#define FIN 0x80
#define RSV1 0x40
#define RSV23 0x30
#define MASKED 0x80

/* Bytes of the head as far as it is known: 2 before its second byte has come. */
static size_t head_size(const struct frames *f)
{
    if (f->head_len < 2)
        return 2;
    unsigned len = f->head[1] & 0x7f;
    return 2u + (len == 126 ? 2 : len == 127 ? 8 : 0) + (f->head[1] & MASKED ? 4 : 0);
}

static bool opcode_known(uint8_t opcode)
{
    return opcode <= WEBSOCKET_BINARY || (opcode >= WEBSOCKET_CLOSE && opcode <= WEBSOCKET_PONG);
}

static bool head_read(struct frames *f)
{
    unsigned len = f->head[1] & 0x7f, extra = len == 126 ? 2 : len == 127 ? 8 : 0;
    if ((f->head[0] & RSV23) != 0 || !opcode_known(f->head[0] & 0x0f))
        return false;
    f->bytes = extra == 0 ? len : 0;
    for (unsigned i = 0; i < extra; i++)
        f->bytes = f->bytes << 8 | f->head[2 + i];
    memset(f->mask, 0, sizeof(f->mask));
    if (f->head[1] & MASKED)
        memcpy(f->mask, f->head + 2 + extra, sizeof(f->mask));
    f->left = f->bytes;
    f->len = 0;
    f->in_payload = true;
    return f->bytes <= INT64_MAX;
}

static void payload_eat(struct frames *f, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len && f->len < sizeof(f->payload); i++, f->len++)
        f->payload[f->len] = data[i] ^ f->mask[f->len % 4];
    f->left -= len;
}

static void frame_tell(struct frames *f, frames_fn *tell, void *ctx)
{
    const struct frames_frame frame = {
        .opcode = f->head[0] & 0x0f,
        .fin = f->head[0] & FIN,
        .compressed = f->head[0] & RSV1,
        .whole = f->left == 0,
        .bytes = f->bytes,
        .payload = f->payload,
        .len = f->len,
    };
    f->in_payload = false;
    f->head_len = 0;
    tell(ctx, &frame);
}

size_t frames_eat(struct frames *f, const uint8_t *data, size_t len, frames_fn *tell, void *ctx)
{
    size_t at = 0;
    while (at < len) {
        size_t n = 1;
        if (f->in_payload) {
            n = len - at < f->left ? len - at : (size_t)f->left;
            payload_eat(f, data + at, n);
        } else {
            f->head[f->head_len++] = data[at];
            if (f->head_len == head_size(f) && !head_read(f))
                return at;
        }
        at += n;
        if (f->in_payload && f->left == 0)
            frame_tell(f, tell, ctx);
    }
    return at;
}

void frames_end(struct frames *f, frames_fn *tell, void *ctx)
{
    if (f->in_payload)
        frame_tell(f, tell, ctx);
}
