/* SPDX-License-Identifier: Apache-2.0 */
/* Names with '*' for any characters, none included. */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H

#include <stdbool.h>

bool pattern_has_star(const char *pattern);
/* The whole name; in time linear in both for one '*', and at most their product. */
bool pattern_matches(const char *pattern, const char *name);

#endif
