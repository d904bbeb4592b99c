/* SPDX-License-Identifier: Apache-2.0 */
/* What a service that asks for it is told of its visitor before the visitor's first byte: a head of the PROXY protocol. */
#ifndef CLIENT_GREETING_H
#define CLIENT_GREETING_H

#include <stdbool.h>

/*
 * `fd`: just connected, so there is room. `visitor`: "192.0.2.1:4711" as in OPEN; "" or anything else: nobody is named.
 * False: the connection is broken.
 */
bool greeting_send(int fd, unsigned version, const char *visitor);

#endif
