/* SPDX-License-Identifier: Apache-2.0 */
/* A ClientHello: as it comes, and, its bytes being the message, in records of other sizes: the same answer each time. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mdm-tunnel/limits.h"
#include "wire/client_hello.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* MORE for each part of what is DONE as a whole. */
static enum hello_parse check(struct client_hello *out, const uint8_t *data, size_t size)
{
    struct client_hello part;
    enum hello_parse result = client_hello_parse(out, data, size);
    size_t step = size / 64 + 1;
    if (result != HELLO_PARSE_DONE)
        return result;
    assert(strlen(out->name) <= SERVER_NAME_MAX);
    for (size_t len = 0; len < size; len += step) {
        enum hello_parse earlier = client_hello_parse(&part, data, len);
        assert(earlier == HELLO_PARSE_MORE || (earlier == HELLO_PARSE_DONE && strcmp(part.name, out->name) == 0));
    }
    return result;
}

static size_t records(uint8_t *out, const uint8_t *data, size_t size, size_t each)
{
    size_t len = 0;
    for (size_t at = 0; at < size; at += each) {
        size_t n = size - at < each ? size - at : each;
        out[len++] = 22;
        out[len++] = 3;
        out[len++] = 3;
        out[len++] = (uint8_t)(n >> 8);
        out[len++] = (uint8_t)n;
        memcpy(out + len, data + at, n);
        len += n;
    }
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct client_hello as_is, one, many;
    check(&as_is, data, size);
    if (size == 0 || size > CLIENT_HELLO_MAX / 4)
        return 0;
    uint8_t *bytes = malloc(size * 6);
    assert(bytes != NULL);
    enum hello_parse whole = check(&one, bytes, records(bytes, data, size, size));
    for (size_t each = 3; each < 64 && each < size; each += 20) {
        enum hello_parse split = check(&many, bytes, records(bytes, data, size, each));
        assert(split == whole && (whole != HELLO_PARSE_DONE || strcmp(one.name, many.name) == 0));
    }
    free(bytes);
    return 0;
}
