/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many connections have not said yet who they are: in all, and from one address (an IPv6 network of 64 bits counts as
 * one). Shared by all workers, without a lock: counts by a keyed hash of the address, so that nobody can choose whom to
 * share one with.
 */
#ifndef GATE_STRANGERS_H
#define GATE_STRANGERS_H

#include <stdbool.h>
#include <stdint.h>

struct sockaddr;
struct strangers;

/* NULL without memory or random numbers. */
struct strangers *strangers_create(unsigned max, unsigned max_per_address);
void strangers_free(struct strangers **s);
/* Any thread. Not 0: it is counted, and given back to strangers_leave() once; 0: there are too many. */
uint32_t strangers_enter(struct strangers *s, const struct sockaddr *peer);
void strangers_leave(struct strangers *s, uint32_t place);

#endif
