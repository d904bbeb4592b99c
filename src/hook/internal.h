/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this layer share. */
#ifndef HOOK_INTERNAL_H
#define HOOK_INTERNAL_H

#include "base/object.h"
#include "hook/chain.h"
#include "mdm-tunnel/limits.h"

#define CHAIN_MAGIC 0x68636861u

struct hook_chain {
    OBJECT_MAGIC;
    unsigned count;
    struct mdm_hook hooks[HOOKS_MAX]; /* copies: what is not in one of an older header is NULL */
    struct hook_wants wants;
};

/* What hooks may call. */
extern const struct mdm_hook_host hook_host;

#endif
