/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners from the environment, in the spellings of mProxy and mGate. */
#ifndef PROXY_ENVIRONMENT_H
#define PROXY_ENVIRONMENT_H

#include "proxy/settings.h"

/* Adds what the environment sets to the table `row` of `s`. False and *err ("MPROXY_...: reason"). */
bool environment_doors(const struct setting *row, struct proxy_settings *s, struct config_error *err);
/* The same for the variables of mProxy's versions before listeners had variables of their own (MPROXY_MQTT_PORT). */
bool environment_older_doors(const struct setting *row, struct proxy_settings *s, struct config_error *err);
/* The level that MPROXY_LOG_LEVEL asks for, where nothing else has said one. False and *err for a level that there is not. */
bool environment_level(struct log_settings *log, struct config_error *err);

#endif
