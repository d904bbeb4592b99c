/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to a Sec-WebSocket-Key (RFC 6455 4.2.2). Pure. */
#ifndef GATE_ACCEPT_KEY_H
#define GATE_ACCEPT_KEY_H

#include "wire/http.h"

#define WEBSOCKET_ACCEPT_BYTES 28

/* `key` is one that websocket_offer_check() took. False without memory. */
bool websocket_accept_key(struct http_text key, char accept[static WEBSOCKET_ACCEPT_BYTES + 1]);

#endif
