/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be different when a request is sent again. */
#include "config/request_edit.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "config/json.h"
#include "mdm-tunnel/limits.h"

#define WHAT "request"

static bool no_memory(struct config_error *err)
{
    config_error_set(err, WHAT ": out of memory");
    return false;
}

static bool text_take(const cJSON *value, const char *key, char **out, struct config_error *err)
{
    if (!cJSON_IsString(value)) {
        config_error_set(err, WHAT ": %s: not a text", key);
        return false;
    }
    *out = strdup(value->valuestring);
    return *out != NULL || no_memory(err);
}

static bool fields_take(const cJSON *value, struct request_edit *e, struct config_error *err)
{
    size_t count = 0;
    if (!cJSON_IsArray(value)) {
        config_error_set(err, WHAT ": headers: not a list of pairs");
        return false;
    }
    e->has_fields = true;
    e->fields = calloc((size_t)cJSON_GetArraySize(value) + 1, sizeof(*e->fields));
    if (e->fields == NULL)
        return no_memory(err);
    for (const cJSON *pair = value->child; pair != NULL; pair = pair->next, count++) {
        const cJSON *name = cJSON_IsArray(pair) ? pair->child : NULL, *text = name != NULL ? name->next : NULL;
        if (!cJSON_IsString(name) || !cJSON_IsString(text) || text->next != NULL) {
            config_error_set(err, WHAT ": headers[%zu]: not a pair of texts", count);
            return false;
        }
        struct request_edit_field *f = &e->fields[e->field_count++];
        f->name = strdup(name->valuestring);
        f->value = strdup(text->valuestring);
        if (f->name == NULL || f->value == NULL)
            return no_memory(err);
    }
    return true;
}

static bool body_take(const cJSON *value, struct request_edit *e, struct config_error *err)
{
    char *text = NULL;
    if (e->has_body) {
        config_error_set(err, WHAT ": body, body_base64: give one of them");
        return false;
    }
    if (!text_take(value, "body", &text, err))
        return false;
    e->has_body = true;
    e->body = (uint8_t *)text;
    e->body_len = strlen(text);
    return true;
}

static bool base64_take(const cJSON *value, struct request_edit *e, struct config_error *err)
{
    if (!body_take(value, e, err))
        return false;
    if (base64_decode(e->body, &e->body_len))
        return true;
    config_error_set(err, WHAT ": body_base64: not base64");
    return false;
}

static bool member_take(const cJSON *m, struct request_edit *e, struct config_error *err)
{
    if (strcmp(m->string, "method") == 0)
        return text_take(m, "method", &e->method, err);
    if (strcmp(m->string, "path") == 0)
        return text_take(m, "path", &e->path, err);
    if (strcmp(m->string, "headers") == 0)
        return fields_take(m, e, err);
    if (strcmp(m->string, "body") == 0)
        return body_take(m, e, err);
    if (strcmp(m->string, "body_base64") == 0)
        return base64_take(m, e, err);
    config_error_set(err, WHAT ": %.64s: unknown key", m->string);
    return false;
}

int request_edit_parse(const char *text, size_t len, struct request_edit *out, struct config_error *err)
{
    struct request_edit e = {0};
    bool ok = true;
    cJSON *root = NULL;
    if (len > 0 && (root = json_parse(text, len, WHAT, HTTP_FIELDS_MAX, err)) == NULL)
        return -1;
    for (const cJSON *m = root != NULL ? root->child : NULL; ok && m != NULL; m = m->next)
        ok = member_take(m, &e, err);
    cJSON_Delete(root);
    if (ok)
        *out = e;
    else
        request_edit_done(&e);
    return ok ? 0 : -1;
}

void request_edit_done(struct request_edit *e)
{
    for (size_t i = 0; i < e->field_count; i++) {
        free(e->fields[i].name);
        free(e->fields[i].value);
    }
    free(e->fields);
    free(e->method);
    free(e->path);
    free(e->body);
    *e = (struct request_edit){0};
}
