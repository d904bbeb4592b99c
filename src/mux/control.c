/* SPDX-License-Identifier: Apache-2.0 */
/* Control frames that wait for the session. */
#include "mux/internal.h"

#include <string.h>

#include "base/bytes.h"

#define CAPACITY_FIRST 256
/* An empty queue keeps no more than this. */
#define CAPACITY_KEPT 4096

static size_t capacity_for(size_t len)
{
    size_t capacity = CAPACITY_FIRST;
    while (capacity < len)
        capacity *= 2;
    return capacity;
}

/* Room for `len` more bytes at the end. */
static bool control_reserve(struct control *c, size_t len)
{
    if (c->head + c->len + len <= c->capacity)
        return true;
    if (c->len + len <= c->capacity && c->head >= c->len) {
        memmove(c->bytes, c->bytes + c->head, c->len);
        c->head = 0;
        return true;
    }
    size_t capacity = capacity_for(2 * c->len + len);
    uint8_t *bytes = malloc(capacity);
    if (bytes == NULL)
        return false;
    if (c->len > 0)
        memcpy(bytes, c->bytes + c->head, c->len);
    free(c->bytes);
    *c = (struct control){.bytes = bytes, .len = c->len, .capacity = capacity};
    return true;
}

bool control_append(struct mux *m, const void *bytes, size_t len)
{
    struct control *c = &m->control;
    if (len > MUX_CONTROL_MAX - c->len) { /* the peer makes us answer and takes no answers */
        m->failed = &error_window_overrun;
        return false;
    }
    if (!control_reserve(c, len)) {
        m->failed = &error_no_memory;
        return false;
    }
    memcpy(c->bytes + c->head + c->len, bytes, len);
    c->len += len;
    if (c->len == len)
        mux_wake(m);
    return true;
}

void control_say(struct mux *m, uint8_t type, uint32_t stream, const void *payload, size_t len)
{
    uint8_t small[FRAME_HEAD_BYTES + 512];
    assert(len <= sizeof(small) - FRAME_HEAD_BYTES);
    struct frame f = {.type = type, .stream = stream, .length = (uint32_t)len};
    frame_encode(&f, small);
    if (len > 0)
        memcpy(small + FRAME_HEAD_BYTES, payload, len);
    control_append(m, small, FRAME_HEAD_BYTES + len);
}

void control_say_code(struct mux *m, uint8_t type, uint32_t stream, const struct error *reason)
{
    uint8_t code[2];
    struct bytes_writer w;
    bytes_writer_init(&w, code, sizeof(code));
    bytes_write_u16(&w, reason->code);
    control_say(m, type, stream, code, sizeof(code));
}

size_t control_take(struct control *c, uint8_t *dst, size_t max)
{
    size_t len = c->len < max ? c->len : max;
    if (len == 0)
        return 0;
    memcpy(dst, c->bytes + c->head, len);
    c->head += len;
    c->len -= len;
    if (c->len == 0) {
        c->head = 0;
        if (c->capacity > CAPACITY_KEPT)
            control_done(c);
    }
    return len;
}

void control_done(struct control *c)
{
    free(c->bytes);
    *c = (struct control){0};
}
