/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hook that asks a file of rules (config/acl.h). Passwords are compared on threads of their own; an edit takes effect for what
 * is asked from then on, one that is wrong changes nothing.
 */
#ifndef HOOK_RULES_H
#define HOOK_RULES_H

#include "base/worker.h"
#include "config/error.h"
#include "hook/chain.h"

struct hook_rules;

/* Reads the file and adds the hook, which lives until rules_free(). `workers` have not started. NULL and *err. */
struct hook_rules *rules_create(struct hook_chain *c, const char *path, struct worker *const *workers, unsigned count,
                                struct config_error *err);
/* Reads the file again; any thread. The outcome is in the log. */
void rules_reload(struct hook_rules *r);
/* Before the workers stop: no answer follows. */
void rules_stop(struct hook_rules *r);
/* After the workers have stopped, and before they are freed. */
void rules_free(struct hook_rules **r);

#endif
