/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration files in JSON (RFC 8259), read strictly: at most CONFIG_FILE_MAX bytes and CONFIG_DEPTH_MAX levels, one
 * object, no key twice, no control bytes and no NUL in strings. Errors begin with the file's name, and say line and
 * column (from 1, in bytes) where the text itself is wrong. Only this folder includes it.
 */
#ifndef CONFIG_JSON_H
#define CONFIG_JSON_H

#include <stddef.h>

#include "config/error.h"

struct cJSON;

/* The whole file in a heap block with a NUL behind it; NULL with *err and errno. */
char *json_load_text(const char *path, size_t *len, struct config_error *err);
/* The object in `text`, whose members number at most `members_max` at each level; free with cJSON_Delete(). */
struct cJSON *json_parse(const char *text, size_t len, const char *file, unsigned members_max, struct config_error *err);
/*
 * The number as decimal text without an exponent where it is whole, so that bounds are checked in one place; `out` holds
 * at least JSON_NUMBER_TEXT bytes.
 */
#define JSON_NUMBER_TEXT 32
void json_number_text(const struct cJSON *number, char out[static JSON_NUMBER_TEXT]);

#endif
