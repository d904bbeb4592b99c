/* SPDX-License-Identifier: Apache-2.0 */
/* Frames one after the other, with the payloads of OPEN and SERVICES: what is taken comes back. */
#include <assert.h>
#include <string.h>

#include "mdm-tunnel/limits.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_open(const uint8_t *data, size_t len)
{
    struct open_head h, again;
    uint8_t bytes[512];
    if (open_head_decode(&h, data, len) != NULL)
        return;
    size_t n = open_head_encode(&h, bytes, sizeof(bytes));
    assert(n > 0 && n <= len && open_head_encode(&h, bytes, n - 1) == 0);
    assert(open_head_decode(&again, bytes, n) == NULL);
    assert(again.kind == h.kind && strcmp(again.service, h.service) == 0);
    assert(strcmp(again.visitor, h.visitor) == 0 && strcmp(again.host, h.host) == 0);
}

static void check_services(const uint8_t *data, size_t len)
{
    static struct service_entry list[SERVICES_MAX], again[SERVICES_MAX];
    static uint8_t bytes[FRAME_SERVICES_MAX];
    size_t count = SIZE_MAX, count_again;
    if (len > sizeof(bytes) || services_decode(list, SERVICES_MAX, &count, data, len) != NULL) {
        assert(count == SIZE_MAX);
        return;
    }
    assert(count <= SERVICES_MAX);
    size_t n = services_encode(list, count, bytes, sizeof(bytes));
    assert(n <= len && (n > 0 || count == 0));
    assert(services_decode(again, count, &count_again, bytes, n) == NULL && count_again == count);
    for (size_t i = 0; i < count; i++)
        assert(list[i].kind == again[i].kind && strcmp(list[i].name, again[i].name) == 0 &&
               list[i].options_len == again[i].options_len &&
               memcmp(list[i].options, again[i].options, list[i].options_len) == 0);
}

/* Bytes of the frame at the front; 0 when the session would end. */
static size_t check_frame(const uint8_t *data, size_t size)
{
    struct frame f;
    uint8_t again[FRAME_HEAD_BYTES];
    const struct error *why = frame_decode(&f, data);
    if (why != NULL) {
        assert(why->scope == ERROR_SCOPE_SESSION);
        return 0;
    }
    frame_encode(&f, again);
    assert(memcmp(again, data, sizeof(again)) == 0);
    assert(f.length <= STREAM_WINDOW_MAX);
    assert(frame_type_name(f.type) != NULL || !(f.type & FRAME_CRITICAL));
    size_t payload = size - FRAME_HEAD_BYTES < f.length ? size - FRAME_HEAD_BYTES : f.length;
    if (f.type == FRAME_OPEN)
        check_open(data + FRAME_HEAD_BYTES, payload);
    if (f.type == FRAME_SERVICES)
        check_services(data + FRAME_HEAD_BYTES, payload);
    return FRAME_HEAD_BYTES + payload;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    while (size >= FRAME_HEAD_BYTES) {
        size_t used = check_frame(data, size);
        if (used == 0)
            break;
        data += used;
        size -= used;
    }
    return 0;
}
