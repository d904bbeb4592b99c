/* SPDX-License-Identifier: Apache-2.0 */
/* The token of a program's own pages: a line of visible ASCII in a file. */
#ifndef CONFIG_TOKEN_H
#define CONFIG_TOKEN_H

#include "config/error.h"
#include "config/state.h"

/* What stands in the file at `path`; where that is NULL, in `name` in the state directory, made when it is missing. Heap, to be
 * freed with token_free(); NULL and *err. */
char *token_load(struct state *s, const char *name, const char *path, struct config_error *err);
/* Wipes it first; NULL is allowed. */
void token_free(char *token);

#endif
