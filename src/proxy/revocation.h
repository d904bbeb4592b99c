/* SPDX-License-Identifier: Apache-2.0 */
/* From a listener's settings to the checks of clients' and the target's certificates. */
#ifndef PROXY_REVOCATION_H
#define PROXY_REVOCATION_H

#include "proxy/settings.h"
#include "revoke/revoke.h"

/*
 * What is asked about clients, and about the target: NULL where nothing is. `watcher` (not running yet) watches the files.
 * `subject` is for the log and outlives both. False with `why`; what was made is the caller's either way.
 */
bool revocation_of_clients(const struct door_settings *s, struct worker *watcher, const char *subject, struct revoke **out,
                           char why[static 512]);
bool revocation_of_target(const struct door_settings *s, struct worker *watcher, const char *subject, struct revoke **out,
                          char why[static 512]);

#endif
