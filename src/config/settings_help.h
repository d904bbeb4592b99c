/* SPDX-License-Identifier: Apache-2.0 */
/* --help, written from the table. */
#ifndef CONFIG_SETTINGS_HELP_H
#define CONFIG_SETTINGS_HELP_H

#include "config/settings.h"

void settings_help(const struct settings_table *t, FILE *out);

#endif
