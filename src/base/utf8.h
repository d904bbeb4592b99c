/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 (RFC 3629). Pure. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The length of the sequence at `at`, which starts with a byte >= 0x80, among `left` bytes; 0 when it is not well-formed. */
size_t utf8_sequence(const uint8_t *at, size_t left);

#endif
