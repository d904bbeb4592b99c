/* SPDX-License-Identifier: Apache-2.0 */
/* The first thing that is asked at the gate: from which address a visitor comes, whether it may, and how often. */
#ifndef SERVER_GATE_ADDRESS_H
#define SERVER_GATE_ADDRESS_H

#include "base/counters.h"
#include "server/edge.h"

struct exchange;
struct worker;

/* How often one address may do something; what is counted is `what` and `name` together. */
struct gate_rate {
    const char *what, *name; /* at most 16 and METER_NAME_MAX bytes */
    uint32_t per_1000_s, burst;
};

/* The visitor's; behind proxies that are trusted, the one that they speak for. */
void gate_address(const struct exchange *ex, uint8_t out[static CIDR_ADDRESS_BYTES]);
/* One more; 0, or how long to wait in microseconds. */
uint64_t gate_rate_take(struct edge *e, struct worker *w, const struct gate_rate *rate,
                        const uint8_t address[static CIDR_ADDRESS_BYTES]);
/* As the rules of a service say. NULL, or why not, *counted as what, and how long to wait. */
const struct error *gate_address_check(const struct edge_rules *rules, struct worker *w,
                                       const uint8_t address[static CIDR_ADDRESS_BYTES], enum counter *counted,
                                       uint64_t *wait_us);
/* One more stream of `opens` a second (0: any number) is opened for a visitor from there; 0, or how long to wait in microseconds, which is counted. */
uint64_t gate_open_wait(struct edge *e, struct worker *w, uint32_t opens, const uint8_t address[static CIDR_ADDRESS_BYTES]);

#endif
