/* SPDX-License-Identifier: Apache-2.0 */
/* Reading base64 (RFC 4648 4); base/text.h writes it. Pure. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In place; false: not base64 with padding, and what is there is not to be used. */
bool base64_decode(uint8_t *at, size_t *len);

#endif
