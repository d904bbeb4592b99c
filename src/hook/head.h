/* SPDX-License-Identifier: Apache-2.0 */
/* A request's head as hooks see it: in NUL-terminated pieces, where it stands. */
#ifndef HOOK_HEAD_H
#define HOOK_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "mdm-tunnel/hook.h"

struct hook_head {
    const char *method, *target;
    struct mdm_header *headers; /* heap */
    size_t count;
};

/*
 * Splits `text`, a request that was found valid before. `with_line`: the request line comes first, with the name "" (then method and
 * target are no pieces of their own). False: it is not valid, or no memory.
 */
bool hook_head_split(struct hook_head *h, char *text, size_t len, bool with_line);

#endif
