/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams over a stream: each stands behind its length (u16), so they stay whole. What the stream has no room for is lost,
 * as on any way of UDP: nothing waits, nothing grows. On the conduit's worker.
 */
#ifndef RELAY_DATAGRAM_H
#define RELAY_DATAGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mdm-tunnel/limits.h"
#include "peer/conduit.h"

/* Room in front of a datagram's bytes, for datagram_write(). */
#define DATAGRAM_HEAD 2

/* The next one that has come whole: its bytes in `out`, its credit given back. False: there is none yet. */
bool datagram_read(struct conduit *c, uint8_t out[static DATAGRAM_MAX], size_t *len);
/* `buffer` has DATAGRAM_HEAD bytes, which are written to, and then `len` of the datagram. False: it is lost. */
bool datagram_write(struct conduit *c, uint8_t *buffer, size_t len);

#endif
