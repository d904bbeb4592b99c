/* SPDX-License-Identifier: Apache-2.0 */
/* What a gateway has for a WebSocket; a direction of it is a *flow*. */
#ifndef PROXY_HTTP_FRAMES_H
#define PROXY_HTTP_FRAMES_H

#include "proxy/http.h"

/* In front of a message: its frame's head. */
#define FLOW_ROOM WEBSOCKET_HEAD_MASKED_MAX
/* CLOSE has the status in front of its words. */
#define FRAMES_WORDS_MAX (WEBSOCKET_CONTROL_MAX - 2)

/* What hooks are asked about a message, in their order. */
enum flow_step { FLOW_BEFORE, FLOW_PUBLISH, FLOW_AFTER, FLOW_LEAVES };

struct gateway_flow {
    struct gateway *gateway;
    struct websocket_decoder decoder;
    bool up;
    bool reads;            /* messages are collected */
    bool closed;           /* a CLOSE has come: nothing behind it goes on any more */
    struct chunk *message; /* the current one behind FLOW_ROOM; NULL: none */
    size_t len;
    bool changed;            /* by a hook */
    uint8_t step;            /* enum flow_step */
    struct mdm_question *q;  /* a hook thinks about it; NULL: none */
    struct mdm_question *said; /* that of auth_publish, whose topic is told; NULL: none */
    uint64_t since_us;       /* of the question */
};

struct gateway_frames {
    struct gateway_flow up, down;
    bool told; /* hooks have heard `connect` */
    uint64_t mask_key[2], mask_count;
    uint64_t since_us; /* of our CLOSE */
    uint16_t status;   /* of our CLOSE; 0: none is due */
    uint8_t words_len;
    char words[FRAMES_WORDS_MAX];
    size_t topic_len;
    char topic[];
};

/* A mask that nobody can foresee (RFC 6455 10.3). */
void frames_mask_make(struct gateway_frames *f, uint8_t mask[static 4]);

/* -- http_message.c */
/* Room for so many bytes more of the current message; false: no memory. */
bool flow_room(struct gateway_flow *w, size_t more);
/* It is whole: to hooks, and on. */
void flow_message(struct gateway_flow *w);
/* Nobody thinks about it any more. */
void flow_forget(struct gateway_flow *w);

#endif
