/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where to listen, and for what: mqtt://[ADDRESS][:PORT], mqtts://, ws://[ADDRESS][:PORT][/PATH], wss://, http://[ADDRESS][:PORT][/PATH], https://. No address, or
 * `*`: all interfaces; an IPv6 address stands in brackets; port 0: the kernel chooses. Pure.
 */
#ifndef GATE_LISTEN_URL_H
#define GATE_LISTEN_URL_H

#include <stdbool.h>
#include <stdint.h>

#define LISTEN_ADDRESS_MAX 63
#define LISTEN_PATH_MAX 255

struct listen_url {
    const char *scheme; /* "mqtts", constant */
    bool tls, websocket, http;
    uint16_t port;                        /* the scheme's own when none is said */
    char address[LISTEN_ADDRESS_MAX + 1]; /* "": all interfaces; whether it is one is the kernel's to say */
    char path[LISTEN_PATH_MAX + 1];       /* of the WebSocket, "/mqtt" when none is said; of HTTP; else "" */
};

/* NULL, or what is wrong with the `len` bytes of text. */
const char *listen_url_parse(const char *text, unsigned len, struct listen_url *out);
/* Whether a WebSocket can be at this path: it begins with a slash, no blanks, no query. */
bool listen_path_valid(const char *path);

#endif
