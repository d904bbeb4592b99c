/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies: their framing is read and written anew, so that nobody reads it differently than we do. Trailers end here. */
#include <string.h>

#include "proxy/http.h"

void gateway_body_init(struct gateway_body *b, enum http_framing framing, uint64_t length)
{
    b->framing = b->written = framing;
    b->left = framing == HTTP_FRAMING_LENGTH ? length : 0;
    b->done = framing == HTTP_FRAMING_NONE || (framing == HTTP_FRAMING_LENGTH && length == 0);
    b->passed = 0;
    http_chunked_init(&b->chunked);
}

bool gateway_body_take(struct gateway_body *b, struct gateway_end *from, struct http_text *part, size_t *eaten)
{
    static _Thread_local char trailer[HTTP_TRAILER_MAX];
    const char *data = (const char *)from->in + from->at;
    *part = (struct http_text){data, 0};
    *eaten = 0;
    if (from->len == 0 || b->done)
        return true;
    if (b->framing == HTTP_FRAMING_CHUNKED) {
        long used = http_chunked_eat(&b->chunked, data, from->len, &part->at, &part->len, trailer, sizeof(trailer));
        if (used < 0)
            return false;
        *eaten = (size_t)used;
        b->passed += part->len;
        b->done = b->chunked.state == HTTP_CHUNKED_DONE;
        return true;
    }
    part->len = b->framing == HTTP_FRAMING_LENGTH && b->left < from->len ? (size_t)b->left : from->len;
    *eaten = part->len;
    b->passed += part->len;
    if (b->framing == HTTP_FRAMING_LENGTH) {
        b->left -= part->len;
        b->done = b->left == 0;
    }
    return true;
}

void gateway_body_put(const struct gateway_body *b, struct gateway_end *to, struct http_text part)
{
    char head[20];
    if (part.len > 0) {
        if (b->written == HTTP_FRAMING_CHUNKED)
            gateway_push_copy(to, head, http_chunk_head(part.len, head));
        gateway_push_copy(to, part.at, part.len);
        if (b->written == HTTP_FRAMING_CHUNKED)
            gateway_push(to, slice_static("\r\n", 2));
    }
    if (b->done && b->written == HTTP_FRAMING_CHUNKED)
        gateway_push(to, slice_static("0\r\n\r\n", 5));
}
