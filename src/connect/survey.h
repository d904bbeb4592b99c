/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Survey: who is there, and what they offer. Asks each device that is known to the broker (or those that are named), waits
 * until no more news comes, and prints a line for each on standard output. Blocks the calling thread, which is no worker.
 */
#ifndef CONNECT_SURVEY_H
#define CONNECT_SURVEY_H

#include <stdint.h>

#include "config/error.h"
#include "relay/trust.h"
#include "relay/way.h"

struct survey_config {
    const char *instance;
    const struct way *way;
    const char *way_text;
    const char *const *ids; /* NULL-terminated, HUB_IDS_MAX at most; "+": everybody, where the broker allows that */
    struct trust *trust;
    uint64_t timeout_us; /* in all, once the broker is reached */
};

/* 0; or -1 and *err: no broker. */
int survey_run(const struct survey_config *config, struct config_error *err);

#endif
