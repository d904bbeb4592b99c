/* SPDX-License-Identifier: Apache-2.0 */
/* Where a program's own pages are reached: PORT (of 127.0.0.1), ADDRESS:PORT, [ADDRESS]:PORT or localhost:PORT. Pure. */
#ifndef WEB_ADDRESS_H
#define WEB_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "mdm-tunnel/limits.h"

struct web_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
    socklen_t len;
};

/* NULL, or what is wrong; *out is untouched then. Port 0: the kernel chooses. */
const char *web_address_parse(const char *text, struct web_address *out);
/* A list of them, with commas between. NULL, or what is wrong with the one in `bad` (cut). */
const char *web_addresses_parse(const char *list, struct web_address out[static WEB_ADDRESSES_MAX], unsigned *count, char bad[static 128]);

#endif
