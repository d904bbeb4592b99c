/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of a client: however the bytes are cut, messages, control frames and the end are those of the whole; and what we
 * write is read as it was meant. The first byte says how large the pieces are.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "wire/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everything that was heard. */
struct heard {
    uint8_t *bytes;
    size_t len;
    unsigned controls;
    uint64_t control_sum;
    uint16_t status;
    const char *why;
};

static void control_note(struct heard *h, const struct websocket_decoder *d)
{
    assert(d->opcode == WEBSOCKET_CLOSE || d->opcode == WEBSOCKET_PING || d->opcode == WEBSOCKET_PONG);
    assert(d->control_len <= WEBSOCKET_CONTROL_MAX);
    assert(d->opcode != WEBSOCKET_CLOSE || websocket_close_status(d) >= 1000);
    h->controls++;
    h->control_sum = h->control_sum * 31 + d->opcode + d->control_len + h->len;
}

static struct heard decode(const uint8_t *data, size_t size, size_t step, bool messages)
{
    struct heard h = {.bytes = malloc(size + 1)};
    struct websocket_decoder d = {.messages = messages};
    for (size_t at = 0; at < size && h.why == NULL;) {
        size_t piece = size - at < step ? size - at : step;
        for (size_t done = 0; done < piece || piece == 0;) {
            size_t used, written;
            enum websocket_event event =
                websocket_decode(&d, data + at + done, piece - done, &used, h.bytes + h.len, &written);
            assert(used <= piece - done && written <= used);
            done += used;
            h.len += written;
            if (event == WEBSOCKET_CONTROL)
                control_note(&h, &d);
            if (event == WEBSOCKET_BAD) {
                assert(d.status >= 1000 && d.why != NULL);
                h.status = d.status;
                h.why = d.why;
                return h;
            }
            assert(websocket_between_frames(&d) == (websocket_frame_left(&d) == 0));
            if (event == WEBSOCKET_MESSAGE) {
                assert(messages && (d.message == WEBSOCKET_TEXT || d.message == WEBSOCKET_BINARY));
                h.control_sum = h.control_sum * 31 + d.message + h.len;
            }
            assert(event != WEBSOCKET_MORE || done == piece);
        }
        at += piece;
    }
    return h;
}

/* The whole, when it is what is heard of it in pieces. */
static struct heard alike(const uint8_t *data, size_t size, bool messages)
{
    struct heard whole = decode(data + 1, size - 1, size, messages), cut = decode(data + 1, size - 1, data[0] % 64 + 1u, messages);
    assert(whole.len == cut.len && memcmp(whole.bytes, cut.bytes, whole.len) == 0);
    assert(whole.controls == cut.controls && whole.control_sum == cut.control_sum);
    assert(whole.status == cut.status && whole.why == cut.why);
    free(cut.bytes);
    return whole;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct heard whole = alike(data, size, false), messages = alike(data, size, true);
    free(messages.bytes);

    /* In place, as a socket's buffer is decoded. */
    uint8_t *copy = malloc(size);
    size_t used, written;
    struct websocket_decoder d = {0};
    memcpy(copy, data + 1, size - 1);
    enum websocket_event event = websocket_decode(&d, copy, size - 1, &used, copy, &written);
    assert(written <= whole.len && memcmp(copy, whole.bytes, written) == 0);
    assert(event != WEBSOCKET_MORE || whole.len == written);
    free(copy);
    free(whole.bytes);
    return 0;
}
