/* SPDX-License-Identifier: Apache-2.0 */
/* Four digits are three bytes. */
#include "base/base64.h"

static int digit(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

bool base64_decode(uint8_t *at, size_t *len)
{
    size_t in = *len, out = 0;
    if (in % 4 != 0)
        return false;
    size_t padding = in > 0 && at[in - 1] == '=' ? at[in - 2] == '=' ? 2 : 1 : 0;
    for (size_t i = 0; i < in; i += 4) {
        uint32_t three = 0;
        size_t bytes = i + 4 == in ? 3 - padding : 3;
        for (size_t j = 0; j < 4; j++) {
            int d = j <= bytes ? digit((char)at[i + j]) : 0;
            if (d < 0)
                return false;
            three = three << 6 | (uint32_t)d;
        }
        for (size_t j = 0; j < bytes; j++)
            at[out++] = (uint8_t)(three >> (16 - 8 * j));
    }
    *len = out;
    return true;
}
