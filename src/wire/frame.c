/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a frame, in 12 bytes. */
#include "wire/frame.h"

#include "base/bytes.h"
#include "mdm-tunnel/limits.h"

/* A type with a maximum up to this has payloads of exactly that many bytes: a number, or none. */
#define FIXED_PAYLOAD_MAX 8

struct frame_row {
    uint8_t type;
    uint32_t max;
    const char *name;
};

static const struct frame_row rows[] = {
#define FRAME(id, code, max, text) {code, max, #id},
#include "mdm-tunnel/tbl/frames.h"
#undef FRAME
};

static const struct frame_row *row_find(uint8_t type)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].type == type)
            return &rows[i];
    return NULL;
}

const char *frame_type_name(uint8_t type)
{
    const struct frame_row *row = row_find(type);
    return row == NULL ? NULL : row->name;
}

static bool type_is_of_session(uint8_t type)
{
    return type == FRAME_PING || type == FRAME_PONG || type == FRAME_SERVICES || type == FRAME_WEIGHT ||
           type == FRAME_PUBLIC || type == FRAME_GOAWAY;
}

static uint8_t type_flags(uint8_t type)
{
    return type == FRAME_DATA ? FRAME_FLAG_FIN | FRAME_FLAG_BLOCKED : 0;
}

static const struct error *unknown_check(const struct frame *f)
{
    if (f->type & FRAME_CRITICAL)
        return &error_frame_unknown;
    return f->length > FRAME_CONTROL_MAX ? &error_frame_too_large : NULL;
}

static const struct error *known_check(const struct frame *f, const struct frame_row *row)
{
    if (f->length > row->max)
        return &error_frame_too_large;
    bool short_payload = row->max <= FIXED_PAYLOAD_MAX && f->length != row->max;
    bool other_flags = (f->flags & ~type_flags(f->type)) != 0;
    bool wrong_stream = (f->stream == 0) != type_is_of_session(f->type);
    return short_payload || other_flags || wrong_stream ? &error_protocol_error : NULL;
}

void frame_encode(const struct frame *f, uint8_t out[static FRAME_HEAD_BYTES])
{
    struct bytes_writer w;
    bytes_writer_init(&w, out, FRAME_HEAD_BYTES);
    bytes_write_u8(&w, f->type);
    bytes_write_u8(&w, f->flags);
    bytes_write_u16(&w, 0);
    bytes_write_u32(&w, f->stream);
    bytes_write_u32(&w, f->length);
}

const struct error *frame_decode(struct frame *out, const uint8_t data[static FRAME_HEAD_BYTES])
{
    struct bytes_reader r;
    struct frame f;
    bytes_reader_init(&r, data, FRAME_HEAD_BYTES);
    f.type = bytes_read_u8(&r);
    f.flags = bytes_read_u8(&r);
    if (bytes_read_u16(&r) != 0)
        return &error_protocol_error;
    f.stream = bytes_read_u32(&r);
    f.length = bytes_read_u32(&r);
    const struct frame_row *row = row_find(f.type);
    const struct error *why = row == NULL ? unknown_check(&f) : known_check(&f, row);
    if (why == NULL)
        *out = f;
    return why;
}
