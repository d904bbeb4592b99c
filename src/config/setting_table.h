/* SPDX-License-Identifier: Apache-2.0 */
/* A setting that is a table of rows with settings of their own. Errors say what is wrong, and in which row and column. */
#ifndef CONFIG_SETTING_TABLE_H
#define CONFIG_SETTING_TABLE_H

#include "config/settings.h"

struct cJSON;

/* Adds a row from "KEY=VALUE ..."; rows from an array of objects in place of those that are there. 0, or -1 and *err. */
int setting_table_add_text(const struct setting *row, void *values, const char *text, struct config_error *err);
int setting_table_set_json(const struct setting *row, void *values, const struct cJSON *value, struct config_error *err);
void setting_table_clear(const struct setting *row, void *values);
/* Whether `key` of a file stands for the setting `name`: "max-payload" is "max_payload" and "maxPayload", too. */
bool setting_key_names(const char *name, const char *key);

#endif
