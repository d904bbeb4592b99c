/* SPDX-License-Identifier: Apache-2.0 */
/* The services file's own key "domains": names for the client as a whole. Only this folder includes it. */
#ifndef CONFIG_SERVICE_DOMAINS_H
#define CONFIG_SERVICE_DOMAINS_H

#include "config/services.h"

struct cJSON;

/* Whether this member of the file is the list, not a service: a service is never a list. */
bool services_domains_is(const struct cJSON *member);
/*
 * Gives the services the domains: "HOST" to those that have a path and to the one named default, "*.HOST" to each under its
 * name. `s` is sorted. 0, or -1 and *err.
 */
int services_domains_read(struct services *s, const struct cJSON *list, const char *file, struct config_error *err);

#endif
