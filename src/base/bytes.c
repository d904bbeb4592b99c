/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors over a byte buffer with a sticky error. */
#include "base/bytes.h"

#include <string.h>

/* What an empty cursor points at: arithmetic on NULL is undefined. */
static uint8_t nothing[1];

void bytes_reader_init(struct bytes_reader *r, const void *data, size_t len)
{
    r->at = len > 0 ? data : nothing;
    r->end = r->at + len;
    r->failed = false;
}

size_t bytes_left(const struct bytes_reader *r)
{
    return r->failed ? 0 : (size_t)(r->end - r->at);
}

const uint8_t *bytes_read(struct bytes_reader *r, size_t len)
{
    if (r->failed || len > (size_t)(r->end - r->at)) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = r->at;
    r->at += len;
    return p;
}

static uint64_t read_number(struct bytes_reader *r, size_t len)
{
    const uint8_t *p = bytes_read(r, len);
    if (p == NULL)
        return 0;
    uint64_t v = 0;
    for (size_t i = 0; i < len; i++)
        v = v << 8 | p[i];
    return v;
}

uint8_t bytes_read_u8(struct bytes_reader *r)
{
    return (uint8_t)read_number(r, 1);
}
uint16_t bytes_read_u16(struct bytes_reader *r)
{
    return (uint16_t)read_number(r, 2);
}
uint32_t bytes_read_u32(struct bytes_reader *r)
{
    return (uint32_t)read_number(r, 4);
}
uint64_t bytes_read_u64(struct bytes_reader *r)
{
    return read_number(r, 8);
}

void bytes_writer_init(struct bytes_writer *w, void *data, size_t size)
{
    w->start = w->at = size > 0 ? data : nothing;
    w->end = w->start + size;
    w->failed = false;
}

size_t bytes_written(const struct bytes_writer *w)
{
    return (size_t)(w->at - w->start);
}

static uint8_t *reserve(struct bytes_writer *w, size_t len)
{
    if (w->failed || len > (size_t)(w->end - w->at)) {
        w->failed = true;
        return NULL;
    }
    uint8_t *p = w->at;
    w->at += len;
    return p;
}

static void write_number(struct bytes_writer *w, uint64_t v, size_t len)
{
    uint8_t *p = reserve(w, len);
    if (p == NULL)
        return;
    for (size_t i = len; i > 0; i--, v >>= 8)
        p[i - 1] = (uint8_t)v;
}

void bytes_write_u8(struct bytes_writer *w, uint8_t v)
{
    write_number(w, v, 1);
}
void bytes_write_u16(struct bytes_writer *w, uint16_t v)
{
    write_number(w, v, 2);
}
void bytes_write_u32(struct bytes_writer *w, uint32_t v)
{
    write_number(w, v, 4);
}
void bytes_write_u64(struct bytes_writer *w, uint64_t v)
{
    write_number(w, v, 8);
}

void bytes_write(struct bytes_writer *w, const void *data, size_t len)
{
    uint8_t *p = reserve(w, len);
    if (p != NULL && len > 0)
        memcpy(p, data, len);
}
