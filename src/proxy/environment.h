/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners from the environment, in the spellings of mProxy and mGate. */
#ifndef PROXY_ENVIRONMENT_H
#define PROXY_ENVIRONMENT_H

#include "proxy/settings.h"

/* Adds what the environment sets to the table `row` of `s`. False and *err ("MPROXY_...: reason"). */
bool environment_doors(const struct setting *row, struct proxy_settings *s, struct config_error *err);

#endif
