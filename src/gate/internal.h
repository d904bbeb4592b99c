/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this layer share. */
#ifndef GATE_INTERNAL_H
#define GATE_INTERNAL_H

#include "gate/transport.h"

/* A WebSocket, from its request on. */
struct websocket_end {
    bool open;
    bool said_close, heard_close;
    const char *why; /* it was ended for */
    bool told;       /* the user knows that it was closed or ended: what comes is dropped */
    struct websocket_decoder decoder;
    /* while the request is read */
    char *head;
    size_t head_len, head_scanned;
};

/* The socket has something of the request. */
void websocket_request_readable(struct transport *t);

#endif
