/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of the keys that are rules for visitors: JSON to the rules of wire/rules.h. 0, or -1 with the error set, or -1
 * without one where the value does not have the form that the table of keys says. Only this folder includes it.
 */
#ifndef CONFIG_SERVICE_RULES_H
#define CONFIG_SERVICE_RULES_H

#include "config/service_keys.h"

int rule_read_path(struct service_draft *d, const struct cJSON *value);
int rule_read_domains(struct service_draft *d, const struct cJSON *value);
int rule_read_maintenance(struct service_draft *d, const struct cJSON *value);
int rule_read_auth(struct service_draft *d, const struct cJSON *value);
int rule_read_bearer(struct service_draft *d, const struct cJSON *value);
int rule_read_allow(struct service_draft *d, const struct cJSON *value);
int rule_read_deny(struct service_draft *d, const struct cJSON *value);
int rule_read_rate(struct service_draft *d, const struct cJSON *value);
int rule_read_max_streams(struct service_draft *d, const struct cJSON *value);
int rule_read_bandwidth(struct service_draft *d, const struct cJSON *value);
int rule_read_headers(struct service_draft *d, const struct cJSON *value);
int rule_read_host_header(struct service_draft *d, const struct cJSON *value);

#endif
