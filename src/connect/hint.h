/* SPDX-License-Identifier: Apache-2.0 */
/* How a way that is open is used: lines on standard output that can be copied into a shell or a browser. */
#ifndef CONNECT_HINT_H
#define CONNECT_HINT_H

#include "connect/wish.h"

/* `address` as in struct door: "127.0.0.1:4444". One write(2). */
void hint_print(const struct wish *w, const char *address, uint16_t port);

/* The same for a service that is public at `address` ("HOST:PORT"). */
void hint_public(const struct wish *w, const char *address);

#endif
