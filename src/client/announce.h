/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Announce: the URL of the one service that the command line names, on standard output, also as a QR code where that is wanted; once,
 * until it is another. Worker 0's.
 */
#ifndef CLIENT_ANNOUNCE_H
#define CLIENT_ANNOUNCE_H

#include "client/publicity.h"

struct announce {
    bool silent; /* another place shows it */
    bool qr;     /* wanted */
    char last[PUBLIC_URL_MAX];
};

/* client_config.announce; `ctx` is a struct announce, zeroed but for what is wanted. */
void announce_url(void *ctx, const char *service, const char *url);

#endif
