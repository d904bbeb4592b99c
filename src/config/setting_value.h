/* SPDX-License-Identifier: Apache-2.0 */
/* The value of one setting: text or JSON to the program's struct. Errors say what is wrong, not where. */
#ifndef CONFIG_SETTING_VALUE_H
#define CONFIG_SETTING_VALUE_H

#include "config/settings.h"

struct cJSON;

bool setting_has_value(const struct setting *row); /* has a place in the struct */
bool setting_has_argument(const struct setting *row);
/* 0, or -1 and *err; the value before stays then. */
int setting_set_text(const struct setting *row, void *values, const char *text, struct config_error *err);
int setting_set_json(const struct setting *row, void *values, const struct cJSON *value, struct config_error *err);
/* Frees what is on the heap. */
void setting_clear(const struct setting *row, void *values);

/* Two programs' structs: whether the values are equal; and each gets the other's. */
bool setting_same(const struct setting *row, void *one, void *other);
void setting_swap(const struct setting *row, void *one, void *other);
/* A text that another struct has, too, becomes the struct's own. False without memory: it is NULL then. */
bool setting_own(const struct setting *row, void *values);

#endif
