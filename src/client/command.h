/* SPDX-License-Identifier: Apache-2.0 */
/* What mdm-tunnel-client is told to do instead of serving: words on its command line. */
#ifndef CLIENT_COMMAND_H
#define CLIENT_COMMAND_H

#include <stdbool.h>

#include "client/options.h"

/* Whether the words are a command. */
bool command_is(char *const *words, int count);
/* Does it; says on stderr what is wrong. Returns the exit status. */
int command_run(struct options *o, char *const *words, int count);

#endif
