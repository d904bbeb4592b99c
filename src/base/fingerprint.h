/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fingerprint of a public key: SHA-256 of its SubjectPublicKeyInfo (RFC 5280 4.1.2.7). As text it is
 * "SHA256:" and 43 digits of base64 (RFC 4648 4) without padding, as ssh-keygen(1) prints.
 */
#ifndef BASE_FINGERPRINT_H
#define BASE_FINGERPRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FINGERPRINT_BYTES 32
#define FINGERPRINT_TEXT_BYTES 50

struct fingerprint {
    uint8_t bytes[FINGERPRINT_BYTES];
};

void fingerprint_text(const struct fingerprint *f, char out[static FINGERPRINT_TEXT_BYTES + 1]);
/* Exactly `len` bytes of text; *out is untouched on failure. */
bool fingerprint_parse(const char *text, size_t len, struct fingerprint *out);
bool fingerprint_equal(const struct fingerprint *a, const struct fingerprint *b);

#endif
