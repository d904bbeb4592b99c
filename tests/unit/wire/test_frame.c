/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a frame. */
#include "wire/frame.h"

#include "mdm-tunnel/limits.h"
#include "tap.h"

static const struct error *decode(uint8_t type, uint8_t flags, uint32_t stream, uint32_t length)
{
    struct frame in = {type, flags, stream, length}, out = {.type = 1};
    uint8_t bytes[FRAME_HEAD_BYTES];
    frame_encode(&in, bytes);
    const struct error *why = frame_decode(&out, bytes);
    if (why == NULL)
        OK(out.type == type && out.flags == flags && out.stream == stream && out.length == length);
    else
        OK(out.type == 1);
    return why;
}

static void test_bytes(void)
{
    struct frame f = {FRAME_DATA, FRAME_FLAG_FIN, 0x01020304, 0x00050607};
    uint8_t out[FRAME_HEAD_BYTES];
    frame_encode(&f, out);
    OK(memcmp(out, "\x80\x01\x00\x00\x01\x02\x03\x04\x00\x05\x06\x07", sizeof(out)) == 0);
}

static void test_lengths(void)
{
    OK(decode(FRAME_DATA, 0, 1, 0) == NULL);
    OK(decode(FRAME_DATA, 0, 1, STREAM_WINDOW_MAX) == NULL);
    OK(decode(FRAME_DATA, 0, 1, STREAM_WINDOW_MAX + 1) == &error_frame_too_large);
    OK(decode(FRAME_OPEN, 0, 1, FRAME_CONTROL_MAX) == NULL);
    OK(decode(FRAME_OPEN, 0, 1, FRAME_CONTROL_MAX + 1) == &error_frame_too_large);
    OK(decode(FRAME_WINDOW, 0, 1, 4) == NULL);
    OK(decode(FRAME_WINDOW, 0, 1, 5) == &error_frame_too_large);
    OK(decode(FRAME_WINDOW, 0, 1, 3) == &error_protocol_error);
    OK(decode(FRAME_ACCEPT, 0, 1, 0) == NULL);
    OK(decode(FRAME_ACCEPT, 0, 1, 1) == &error_frame_too_large);
    OK(decode(FRAME_PING, 0, 0, 8) == NULL);
    OK(decode(FRAME_PING, 0, 0, 0) == &error_protocol_error);
    OK(decode(FRAME_SERVICES, 0, 0, 0) == NULL);
}

static void test_streams(void)
{
    static const uint8_t of_stream[] = {FRAME_DATA, FRAME_OPEN};
    for (size_t i = 0; i < sizeof(of_stream); i++)
        OK(decode(of_stream[i], 0, 0, 1) == &error_protocol_error);
    OK(decode(FRAME_RESET, 0, 0, 2) == &error_protocol_error);
    OK(decode(FRAME_RESET, 0, UINT32_MAX, 2) == NULL);
    OK(decode(FRAME_GOAWAY, 0, 1, 2) == &error_protocol_error);
    OK(decode(FRAME_GOAWAY, 0, 0, 2) == NULL);
    OK(decode(FRAME_PONG, 0, 3, 8) == &error_protocol_error);
    OK(decode(FRAME_SERVICES, 0, 3, 8) == &error_protocol_error);
}

static void test_flags(void)
{
    OK(decode(FRAME_DATA, FRAME_FLAG_FIN | FRAME_FLAG_BLOCKED, 1, 0) == NULL);
    OK(decode(FRAME_DATA, 0x04, 1, 0) == &error_protocol_error);
    OK(decode(FRAME_OPEN, FRAME_FLAG_FIN, 1, 2) == &error_protocol_error);
}

static void test_unknown_types(void)
{
    OK(decode(0xff, 0, 1, 0) == &error_frame_unknown);
    OK(decode(0x7f, 0xff, 1, 100) == NULL);
    OK(decode(0x00, 0, 0, FRAME_CONTROL_MAX) == NULL);
    OK(decode(0x7f, 0, 0, FRAME_CONTROL_MAX + 1) == &error_frame_too_large);
}

static void test_reserved(void)
{
    struct frame f = {FRAME_DATA, 0, 1, 0};
    uint8_t bytes[FRAME_HEAD_BYTES];
    for (size_t i = 2; i < 4; i++) {
        frame_encode(&f, bytes);
        bytes[i] = 1;
        OK(frame_decode(&f, bytes) == &error_protocol_error);
    }
}

static void test_names(void)
{
    OK_TEXT(frame_type_name(FRAME_OPEN), "OPEN");
    OK_TEXT(frame_type_name(FRAME_SERVICES), "SERVICES");
    OK(frame_type_name(0) == NULL);
}

static const struct tap_case cases[] = {
    {"a head is these 12 bytes", test_bytes},
    {"each type has its lengths", test_lengths},
    {"stream 0 is the session itself", test_streams},
    {"flags are DATA's only", test_flags},
    {"an unknown type is skipped, or ends the session when it is critical", test_unknown_types},
    {"reserved bits are 0", test_reserved},
    {"types have names", test_names},
};

int main(void)
{
    return TAP_RUN(cases);
}
