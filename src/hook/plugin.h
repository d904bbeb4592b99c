/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks in shared objects. */
#ifndef HOOK_PLUGIN_H
#define HOOK_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>

struct hook_chain;

/*
 * Loads "FILE" or "FILE=SETTINGS" and adds its hook; blocks as long as that takes. The object stays loaded until the process
 * ends. False with the reason in `error`.
 */
bool hook_plugin_add(struct hook_chain *c, const char *what, char *error, size_t error_size);
/* The same for lines of them, each ending in '\n'; NULL: none. */
bool hook_plugins_add(struct hook_chain *c, const char *lines, char *error, size_t error_size);

#endif
