/* SPDX-License-Identifier: Apache-2.0 */
/* Frames (RFC 6455 5). */
#include "wire/websocket.h"

#include <string.h>

#include "mdm-tunnel/limits.h"

#define FIN 0x80
#define RESERVED 0x70
#define OPCODE 0x0f
#define MASKED 0x80

static enum websocket_event bad(struct websocket_decoder *d, enum websocket_status status, const char *why)
{
    d->status = (uint16_t)status;
    d->why = why;
    return WEBSOCKET_BAD;
}

/* -- the head -------------------------------------------------------------------------------------------------------- */

static bool is_control(uint8_t opcode) { return (opcode & 0x08) != 0; }

/* Bytes of the head, as far as can be said. */
static size_t head_size(const struct websocket_decoder *d)
{
    if (d->head_len < 2)
        return 2;
    uint8_t length = d->head[1] & 0x7f;
    return 2u + (length == 127 ? 8 : length == 126 ? 2 : 0) + (d->from_server ? 0 : 4);
}

/* The first two bytes say most of what can be wrong. */
static enum websocket_event start_check(struct websocket_decoder *d)
{
    uint8_t opcode = d->head[0] & OPCODE, length = d->head[1] & 0x7f;
    bool final = (d->head[0] & FIN) != 0;
    if ((d->head[0] & RESERVED) != 0 && (!d->extended || is_control(opcode)))
        return bad(d, WEBSOCKET_PROTOCOL_ERROR, "a reserved bit is set");
    if (((d->head[1] & MASKED) == 0) != d->from_server)
        return bad(d, WEBSOCKET_PROTOCOL_ERROR, d->from_server ? "a frame with a mask" : "a frame without a mask");
    if (is_control(opcode)) {
        if (opcode > WEBSOCKET_PONG)
            return bad(d, WEBSOCKET_PROTOCOL_ERROR, "an unknown opcode");
        if (!final || length > WEBSOCKET_CONTROL_MAX)
            return bad(d, WEBSOCKET_PROTOCOL_ERROR, "a control frame in fragments, or too long");
        return WEBSOCKET_MORE;
    }
    if (opcode > WEBSOCKET_BINARY)
        return bad(d, WEBSOCKET_PROTOCOL_ERROR, "an unknown opcode");
    if (d->in_message != (opcode == WEBSOCKET_CONTINUATION))
        return bad(d, WEBSOCKET_PROTOCOL_ERROR, "a fragment out of place");
    if (opcode == WEBSOCKET_TEXT && !d->messages)
        return bad(d, WEBSOCKET_UNACCEPTABLE, "a text message");
    return WEBSOCKET_MORE;
}

static enum websocket_event length_take(struct websocket_decoder *d)
{
    uint8_t length = d->head[1] & 0x7f;
    unsigned bytes = length == 127 ? 8 : length == 126 ? 2 : 0;
    uint64_t value = length;
    for (unsigned i = 0; i < bytes; i++)
        value = (i == 0 ? 0 : value << 8) | d->head[2 + i];
    if ((bytes == 2 && value < 126) || (bytes == 8 && (value <= UINT16_MAX || value > INT64_MAX)))
        return bad(d, WEBSOCKET_PROTOCOL_ERROR, "a length that is not in its shortest form");
    if (value > (d->frame_max > 0 ? d->frame_max : WEBSOCKET_FRAME_MAX))
        return bad(d, WEBSOCKET_TOO_BIG, "a frame that is too large");
    d->left = value;
    if (!d->from_server)
        memcpy(d->mask, d->head + 2 + bytes, sizeof(d->mask));
    d->mask_at = 0;
    return WEBSOCKET_MORE;
}

static enum websocket_event head_done(struct websocket_decoder *d)
{
    enum websocket_event event = length_take(d);
    if (event != WEBSOCKET_MORE)
        return event;
    d->opcode = d->head[0] & OPCODE;
    d->in_frame = true;
    d->head_len = d->control_len = 0;
    if (!is_control(d->opcode))
        d->in_message = (d->head[0] & FIN) == 0;
    if (!is_control(d->opcode) && d->opcode != WEBSOCKET_CONTINUATION)
        d->message = d->opcode;
    return WEBSOCKET_MORE;
}

/* Takes what the head still needs. */
static enum websocket_event head_take(struct websocket_decoder *d, const uint8_t *in, size_t len, size_t *used)
{
    enum websocket_event event = WEBSOCKET_MORE;
    for (size_t size = head_size(d); *used < len && d->head_len < size && event == WEBSOCKET_MORE; size = head_size(d)) {
        d->head[d->head_len++] = in[(*used)++];
        if (d->head_len == 2)
            event = start_check(d);
    }
    return event == WEBSOCKET_MORE && d->head_len == head_size(d) ? head_done(d) : event;
}

