/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cursors over a byte buffer with a sticky error: read or write ten fields, check once. Big-endian (network order).
 * After an overrun `failed` is set, reads return 0/NULL and writes do nothing. No allocation, nothing owned.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes_reader {
    const uint8_t *at, *end;
    bool failed;
};

struct bytes_writer {
    uint8_t *start, *at, *end;
    bool failed;
};

void bytes_reader_init(struct bytes_reader *r, const void *data, size_t len);
size_t bytes_left(const struct bytes_reader *r);
uint8_t bytes_read_u8(struct bytes_reader *r);
uint16_t bytes_read_u16(struct bytes_reader *r);
uint32_t bytes_read_u32(struct bytes_reader *r);
uint64_t bytes_read_u64(struct bytes_reader *r);
/* `len` bytes inside the buffer, or NULL when they are not there. Valid as long as the buffer. */
const uint8_t *bytes_read(struct bytes_reader *r, size_t len);

void bytes_writer_init(struct bytes_writer *w, void *data, size_t size);
size_t bytes_written(const struct bytes_writer *w);
void bytes_write_u8(struct bytes_writer *w, uint8_t v);
void bytes_write_u16(struct bytes_writer *w, uint16_t v);
void bytes_write_u32(struct bytes_writer *w, uint32_t v);
void bytes_write_u64(struct bytes_writer *w, uint64_t v);
void bytes_write(struct bytes_writer *w, const void *data, size_t len);

#endif
