/* SPDX-License-Identifier: Apache-2.0 */
/* Dial: from a target to a connected socket, one address after the other, within DIAL_TIMEOUT_US. Never blocks. */
#ifndef DIAL_DIAL_H
#define DIAL_DIAL_H

#include "base/clock.h"
#include "dial/lookup.h"
#include "config/services.h"
#include "wire/error.h"

#define DIAL_TIMEOUT_US (10 * US_PER_S)

struct dial;

/* `fd`: connected, non-blocking, the callee's; or -1, the error for the visitor and the reason in words. */
typedef void dial_done_fn(void *ctx, int fd, const struct error *error, const char *why);

/*
 * *slot is the dial while it runs, and NULL before `done` is called, which may be from inside this call. The target is
 * copied as far as needed.
 */
void dial_start(struct dial **slot, struct worker *worker, struct lookups *lookups, const struct target *target,
                dial_done_fn *done, void *ctx);
/* No `done` any more. NULL is allowed. */
void dial_cancel(struct dial **slot);

/* What a visitor is told of an errno of connect(2) or socket(2). */
const struct error *dial_error(int error);

#endif
