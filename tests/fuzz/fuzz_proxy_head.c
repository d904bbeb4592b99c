/* SPDX-License-Identifier: Apache-2.0 */
/* A head of the PROXY protocol: every shorter part asks for more, and what was read is written and read again. */
#include <assert.h>
#include <string.h>

#include "mdm-tunnel/limits.h"
#include "wire/proxy_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct proxy_head *h, unsigned version)
{
    struct proxy_head again;
    uint8_t bytes[PROXY_HEAD_WRITE_MAX];
    size_t len = proxy_head_write(h, version, bytes), used;
    assert(len <= sizeof(bytes));
    assert(proxy_head_parse(&again, bytes, len, &used) == PROXY_PARSE_DONE && used == len);
    assert(again.proxied == h->proxied);
    assert(memcmp(&again.source, &h->source, sizeof(again.source)) == 0);
    assert(memcmp(&again.destination, &h->destination, sizeof(again.destination)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_head h, part;
    size_t used, ignored;
    if (proxy_head_parse(&h, data, size, &used) != PROXY_PARSE_DONE)
        return 0;
    assert(used <= size && used <= PROXY_HEAD_MAX);
    for (size_t len = 0; len < used; len++)
        assert(proxy_head_parse(&part, data, len, &ignored) == PROXY_PARSE_MORE);
    check_again(&h, 1);
    check_again(&h, 2);
    return 0;
}
