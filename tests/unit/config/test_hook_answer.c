/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of HTTP callbacks. */
#include "config/hook_answer.h"

#include <string.h>

#include "tap.h"

static int parse(const char *text, struct hook_answer *a, struct config_error *err)
{
    err->text[0] = '\0';
    return hook_answer_parse(text, strlen(text), a, err);
}

static void good(void)
{
    struct hook_answer a;
    struct config_error err;
    OK_INT(parse("{\"allow\":true}", &a, &err), 0);
    OK(a.allow && a.reason == 0 && a.words == NULL && !hook_answer_changes(&a));
    hook_answer_done(&a);
    OK_INT(parse("{\"reason\":151,\"words\":\"too much\",\"allow\":false}", &a, &err), 0);
    OK(!a.allow && a.reason == 151 && !hook_answer_changes(&a));
    OK_TEXT(a.words, "too much");
    hook_answer_done(&a);
    OK_INT(parse("{\"allow\":true,\"username\":null,\"password\":\"AAEC\",\"client_id\":\"c\"}", &a, &err), 0);
    OK(hook_answer_changes(&a) && a.username.given && a.username.at == NULL && a.password.given && !a.topic.given);
    OK(a.password.len == 3 && memcmp(a.password.at, "\0\1\2", 3) == 0);
    OK_TEXT(a.client_id.at, "c");
    hook_answer_done(&a);
    OK_INT(parse("{\"allow\":true,\"topic\":\"a/b\",\"payload\":\"\"}", &a, &err), 0);
    OK(hook_answer_changes(&a) && a.payload.given && a.payload.len == 0 && a.payload.at != NULL);
    hook_answer_done(&a);
    OK_INT(parse("{\"allow\":true,\"qos\":0}", &a, &err), 0);
    OK(hook_answer_changes(&a) && a.has_qos && a.qos == 0);
    hook_answer_done(&a);
}

static void bad(void)
{
    static const char *const rows[][2] = {
        {"", "answer: line 1, column 1: not valid JSON"},
        {"yes", "answer: "},
        {"[]", "answer: not a JSON object"},
        {"{}", "answer: allow: is missing"},
        {"{\"allow\":true}}", "answer: line 1, column 15: not valid JSON"},
        {"{\"allow\":1}", "answer: allow: neither true nor false"},
        {"{\"allow\":\"true\"}", "answer: allow: neither true nor false"},
        {"{\"allow\":true,\"allow\":false}", "answer: key \"allow\" stands twice"},
        {"{\"Allow\":true}", "answer: allow: is missing"},
        {"{\"allow\":true,\"topc\":\"a\"}", "answer: topc: unknown key"},
        {"{\"allow\":true,\"topic\":null}", "answer: topic: not a text"},
        {"{\"allow\":true,\"topic\":\"a\\u0000b\"}", "answer: line 1, column 26: NUL character in a string"},
        {"{\"allow\":true,\"payload\":\"?\"}", "answer: payload: not base64"},
        {"{\"allow\":true,\"payload\":\"AAAA====\"}", "answer: payload: not base64"},
        {"{\"allow\":true,\"password\":\"AA\"}", "answer: password: not base64"},
        {"{\"allow\":false,\"reason\":7}", "answer: reason: 7 is not 128 to 255"},
        {"{\"allow\":false,\"reason\":135.5}", "answer: reason: 135.5 is not 128 to 255"},
        {"{\"allow\":false,\"reason\":-1e300}", "answer: reason: "},
        {"{\"allow\":true,\"qos\":3}", "answer: qos: 3 is not 0 to 2"},
        {"{\"allow\":true,\"qos\":\"1\"}", "answer: qos: not a number"},
        {"{\"allow\":false,\"words\":[]}", "answer: words: not a text"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct hook_answer a = {.reason = 1};
        struct config_error err;
        OK_INT(parse(rows[i][0], &a, &err), -1);
        if (!OK(strncmp(err.text, rows[i][1], strlen(rows[i][1])) == 0))
            OK_TEXT(err.text, rows[i][1]);
        OK_INT(a.reason, 1);
    }
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"answers are read", good},
        {"what is wrong is said, and changes nothing", bad},
    };
    return TAP_RUN(cases);
}
