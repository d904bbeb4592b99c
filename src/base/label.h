/* SPDX-License-Identifier: Apache-2.0 */
/* Names that stand in host names: one DNS label. */
#ifndef BASE_LABEL_H
#define BASE_LABEL_H

#include <stdbool.h>
#include <stddef.h>

#define LABEL_BYTES 63

/*
 * RFC 1035 2.3.4 with RFC 1123 2.1: 1 to 63 of a-z 0-9 '-' (A-Z on input), no '-' at the ends, and no "--", which is
 * left to separate names inside one label. Lower case with a NUL is written to `out`, which is untouched on failure.
 */
bool label_normalise(const char *text, size_t len, char out[static LABEL_BYTES + 1]);

#endif
