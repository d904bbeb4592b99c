/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors over bytes, and labels. */
#include "base/bytes.h"

#include "base/label.h"
#include "tap.h"

static void numbers_are_big_endian(void)
{
    uint8_t data[15];
    static const uint8_t want[15] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
                                     0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0xff};
    struct bytes_writer w;
    bytes_writer_init(&w, data, sizeof(data));
    bytes_write_u8(&w, 0x01);
    bytes_write_u16(&w, 0x0203);
    bytes_write_u32(&w, 0x04050607);
    bytes_write_u64(&w, UINT64_C(0x08090a0b0c0d0eff));
    OK(!w.failed);
    OK_INT(bytes_written(&w), 15);
    OK(memcmp(data, want, sizeof(want)) == 0);

    struct bytes_reader r;
    bytes_reader_init(&r, data, sizeof(data));
    OK_INT(bytes_read_u8(&r), 0x01);
    OK_INT(bytes_read_u16(&r), 0x0203);
    OK_INT(bytes_read_u32(&r), 0x04050607);
    OK(bytes_read_u64(&r) == UINT64_C(0x08090a0b0c0d0eff));
    OK(!r.failed);
    OK_INT(bytes_left(&r), 0);
}

static void read_errors_stick(void)
{
    static const uint8_t data[5] = {1, 2, 3, 4, 5};
    struct bytes_reader r;
    bytes_reader_init(&r, data, sizeof(data));
    OK_INT(bytes_read_u16(&r), 0x0102);
    OK_INT(bytes_read_u32(&r), 0);
    OK(r.failed);
    OK_INT(bytes_left(&r), 0);
    OK_INT(bytes_read_u8(&r), 0);
    OK(bytes_read(&r, 0) == NULL);

    bytes_reader_init(&r, data, sizeof(data));
    OK(bytes_read(&r, SIZE_MAX) == NULL);
    OK(r.failed);
}

static void nothing_is_readable(void)
{
    struct bytes_reader r;
    bytes_reader_init(&r, NULL, 0);
    OK(bytes_read(&r, 0) != NULL);
    OK(!r.failed);
    OK_INT(bytes_read_u8(&r), 0);
    OK(r.failed);
}

static void parts_point_into_the_buffer(void)
{
    static const uint8_t data[4] = {1, 2, 3, 4};
    struct bytes_reader r;
    bytes_reader_init(&r, data, sizeof(data));
    OK(bytes_read(&r, 3) == data);
    OK_INT(bytes_left(&r), 1);
    OK(bytes_read(&r, 1) == data + 3);
    OK(!r.failed);
}

static void write_errors_stick(void)
{
    uint8_t data[4] = {0};
    struct bytes_writer w;
    bytes_writer_init(&w, data, 3);
    bytes_write_u16(&w, 0xabcd);
    bytes_write_u16(&w, 0xffff);
    OK(w.failed);
    bytes_write_u8(&w, 0xee);
    OK_INT(bytes_written(&w), 2);
    OK(data[2] == 0 && data[3] == 0);

    bytes_writer_init(&w, NULL, 0);
    bytes_write(&w, NULL, 0);
    OK(!w.failed);
    bytes_write(&w, "x", 1);
    OK(w.failed);
    OK_INT(bytes_written(&w), 0);
}

static bool is_label(const char *text)
{
    char out[LABEL_BYTES + 1] = "untouched";
    bool ok = label_normalise(text, strlen(text), out);
    return ok || strcmp(out, "untouched") != 0;
}

static void labels(void)
{
    char out[LABEL_BYTES + 1], longest[65];
    OK(label_normalise("Hello-World9", 12, out));
    OK_TEXT(out, "hello-world9");
    OK(label_normalise("abc.def", 3, out));
    OK_TEXT(out, "abc");
    static const char *const bad[] = {"", "-", "-a", "a-", "a--b", "a.b", "a b", "a_b", "\xc3\xa4", "a\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        OK(!is_label(bad[i]));
    OK(!label_normalise("a\0b", 3, out));
    memset(longest, 'x', sizeof(longest));
    OK(label_normalise(longest, 63, out));
    OK_INT(strlen(out), 63);
    OK(!label_normalise(longest, 64, out));
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"numbers are big-endian", numbers_are_big_endian},
        {"read errors stick", read_errors_stick},
        {"an empty buffer can be read", nothing_is_readable},
        {"parts point into the buffer", parts_point_into_the_buffer},
        {"write errors stick", write_errors_stick},
        {"labels", labels},
    };
    return TAP_RUN(cases);
}
