/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pre-shared key (RFC 8446 2.2, RFC 9257): a secret of both ends instead of a key pair each. Who has it may be any
 * client id that its pattern matches, and may be the server to the others that have it.
 */
#ifndef BASE_PSK_H
#define BASE_PSK_H

#include <stddef.h>
#include <stdint.h>

/* A name and a pattern are as long as a client id. 128 bits are the least that cannot be guessed (RFC 9257 6). */
#define PSK_NAME_BYTES 63
#define PSK_BYTES_MIN 16
#define PSK_BYTES_MAX 64

struct psk {
    char name[PSK_NAME_BYTES + 1]; /* goes over the wire in clear */
    char pattern[PSK_NAME_BYTES + 1];
    size_t len;
    uint8_t bytes[PSK_BYTES_MAX];
};

#endif
