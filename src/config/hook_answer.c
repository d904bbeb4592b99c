/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of HTTP callbacks. */
#include "config/hook_answer.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "config/json.h"

#define WHAT "answer"
#define MEMBERS_MAX 16

enum text_kind { TEXT, TEXT_OR_NULL, BASE64, BASE64_OR_NULL };

static const struct column {
    const char *name;
    enum text_kind kind;
    size_t offset;
} columns[] = {
    {"client_id", TEXT, offsetof(struct hook_answer, client_id)},
    {"username", TEXT_OR_NULL, offsetof(struct hook_answer, username)},
    {"password", BASE64_OR_NULL, offsetof(struct hook_answer, password)},
    {"topic", TEXT, offsetof(struct hook_answer, topic)},
    {"payload", BASE64, offsetof(struct hook_answer, payload)},
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static bool wrong(struct config_error *err, const char *key, const char *what)
{
    config_error_set(err, WHAT ": %s: %s", key, what);
    return false;
}

static bool number_take(const cJSON *m, unsigned min, unsigned max, unsigned *out, struct config_error *err)
{
    if (!cJSON_IsNumber(m))
        return wrong(err, m->string, "not a number");
    if (!(m->valuedouble >= min && m->valuedouble <= max) || m->valuedouble != (double)(unsigned)m->valuedouble) {
        char text[JSON_NUMBER_TEXT];
        json_number_text(m, text);
        config_error_set(err, WHAT ": %s: %s is not %u to %u", m->string, text, min, max);
        return false;
    }
    *out = (unsigned)m->valuedouble;
    return true;
}

static bool column_take(const cJSON *m, const struct column *c, struct hook_answer *a, struct config_error *err)
{
    struct hook_answer_text *t = (struct hook_answer_text *)(void *)((char *)a + c->offset);
    bool may_be_null = c->kind == TEXT_OR_NULL || c->kind == BASE64_OR_NULL;
    if (!cJSON_IsString(m) && !(may_be_null && cJSON_IsNull(m)))
        return wrong(err, m->string, "not a text");
    t->given = true;
    if (cJSON_IsNull(m))
        return true;
    t->at = strdup(m->valuestring);
    if (t->at == NULL)
        return wrong(err, m->string, "out of memory");
    t->len = strlen(t->at);
    if ((c->kind == BASE64 || c->kind == BASE64_OR_NULL) && !base64_decode((uint8_t *)t->at, &t->len))
        return wrong(err, m->string, "not base64");
    return true;
}

static bool words_take(const cJSON *m, struct hook_answer *a, struct config_error *err)
{
    if (!cJSON_IsString(m))
        return wrong(err, "words", "not a text");
    a->words = strdup(m->valuestring);
    return a->words != NULL || wrong(err, "words", "out of memory");
}

static bool member_take(const cJSON *m, struct hook_answer *a, struct config_error *err)
{
    unsigned qos = 0;
    for (size_t i = 0; i < COLUMNS; i++)
        if (strcmp(m->string, columns[i].name) == 0)
            return column_take(m, &columns[i], a, err);
    if (strcmp(m->string, "allow") == 0) {
        a->allow = cJSON_IsTrue(m);
        return cJSON_IsBool(m) || wrong(err, "allow", "neither true nor false");
    }
    if (strcmp(m->string, "reason") == 0)
        return number_take(m, 128, 255, &a->reason, err);
    if (strcmp(m->string, "words") == 0)
        return words_take(m, a, err);
    if (strcmp(m->string, "qos") == 0) {
        a->has_qos = number_take(m, 0, 2, &qos, err);
        a->qos = (uint8_t)qos;
        return a->has_qos;
    }
    config_error_set(err, WHAT ": %.64s: unknown key", m->string);
    return false;
}

int hook_answer_parse(const char *text, size_t len, struct hook_answer *out, struct config_error *err)
{
    struct hook_answer a = {0};
    cJSON *root = json_parse(text, len, WHAT, MEMBERS_MAX, err);
    if (root == NULL)
        return -1;
    bool ok = cJSON_GetObjectItemCaseSensitive(root, "allow") != NULL || wrong(err, "allow", "is missing");
    for (const cJSON *m = root->child; ok && m != NULL; m = m->next)
        ok = member_take(m, &a, err);
    cJSON_Delete(root);
    if (ok)
        *out = a;
    else
        hook_answer_done(&a);
    return ok ? 0 : -1;
}

bool hook_answer_changes(const struct hook_answer *a)
{
    return a->client_id.given || a->username.given || a->password.given || a->topic.given || a->payload.given || a->has_qos;
}

void hook_answer_done(struct hook_answer *a)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        struct hook_answer_text *t = (struct hook_answer_text *)(void *)((char *)a + columns[i].offset);
        if (t == &a->password && t->at != NULL)
            explicit_bzero(t->at, t->len);
        free(t->at);
    }
    free(a->words);
    *a = (struct hook_answer){0};
}
