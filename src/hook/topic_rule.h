/* SPDX-License-Identifier: Apache-2.0 */
/* Filters of rules against topics and filters of clients. Pure. */
#ifndef HOOK_TOPIC_RULE_H
#define HOOK_TOPIC_RULE_H

#include <stdbool.h>
#include <stddef.h>

struct mdm_session;

/*
 * `pattern` with %u, %c and %{cn} (and %% for '%') replaced by what the session has, into `out`. False: it has none, or what it has
 * could mean more than one level or a wildcard ('/', '+', '#'), or it does not fit.
 */
bool topic_rule_expand(const char *pattern, const struct mdm_session *s, char *out, size_t size);
/* Whether every topic that `filter` asks for is one of `rule`'s. */
bool topic_rule_covers(const char *rule, const char *filter);
/* Whether some topic may be of both. */
bool topic_rule_overlaps(const char *rule, const char *filter);
/* FROM becomes TO in a topic or filter: its length, 0 when FROM does not fit it. Both may end in "/#". */
size_t topic_rule_rewrite(const char *from, const char *to, const char *topic, char *out, size_t size);

#endif
