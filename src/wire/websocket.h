/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket (RFC 6455, version 13), the server's end and the client's: frames as bytes <-> events, and what a request and its
 * answer must say. As MQTT wants it (MQTT 5 6.0): binary messages only, as a stream of bytes, where it is not told where messages
 * begin. Or messages of both kinds, whose end is told (`messages`). Strict: reserved bits and opcodes, a missing mask, lengths that
 * could be shorter, fragments out of place end it. No extensions, but for who only passes frames on (`extended`). Pure.
 */
#ifndef WIRE_WEBSOCKET_H
#define WIRE_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/http_request.h"

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

/* RFC 6455 7.4.1 */
enum websocket_status {
    WEBSOCKET_NORMAL = 1000,
    WEBSOCKET_GOING_AWAY = 1001,
    WEBSOCKET_PROTOCOL_ERROR = 1002,
    WEBSOCKET_UNACCEPTABLE = 1003,
    WEBSOCKET_POLICY = 1008,
    WEBSOCKET_TOO_BIG = 1009,
};

#define WEBSOCKET_CONTROL_MAX 125
#define WEBSOCKET_HEAD_MAX 14

/* -- what the other end sends ----------------------------------------------------------------------------------------- */

enum websocket_event {
    WEBSOCKET_MORE,    /* all was taken; only bytes of messages were in it */
    WEBSOCKET_MESSAGE, /* with `messages`: the last byte of one was written; its kind is in `message`: call again with the rest */
    WEBSOCKET_CONTROL, /* a PING, PONG or CLOSE is in `opcode`, `control`, `control_len`: call again with the rest */
    WEBSOCKET_BAD,     /* close with `status`; `why` for the log */
};

/* Zeroed at the start, but for the first four. */
struct websocket_decoder {
    bool from_server;   /* frames come without a mask */
    bool messages;      /* text is taken, too; WEBSOCKET_MESSAGE is told */
    bool extended;      /* data frames may have reserved bits: an extension was agreed on */
    uint64_t frame_max; /* 0: WEBSOCKET_FRAME_MAX */
    uint8_t head[WEBSOCKET_HEAD_MAX];
    uint8_t head_len; /* bytes of a head that is not complete; of the current frame while `left` > 0 */
    bool in_frame, in_message;
    uint8_t opcode; /* of the current frame */
    uint8_t message; /* of the current message */
    uint8_t mask[4];
    uint8_t mask_at;
    uint64_t left; /* of the current frame's payload */
    uint8_t control[WEBSOCKET_CONTROL_MAX];
    uint8_t control_len;
    uint16_t status;
    const char *why;
};

/*
 * Takes `len` bytes: *used of them, up to the end of a control frame. Bytes of messages are written to `out` (*written;
 * never more than `len`), without their mask. `out` may be `in`; NULL: nobody wants them, and *written stays 0.
 */
enum websocket_event websocket_decode(struct websocket_decoder *d, const uint8_t *in, size_t len, size_t *used,
                                      uint8_t *out, size_t *written);
/* Whether what was taken ends with a frame. */
bool websocket_between_frames(const struct websocket_decoder *d);
/* How many of the bytes that come next are of the current frame for sure; 0: none has begun. */
uint64_t websocket_frame_left(const struct websocket_decoder *d);
/* What a CLOSE says: its status, 1005 when it says none; 0 when it is not valid. */
unsigned websocket_close_status(const struct websocket_decoder *d);

/* -- what we send ----------------------------------------------------------------------------------------------------- */

/* The head of an unfragmented frame without a mask: 2, 4 or 10 bytes. */
#define WEBSOCKET_HEAD_OURS_MAX 10
size_t websocket_head_size(size_t payload);
size_t websocket_head_write(uint8_t out[static WEBSOCKET_HEAD_OURS_MAX], enum websocket_opcode opcode, size_t payload);

/* The same with a mask, for a client: 6, 8 or 14 bytes. The payload follows, written with websocket_mask(). */
#define WEBSOCKET_HEAD_MASKED_MAX WEBSOCKET_HEAD_MAX
size_t websocket_head_masked_write(uint8_t out[static WEBSOCKET_HEAD_MASKED_MAX], enum websocket_opcode opcode,
                                   size_t payload, const uint8_t mask[static 4]);
/* Writes `len` bytes of a frame's payload with their mask to `out`, from the frame's start; `out` may be `in`. */
void websocket_mask(const uint8_t mask[static 4], const uint8_t *in, size_t len, uint8_t *out);

/* -- the request ------------------------------------------------------------------------------------------------------ */

/* What a request says about the WebSocket that it wants. */
struct websocket_offer {
    struct http_text key; /* Sec-WebSocket-Key, checked: 16 bytes in base64 */
    struct http_text origin; /* empty: none */
};

/* Whether a request that http_request_check() took asks for a WebSocket with one protocol of ours among its own (NULL: any). */
bool websocket_wanted(const struct http_request *r, const struct http_request_facts *facts, const char *protocol);
/*
 * Whether it does so rightly (RFC 6455 4.2.1). 0, or the status to answer (400, 405, 426) and the reason in *why; a 426
 * goes with "Sec-WebSocket-Version: 13". `protocol`: one of ours, NULL: any.
 */
unsigned websocket_offer_check(const struct http_request *r, const struct http_request_facts *facts,
                               const char *protocol, struct websocket_offer *offer, const char **why);

/*
 * Origins (RFC 6454) that pages may have which ask for a WebSocket, with commas between them. Whether such a list is one (*wrong:
 * the element that is not); and whether a request may come: its Origin is listed, or it has none, as it is no browser's.
 */
bool websocket_origins_valid(const char *origins, struct http_text *wrong);
bool websocket_origin_listed(const struct http_request *r, const char *origins);

/*
 * What is wrong with a server's answer to our request for a WebSocket, as words (constant); NULL: it is one. `accept`: what
 * Sec-WebSocket-Accept has to say. A server that chooses no protocol is taken at its 101. `protocol` NULL: any.
 */
const char *websocket_answer_wrong(const struct http_response *r, const char *accept, const char *protocol);

/* What Sec-WebSocket-Accept is the SHA-1 of, in base64: the key and this. */
#define WEBSOCKET_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

#endif
