/* SPDX-License-Identifier: Apache-2.0 */
/* A listening TCP socket of one worker: SO_REUSEPORT, IPv6 and IPv4. */
#ifndef GATE_LISTENER_H
#define GATE_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * `address` NULL: all interfaces. *port 0: the kernel chooses and *port tells. The `first` one must have the port to
 * itself (EADDRINUSE); the others with that port join in.
 * The descriptor (non-blocking, close-on-exec), or -1 and errno (EINVAL: not an address).
 */
int listener_open(const char *address, uint16_t *port, bool first);

#endif
