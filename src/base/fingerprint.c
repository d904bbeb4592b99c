/* SPDX-License-Identifier: Apache-2.0 */
/* Fingerprints to text and back. */
#include "base/fingerprint.h"

#include <string.h>

#define PREFIX "SHA256:"
#define PREFIX_BYTES (sizeof(PREFIX) - 1)
#define DIGITS (FINGERPRINT_TEXT_BYTES - PREFIX_BYTES)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void fingerprint_text(const struct fingerprint *f, char out[static FINGERPRINT_TEXT_BYTES + 1])
{
    memcpy(out, PREFIX, PREFIX_BYTES);
    for (size_t i = 0; i < DIGITS; i++) {
        size_t bit = 6 * i, byte = bit / 8, shift = 10 - bit % 8;
        unsigned pair = (unsigned)f->bytes[byte] << 8 | (byte + 1 < FINGERPRINT_BYTES ? f->bytes[byte + 1] : 0);
        out[PREFIX_BYTES + i] = alphabet[pair >> shift & 63];
    }
    out[FINGERPRINT_TEXT_BYTES] = '\0';
}

/* A value below 64, or more when `c` is no digit. */
static unsigned digit_value(char c)
{
    const char *at = c == '\0' ? NULL : strchr(alphabet, c);
    return at == NULL ? 64 : (unsigned)(at - alphabet);
}

bool fingerprint_parse(const char *text, size_t len, struct fingerprint *out)
{
    struct fingerprint f;
    if (len != FINGERPRINT_TEXT_BYTES || memcmp(text, PREFIX, PREFIX_BYTES) != 0)
        return false;
    unsigned bits = 0, count = 0, at = 0;
    for (size_t i = 0; i < DIGITS; i++) {
        unsigned value = digit_value(text[PREFIX_BYTES + i]);
        if (value > 63)
            return false;
        bits = bits << 6 | value;
        count += 6;
        if (count >= 8 && at < FINGERPRINT_BYTES) {
            count -= 8;
            f.bytes[at++] = (uint8_t)(bits >> count);
        }
    }
    if ((bits & ((1u << count) - 1)) != 0)
        return false; /* one fingerprint has one text */
    *out = f;
    return true;
}

bool fingerprint_equal(const struct fingerprint *a, const struct fingerprint *b)
{
    return memcmp(a->bytes, b->bytes, FINGERPRINT_BYTES) == 0;
}
