/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an envelope. */
#include "wire/envelope.h"

#include "tap.h"

static const struct envelope sample = {
    .type = ENVELOPE_DATA,
    .flags = ENVELOPE_FLAG_ACK_NOW,
    .session = 0x01020304,
    .seq = 0x1112131415161718,
    .ack = 0x2122232425262728,
    .room = 0x31323334,
};

static const uint8_t sample_bytes[ENVELOPE_HEAD_BYTES + 1] =
    "\x13\x01\x01\x02\x03\x04\x11\x12\x13\x14\x15\x16\x17\x18\x21\x22\x23\x24\x25\x26\x27\x28\x31\x32\x33\x34";

static void test_bytes(void)
{
    uint8_t out[ENVELOPE_HEAD_BYTES];
    envelope_encode(&sample, out);
    OK(memcmp(out, sample_bytes, sizeof(out)) == 0);
}

static void test_decode(void)
{
    struct envelope e;
    OK(envelope_decode(&e, sample_bytes, ENVELOPE_HEAD_BYTES) == NULL);
    OK_INT(e.type, ENVELOPE_DATA);
    OK_INT(e.flags, ENVELOPE_FLAG_ACK_NOW);
    OK(e.session == sample.session && e.seq == sample.seq && e.ack == sample.ack && e.room == sample.room);
}

static const struct error *decode_changed(size_t at, uint8_t value, size_t len)
{
    uint8_t bytes[ENVELOPE_HEAD_BYTES + 1];
    struct envelope e = {.session = 77};
    memcpy(bytes, sample_bytes, sizeof(bytes));
    bytes[at] = value;
    const struct error *why = envelope_decode(&e, bytes, len);
    OK((why == NULL) != (e.session == 77));
    return why;
}

static void test_refusals(void)
{
    for (size_t len = 0; len < ENVELOPE_HEAD_BYTES; len++)
        OK(decode_changed(0, 0x13, len) == &error_protocol_error);
    OK(decode_changed(0, 0x23, ENVELOPE_HEAD_BYTES) == &error_protocol_version);
    OK(decode_changed(0, 0x03, 1) == &error_protocol_version);
    OK(decode_changed(0, 0x10, ENVELOPE_HEAD_BYTES) == &error_protocol_error);
    OK(decode_changed(0, 0x17, ENVELOPE_HEAD_BYTES) == &error_protocol_error);
    OK(decode_changed(0, 0x1f, ENVELOPE_HEAD_BYTES) == &error_protocol_error);
}

static void test_session_is_never_zero(void)
{
    struct envelope e = sample;
    uint8_t out[ENVELOPE_HEAD_BYTES];
    e.session = 0;
    envelope_encode(&e, out);
    OK(envelope_decode(&e, out, sizeof(out)) == &error_protocol_error);
}

static void test_bodies(void)
{
    OK(decode_changed(0, 0x13, ENVELOPE_HEAD_BYTES + 1) == NULL);
    OK(decode_changed(0, 0x11, ENVELOPE_HEAD_BYTES + 1) == NULL);
    OK(decode_changed(0, 0x16, ENVELOPE_HEAD_BYTES + 1) == NULL);
    OK(decode_changed(0, 0x14, ENVELOPE_HEAD_BYTES) == NULL);
    OK(decode_changed(0, 0x14, ENVELOPE_HEAD_BYTES + 1) == &error_protocol_error);
    OK(decode_changed(0, 0x15, ENVELOPE_HEAD_BYTES + 1) == &error_protocol_error);
}

static void test_names(void)
{
    OK_TEXT(envelope_type_name(ENVELOPE_HELLO_ACK), "HELLO_ACK");
    OK_TEXT(envelope_type_name(ENVELOPE_BYE), "BYE");
    OK(envelope_type_name((enum envelope_type)0) == NULL);
}

static const struct tap_case cases[] = {
    {"a head is these 26 bytes", test_bytes},
    {"and back", test_decode},
    {"short, of another version, of no type: refused, output untouched", test_refusals},
    {"a session is never 0", test_session_is_never_zero},
    {"ACK and NACK have no body", test_bodies},
    {"types have names", test_names},
};

int main(void)
{
    return TAP_RUN(cases);
}
