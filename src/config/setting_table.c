/* SPDX-License-Identifier: Apache-2.0 */
/* Tables in settings. */
#include "config/setting_table.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "config/setting_value.h"

bool setting_key_names(const char *name, const char *key)
{
    for (;; name++, key++) {
        name += *name == '-';
        key += *key == '-' || *key == '_';
        if (tolower((unsigned char)*key) != *name)
            return false;
        if (*name == '\0')
            return true;
    }
}

static struct setting_table *table_of(const struct setting *row, void *values)
{
    return (struct setting_table *)(void *)((char *)values + row->offset);
}

static const struct setting *column_of(const struct setting *row, const char *key)
{
    for (const struct setting *c = row->columns; c->name != NULL; c++)
        if (setting_key_names(c->name, key))
            return c;
    return NULL;
}

void *settings_add_row(const struct setting *row, void *values)
{
    struct setting_table *t = table_of(row, values);
    char *list = t->count == row->max ? NULL : realloc(t->list, (t->count + 1) * row->size);
    if (list == NULL)
        return NULL;
    t->list = list;
    return memset(list + t->count++ * row->size, 0, row->size);
}

int settings_set_column(const struct setting *row, void *at, const char *name, const char *text, struct config_error *err)
{
    const struct setting *c = column_of(row, name);
    if (c == NULL)
        return config_error_set(err, "%.64s: unknown key", name);
    struct config_error reason;
    return setting_set_text(c, at, text, &reason) == 0 ? 0 : config_error_set(err, "%s: %s", c->name, reason.text);
}

static void row_clear(const struct setting *row, void *at)
{
    for (const struct setting *c = row->columns; c->name != NULL; c++)
        setting_clear(c, at);
}

void setting_table_clear(const struct setting *row, void *values)
{
    struct setting_table *t = table_of(row, values);
    for (unsigned i = 0; i < t->count; i++)
        row_clear(row, (char *)t->list + i * row->size);
    free(t->list);
    *t = (struct setting_table){0};
}

static int too_many(const struct setting *row, struct config_error *err)
{
    return config_error_set(err, "more than %u, or out of memory", row->max);
}

/* Words with '=' in them; a value with blanks stands in the file. */
int setting_table_add_text(const struct setting *row, void *values, const char *text, struct config_error *err)
{
    char *copy = strdup(text), *rest = NULL;
    void *at = copy == NULL ? NULL : settings_add_row(row, values);
    int result = at == NULL ? too_many(row, err) : 0;
    for (char *word = at == NULL ? NULL : strtok_r(copy, " \t", &rest); word != NULL && result == 0;
         word = strtok_r(NULL, " \t", &rest)) {
        char *value = strchr(word, '=');
        if (value == NULL) {
            result = config_error_set(err, "\"%.64s\" has no '='", word);
            break;
        }
        *value++ = '\0';
        result = settings_set_column(row, at, word, value, err);
    }
    free(copy);
    return result;
}

static int row_from_json(const struct setting *row, unsigned index, void *at, const cJSON *value, struct config_error *err)
{
    if (!cJSON_IsObject(value))
        return config_error_set(err, "[%u]: is no object", index);
    for (const cJSON *m = value->child; m != NULL; m = m->next) {
        struct config_error reason;
        const struct setting *c = column_of(row, m->string);
        if (c == NULL)
            config_error_set(&reason, "unknown key");
        else if (setting_set_json(c, at, m, &reason) == 0)
            continue;
        return config_error_set(err, "[%u].%.64s: %s", index, m->string, reason.text);
    }
    return 0;
}

int setting_table_set_json(const struct setting *row, void *values, const cJSON *value, struct config_error *err)
{
    unsigned index = 0;
    if (!cJSON_IsArray(value))
        return config_error_set(err, "is no array of objects");
    setting_table_clear(row, values);
    for (const cJSON *m = value->child; m != NULL; m = m->next, index++) {
        void *at = settings_add_row(row, values);
        if (at == NULL)
            return too_many(row, err);
        if (row_from_json(row, index, at, m, err) != 0)
            return -1;
    }
    return 0;
}
