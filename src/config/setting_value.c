/* SPDX-License-Identifier: Apache-2.0 */
/* The value of one setting. */
#include "config/setting_value.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/label.h"
#include "config/json.h"
#include "config/number.h"
#include "config/path.h"
#include "config/setting_table.h"
#include "mdm-tunnel/limits.h"

#define SECONDS_MAX (3650u * 86400u)
#define PORT_MAX    65535u

static void *value_of(const struct setting *row, void *values)
{
    return (char *)values + row->offset;
}

bool setting_has_value(const struct setting *row)
{
    return row->kind != SETTING_HELP && row->kind != SETTING_VERSION;
}

bool setting_has_argument(const struct setting *row)
{
    return setting_has_value(row) && row->kind != SETTING_FLAG;
}

static bool is_on_heap(const struct setting *row)
{
    return row->kind == SETTING_TEXT || row->kind == SETTING_SECRET || row->kind == SETTING_LIST || row->kind == SETTING_NAME ||
           row->kind == SETTING_PATH ||
           row->kind == SETTING_FILE;
}

void setting_clear(const struct setting *row, void *values)
{
    if (row->kind == SETTING_TABLE)
        setting_table_clear(row, values);
    if (!is_on_heap(row))
        return;
    char **value = value_of(row, values);
    if (row->kind == SETTING_SECRET && *value != NULL)
        explicit_bzero(*value, strlen(*value));
    free(*value);
    *value = NULL;
}

static size_t size_of(const struct setting *row)
{
    switch (row->kind) {
    case SETTING_FLAG:
        return sizeof(bool);
    case SETTING_NUMBER:
    case SETTING_PORT:
        return sizeof(unsigned);
    case SETTING_SECONDS:
        return sizeof(uint64_t);
    default:
        return sizeof(char *);
    }
}

bool setting_same(const struct setting *row, void *one, void *other)
{
    if (!is_on_heap(row))
        return memcmp(value_of(row, one), value_of(row, other), size_of(row)) == 0;
    const char *a = *(char **)value_of(row, one), *b = *(char **)value_of(row, other);
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void setting_swap(const struct setting *row, void *one, void *other)
{
    char kept[sizeof(uint64_t) > sizeof(char *) ? sizeof(uint64_t) : sizeof(char *)];
    memcpy(kept, value_of(row, one), size_of(row));
    memcpy(value_of(row, one), value_of(row, other), size_of(row));
    memcpy(value_of(row, other), kept, size_of(row));
}

bool setting_own(const struct setting *row, void *values)
{
    if (!is_on_heap(row))
        return true;
    char **value = value_of(row, values);
    bool any = *value != NULL;
    if (any)
        *value = strdup(*value);
    return !any || *value != NULL;
}

static int flag_set(bool *value, const char *text, struct config_error *err)
{
    bool on = strcmp(text, "true") == 0;
    if (!on && strcmp(text, "false") != 0)
        return config_error_set(err, "\"%.64s\" is neither true nor false", text);
    *value = on;
    return 0;
}

/* `copy` is on the heap, or NULL. */
static int heap_set(char **value, char *copy, struct config_error *err)
{
    if (copy == NULL)
        return config_error_set(err, "out of memory");
    free(*value);
    *value = copy;
    return 0;
}

static int text_set(char **value, const char *text, struct config_error *err)
{
    return heap_set(value, strdup(text), err);
}

static int list_add(char **value, const char *text, struct config_error *err)
{
    char *longer = NULL;
    if (text[0] == '\0' || strchr(text, '\n') != NULL)
        return config_error_set(err, "\"%.64s\" is empty, or has lines", text);
    if (asprintf(&longer, "%s%s\n", *value != NULL ? *value : "", text) < 0)
        longer = NULL;
    if (longer != NULL && strlen(longer) >= PATH_TEXT_MAX) {
        free(longer);
        return config_error_set(err, "too many");
    }
    return heap_set(value, longer, err);
}

static int name_set(char **value, const char *text, struct config_error *err)
{
    char name[LABEL_BYTES + 1];
    if (!label_normalise(text, strlen(text), name))
        return config_error_set(err, "\"%.64s\" is not 1 to 63 letters, digits and single hyphens inside", text);
    return heap_set(value, strdup(name), err);
}

static int path_set(char **value, const char *text, struct config_error *err)
{
    if (text[0] == '\0')
        return config_error_set(err, "empty path");
    char *path = path_expand(text);
    if (path == NULL)
        return config_error_set(err, "\"%.64s\": no home directory", text);
    return heap_set(value, path, err);
}

int setting_set_text(const struct setting *row, void *values, const char *text, struct config_error *err)
{
    void *value = value_of(row, values);
    if (strlen(text) >= PATH_TEXT_MAX)
        return config_error_set(err, "\"%.64s\"... is too long", text);
    switch (row->kind) {
    case SETTING_FLAG:
        return flag_set(value, text, err);
    case SETTING_NUMBER:
        return number_parse(text, row->min, row->max > 0 ? row->max : UINT_MAX, value, err);
    case SETTING_PORT:
        return number_parse(text, 0, PORT_MAX, value, err);
    case SETTING_SECONDS:
        return seconds_parse(text, row->min, row->max > 0 ? row->max : SECONDS_MAX, value, err);
    case SETTING_TEXT:
    case SETTING_SECRET:
        return text_set(value, text, err);
    case SETTING_LIST:
        return list_add(value, text, err);
    case SETTING_NAME:
        return name_set(value, text, err);
    case SETTING_PATH:
    case SETTING_FILE:
        return path_set(value, text, err);
    case SETTING_TABLE:
        return setting_table_add_text(row, values, text, err);
    case SETTING_HELP:
    case SETTING_VERSION:
        break;
    }
    return config_error_set(err, "has no value");
}

int setting_set_json(const struct setting *row, void *values, const cJSON *value, struct config_error *err)
{
    char number[JSON_NUMBER_TEXT];
    if (row->bare_text != NULL && cJSON_IsTrue(value))
        return setting_set_text(row, values, row->bare_text, err);
    if (row->bare_text != NULL && cJSON_IsFalse(value)) {
        setting_clear(row, values);
        return 0;
    }
    if (row->bare_text != NULL && cJSON_IsNumber(value)) {
        json_number_text(value, number);
        return setting_set_text(row, values, number, err);
    }
    switch (row->kind) {
    case SETTING_FLAG:
        if (!cJSON_IsBool(value))
            return config_error_set(err, "not true or false");
        return setting_set_text(row, values, cJSON_IsTrue(value) ? "true" : "false", err);
    case SETTING_NUMBER:
    case SETTING_PORT:
    case SETTING_SECONDS:
        if (!cJSON_IsNumber(value))
            return config_error_set(err, "not a number");
        json_number_text(value, number);
        return setting_set_text(row, values, number, err);
    case SETTING_TEXT:
    case SETTING_SECRET:
    case SETTING_LIST:
    case SETTING_NAME:
    case SETTING_PATH:
        if (!cJSON_IsString(value))
            return config_error_set(err, "not a string");
        return setting_set_text(row, values, value->valuestring, err);
    case SETTING_TABLE:
        return setting_table_set_json(row, values, value, err);
    case SETTING_HELP:
    case SETTING_VERSION:
    case SETTING_FILE:
        break;
    }
    return config_error_set(err, "for the command line only");
}
