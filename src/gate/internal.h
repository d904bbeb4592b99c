/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this layer share. */
#ifndef GATE_INTERNAL_H
#define GATE_INTERNAL_H

#include "gate/accept_key.h"
#include "gate/transport.h"

/* A WebSocket, from its request on. */
struct websocket_end {
    bool open;
    bool said_close, heard_close;
    const char *why; /* it was ended for */
    bool told;       /* the user knows that it was closed or ended: what comes is dropped */
    struct websocket_decoder decoder;
    /* while the request or its answer is read; a request that is kept */
    char *head;
    size_t head_len, head_scanned;
    /* ours, as a client */
    char accept[WEBSOCKET_ACCEPT_BYTES + 1];
    uint64_t mask_key[2], mask_count;
};

/* The socket has something of the request. */
void websocket_request_readable(struct transport *t);
/* Reads on at the end of the head; what is wrong is told to the user. False: not now, or never. */
bool websocket_head_read(struct transport *t, size_t max);
void websocket_failed(struct transport *t, const char *why);

/* -- websocket_answer.c: we are the client. */
/* Asks for it. False: no memory or random numbers. */
bool websocket_ask(struct transport *t);
void websocket_answer_readable(struct transport *t);

#endif
