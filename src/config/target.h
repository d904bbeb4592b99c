/* SPDX-License-Identifier: Apache-2.0 */
/* Reads targets for the services file and the command line; target_text() in services.h is the way back. */
#ifndef CONFIG_TARGET_H
#define CONFIG_TARGET_H

#include "config/services.h"

/* "PORT", "HOST:PORT", "[IPV6]:PORT" or "unix:/PATH". 0, or -1 and *err (".port: 70000 is above 65535", ": ..."). */
int target_parse(const char *text, struct target *out, struct config_error *err);

#endif
