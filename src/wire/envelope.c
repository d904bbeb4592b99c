/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an envelope, in 26 bytes. */
#include "wire/envelope.h"

#include <stdbool.h>

#include "base/bytes.h"

const char *envelope_type_name(enum envelope_type type)
{
    switch (type) {
#define ENVELOPE(id, code, text) \
    case ENVELOPE_##id:          \
        return #id;
#include "mdm-tunnel/tbl/envelopes.h"
#undef ENVELOPE
    }
    return NULL;
}

/* ACK and NACK say everything in their heads. */
static bool type_has_body(enum envelope_type type)
{
    return type != ENVELOPE_ACK && type != ENVELOPE_NACK;
}

void envelope_encode(const struct envelope *e, uint8_t out[static ENVELOPE_HEAD_BYTES])
{
    struct bytes_writer w;
    bytes_writer_init(&w, out, ENVELOPE_HEAD_BYTES);
    bytes_write_u8(&w, (uint8_t)(ENVELOPE_VERSION << 4 | e->type));
    bytes_write_u8(&w, e->flags);
    bytes_write_u32(&w, e->session);
    bytes_write_u64(&w, e->seq);
    bytes_write_u64(&w, e->ack);
    bytes_write_u32(&w, e->room);
}

const struct error *envelope_decode(struct envelope *out, const uint8_t *data, size_t len)
{
    struct bytes_reader r;
    bytes_reader_init(&r, data, len);
    uint8_t first = bytes_read_u8(&r);
    if (len > 0 && first >> 4 != ENVELOPE_VERSION)
        return &error_protocol_version;
    struct envelope e = {.type = first & 0x0f};
    e.flags = bytes_read_u8(&r);
    e.session = bytes_read_u32(&r);
    e.seq = bytes_read_u64(&r);
    e.ack = bytes_read_u64(&r);
    e.room = bytes_read_u32(&r);
    if (r.failed || envelope_type_name(e.type) == NULL || e.session == 0)
        return &error_protocol_error;
    if (bytes_left(&r) > 0 && !type_has_body(e.type))
        return &error_protocol_error;
    *out = e;
    return NULL;
}
