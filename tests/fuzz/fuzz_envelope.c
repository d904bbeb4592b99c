/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of envelopes: what is taken comes back byte for byte. */
#include <assert.h>
#include <string.h>

#include "wire/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct envelope e = {.session = 0};
    const struct error *why = envelope_decode(&e, data, size);
    if (why != NULL) {
        assert(why == &error_protocol_error || why == &error_protocol_version);
        assert(e.session == 0);
        return 0;
    }
    uint8_t again[ENVELOPE_HEAD_BYTES];
    assert(size >= sizeof(again) && e.session != 0 && envelope_type_name(e.type) != NULL);
    envelope_encode(&e, again);
    assert(memcmp(again, data, sizeof(again)) == 0);
    return 0;
}
