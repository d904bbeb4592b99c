/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Survey: who is there, and what they offer; which tunnels there are, or their end. Asks each device that is known to the
 * broker (or those that are named), waits until all have answered or no more news comes, and prints lines on standard
 * output. Blocks the calling thread, which is no worker.
 */
#ifndef CONNECT_SURVEY_H
#define CONNECT_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "config/error.h"
#include "relay/trust.h"
#include "relay/way.h"

enum survey_question { SURVEY_LIST, SURVEY_STATUS, SURVEY_DISCONNECT };

struct survey_config {
    enum survey_question question;
    bool named; /* nobody else is waited for */
    const char *instance;
    const struct way *way;
    const char *way_text;
    const char *const *ids; /* NULL-terminated, HUB_IDS_MAX at most; "+": everybody, where the broker allows that */
    struct trust *trust;
    uint64_t timeout_us; /* in all, once the broker is reached */
};

/* 0; or -1 and *err: no broker, or a device that was named did not answer. */
int survey_run(const struct survey_config *config, struct config_error *err);

#endif
