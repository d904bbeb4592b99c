/* SPDX-License-Identifier: Apache-2.0 */
/* Ask: a question to a device about its tunnels, and the answer's lines (STREAM_KIND_CONTROL). On one worker. */
#ifndef CONNECT_ASK_H
#define CONNECT_ASK_H

#include "peer/hub.h"

struct ask;

/* `text`: the answer, valid during the call; NULL: none, and why. The ask is gone then. */
typedef void ask_done_fn(void *ctx, char *text, const struct error *why);

/* `question`: "status", "disconnect". NULL and *why. */
struct ask *ask_open(struct hub_shard *hub, const char *device, const char *question, ask_done_fn *done, void *ctx,
                     const struct error **why);
/* No `done` any more. *a becomes NULL; NULL is allowed. */
void ask_cancel(struct ask **a);

/* The next line of an answer in fields between tabs, `max` at most; *text goes on to the line after it. What does not belong
 * on a terminal is replaced. Returns how many fields; 0: there is no line left. */
unsigned ask_fields(char **text, char **fields, unsigned max);

#endif
