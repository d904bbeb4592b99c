/* SPDX-License-Identifier: Apache-2.0 */
/* A WebSocket that we ask a server for (RFC 6455 4.1). */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "gate/internal.h"
#include "mdm-tunnel/limits.h"

bool websocket_ask(struct transport *t)
{
    struct websocket_end *w = t->websocket;
    uint8_t nonce[16];
    char key[25], text[1024];
    if (getrandom(nonce, sizeof(nonce), 0) != sizeof(nonce) ||
        getrandom(w->mask_key, sizeof(w->mask_key), 0) != sizeof(w->mask_key) ||
        EVP_EncodeBlock((unsigned char *)key, nonce, sizeof(nonce)) != 24 ||
        !websocket_accept_key((struct http_text){key, 24}, w->accept))
        return false;
    int len = snprintf(text, sizeof(text),
                       "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
                       t->target->path, t->target->authority, key);
    if (len < 0 || (size_t)len >= sizeof(text))
        return false;
    t->events->say(t->ctx, text, (size_t)len);
    return true;
}

static void answer_done(struct transport *t, const struct http_response *r, size_t used)
{
    struct websocket_end *w = t->websocket;
    const char *why = websocket_answer_wrong(r, w->accept, "mqtt");
    if (why == NULL && !sock_unread(&t->sock, w->head + used, w->head_len - used))
        why = "out of memory";
    if (why != NULL) {
        websocket_failed(t, why);
        return;
    }
    w->open = true;
    free(w->head);
    w->head = NULL;
    transport_reading(t, false);
    if (t->events->opened != NULL)
        t->events->opened(t->ctx);
}

void websocket_answer_readable(struct transport *t)
{
    struct websocket_end *w = t->websocket;
    struct http_response r;
    size_t used = 0;
    const char *why = NULL;
    if (!websocket_head_read(t, WEBSOCKET_REQUEST_MAX))
        return;
    enum http_parse end = http_response_parse(&r, w->head, w->head_len, false, &w->head_scanned, &used, &why);
    if (end == HTTP_PARSE_DONE)
        answer_done(t, &r, used);
    else if (end == HTTP_PARSE_BAD || w->head_len == WEBSOCKET_REQUEST_MAX)
        websocket_failed(t, why != NULL ? why : "the server's answer is too long");
}
