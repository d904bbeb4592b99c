/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Crowd: how many connections of some kind there are, in all, and from one address (an IPv6 network of 64 bits counts as
 * one). Shared by all workers, without a lock: counts by a keyed hash of the address, so that nobody can choose whom to
 * share one with.
 */
#ifndef GATE_CROWD_H
#define GATE_CROWD_H

#include <stdbool.h>
#include <stdint.h>

struct crowd;
struct sockaddr;

/* `max_per_address` 0: any number. NULL without memory or random numbers. */
struct crowd *crowd_create(unsigned max, unsigned max_per_address);
void crowd_free(struct crowd **c);
/*
 * One more from `peer`; NULL: it counts in all, and for no address. Any thread. Not 0: it has a place, which is given back
 * to crowd_leave() once; 0: there are too many.
 */
uint32_t crowd_enter(struct crowd *c, const struct sockaddr *peer);
/* Nothing happens with *place 0, which it becomes. */
void crowd_leave(struct crowd *c, uint32_t *place);

#endif
