/* SPDX-License-Identifier: Apache-2.0 */
/* A length and a datagram. */
#include "relay/datagram.h"

#include <assert.h>

/* The first two bytes, which may stand in two slices. */
static size_t length_peek(struct slice_queue *q)
{
    const struct slice *first = slice_queue_first(q);
    uint8_t low = first->len > 1 ? first->data[1] : q->ring[(q->head + 1) % q->capacity].data[0];
    return (size_t)first->data[0] << 8 | low;
}

bool datagram_read(struct conduit *c, uint8_t out[static DATAGRAM_MAX], size_t *len)
{
    struct slice_queue *q = conduit_input(c);
    if (q->bytes < DATAGRAM_HEAD)
        return false;
    size_t n = length_peek(q);
    if (q->bytes < DATAGRAM_HEAD + n)
        return false;
    slice_queue_skip(q, DATAGRAM_HEAD);
    *len = slice_queue_take(q, out, n);
    conduit_consumed(c, DATAGRAM_HEAD + n);
    return true;
}

bool datagram_write(struct conduit *c, uint8_t *buffer, size_t len)
{
    assert(len <= DATAGRAM_MAX);
    if (conduit_room(c) < DATAGRAM_HEAD + len)
        return false;
    buffer[0] = (uint8_t)(len >> 8);
    buffer[1] = (uint8_t)len;
    struct slice bytes = slice_copy(buffer, DATAGRAM_HEAD + len);
    if (bytes.data == NULL)
        return false;
    conduit_write(c, bytes, false);
    return true;
}
