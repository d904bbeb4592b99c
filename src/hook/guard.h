/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks as the guard of the embedded broker: its connections are asked about as the proxy's are (mdm-tunnel-hook(3)), but for
 * `intercept` and `rewrite`.
 */
#ifndef HOOK_GUARD_H
#define HOOK_GUARD_H

#include "broker/broker.h"
#include "hook/chain.h"

struct hook_guard;

/* `c` outlives it. NULL: no memory. */
struct hook_guard *hook_guard_create(const struct hook_chain *c);
/* For broker_config: what hooks have no function for is NULL. */
const struct broker_guard *hook_guard_for_broker(const struct hook_guard *g);
/* After the broker. NULL in *g is allowed. */
void hook_guard_free(struct hook_guard **g);

#endif
