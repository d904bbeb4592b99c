/* SPDX-License-Identifier: Apache-2.0 */
/* Matching without recursion: the last '*' is enough to go back to. */
#include "base/pattern.h"

#include <stddef.h>
#include <string.h>

bool pattern_has_star(const char *pattern) { return strchr(pattern, '*') != NULL; }

bool pattern_matches(const char *pattern, const char *name)
{
    const char *star = NULL, *from = NULL;
    while (*name != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            from = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (star != NULL) {
            pattern = star + 1;
            name = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}