/* -- the payload ----------------------------------------------------------------------------------------------------- */

/* From the front to the back, so that `out` may be `in`, or before it. `at`: how far the mask is turned. */
static void mask_apply(const uint8_t mask_bytes[static 4], unsigned at, const uint8_t *in, size_t len, uint8_t *out)
{
    uint8_t turned[8];
    uint64_t mask, word;
    size_t i = 0;
    for (unsigned k = 0; k < sizeof(turned); k++)
        turned[k] = mask_bytes[(at + k) & 3];
    memcpy(&mask, turned, sizeof(mask));
    for (; i + sizeof(word) <= len; i += sizeof(word)) {
        memcpy(&word, in + i, sizeof(word));
        word ^= mask;
        memcpy(out + i, &word, sizeof(word));
    }
    for (; i < len; i++)
        out[i] = in[i] ^ turned[i & 7];
}

static void unmask(struct websocket_decoder *d, const uint8_t *in, size_t len, uint8_t *out)
{
    if (!d->from_server)
        mask_apply(d->mask, d->mask_at, in, len, out);
    else if (out != in)
        memmove(out, in, len);
    d->mask_at = (uint8_t)((d->mask_at + len) & 3);
}

static enum websocket_event control_done(struct websocket_decoder *d)
{
    if (d->opcode == WEBSOCKET_CLOSE && websocket_close_status(d) == 0)
        return bad(d, WEBSOCKET_PROTOCOL_ERROR, "a close without a valid status");
    return WEBSOCKET_CONTROL;
}

enum websocket_event websocket_decode(struct websocket_decoder *d, const uint8_t *in, size_t len, size_t *used,
                                      uint8_t *out, size_t *written)
{
    *used = *written = 0;
    for (;;) {
        if (!d->in_frame) {
            enum websocket_event event = head_take(d, in, len, used);
            if (event != WEBSOCKET_MORE || !d->in_frame)
                return event;
        }
        size_t n = d->left < len - *used ? (size_t)d->left : len - *used;
        bool control = is_control(d->opcode);
        if (control || out != NULL)
            unmask(d, in + *used, n, control ? d->control + d->control_len : out + *written);
        *used += n;
        d->left -= n;
        if (control)
            d->control_len = (uint8_t)(d->control_len + n);
        else if (out != NULL)
            *written += n;
        if (d->left > 0)
            return WEBSOCKET_MORE;
        d->in_frame = false;
        if (control)
            return control_done(d);
        if (d->messages && !d->in_message)
            return WEBSOCKET_MESSAGE;
    }
}

bool websocket_between_frames(const struct websocket_decoder *d) { return !d->in_frame && d->head_len == 0; }

uint64_t websocket_frame_left(const struct websocket_decoder *d)
{
    return d->in_frame ? d->left : d->head_len > 0 ? head_size(d) - d->head_len : 0;
}

unsigned websocket_close_status(const struct websocket_decoder *d)
{
    if (d->control_len == 0)
        return 1005;
    if (d->control_len == 1)
        return 0;
    unsigned status = (unsigned)(d->control[0] << 8 | d->control[1]);
    bool valid = (status >= 1000 && status <= 1014 && status != 1004 && status != 1005 && status != 1006) ||
                 (status >= 3000 && status <= 4999);
    return valid ? status : 0;
}

/* -- ours ------------------------------------------------------------------------------------------------------------ */

size_t websocket_head_size(size_t payload) { return payload < 126 ? 2 : payload <= UINT16_MAX ? 4 : 10; }

size_t websocket_head_write(uint8_t out[static WEBSOCKET_HEAD_OURS_MAX], enum websocket_opcode opcode, size_t payload)
{
    size_t size = websocket_head_size(payload);
    uint64_t value = payload;
    out[0] = (uint8_t)(FIN | opcode);
    out[1] = (uint8_t)(size == 2 ? payload : size == 4 ? 126 : 127);
    for (size_t i = size; i-- > 2; value >>= 8)
        out[i] = (uint8_t)value;
    return size;
}

size_t websocket_head_masked_write(uint8_t out[static WEBSOCKET_HEAD_MASKED_MAX], enum websocket_opcode opcode,
                                   size_t payload, const uint8_t mask[static 4])
{
    size_t size = websocket_head_write(out, opcode, payload);
    out[1] |= MASKED;
    memcpy(out + size, mask, 4);
    return size + 4;
}

void websocket_mask(const uint8_t mask[static 4], const uint8_t *in, size_t len, uint8_t *out)
{
    mask_apply(mask, 0, in, len, out);
}
