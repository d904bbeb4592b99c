/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the rules of a service and as credentials: refused, or written again they are the same, and what they make
 * of a request's head is one head with the fields that they say.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "mdm-tunnel/limits.h"
#include "wire/http_head_edit.h"
#include "wire/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD "POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YTpi\r\nX-A: 1\r\nCookie: b\r\nX-A: 2\r\n\r\n"

static void check_again(const uint8_t *data, size_t size)
{
    static uint8_t again[SERVICE_RULES_MAX];
    struct bytes_writer w;
    struct bytes_reader r;
    struct rule rule;
    bytes_writer_init(&w, again, sizeof(again));
    bytes_reader_init(&r, data, size);
    while (rules_next(&r, &rule)) {
        size_t at = bytes_written(&w);
        if ((rule.code & 0x80) == 0)
            continue;
        assert(rule_write(&w, (enum rule_code)rule.code, rule.value, rule.len) == NULL && !w.failed);
        assert(memcmp(again + at, rule.value - 3, rule.len + 3) == 0);
    }
    assert(rules_check(again, bytes_written(&w)) == NULL);
}

static void check_edit(const uint8_t *data, size_t size)
{
    static char out[SERVICE_RULES_MAX + sizeof(HEAD)];
    struct http_field set[64];
    struct http_text removed[64], value;
    struct http_edit e = {.set = set, .remove = removed};
    struct bytes_writer w;
    struct bytes_reader r;
    struct rule rule;
    bytes_reader_init(&r, data, size);
    while (rules_next(&r, &rule)) {
        if (rule.code == RULE_request_set || rule.code == RULE_response_set)
            set[e.set_count++] = rule_field(&rule);
        else if (rule.code == RULE_request_remove || rule.code == RULE_response_remove)
            removed[e.remove_count++] = rule_text(&rule);
        else if (rule.code == RULE_host_header)
            e.host = rule_text(&rule);
    }
    bytes_writer_init(&w, out, sizeof(out));
    http_head_edit(&w, http_text_of(HEAD), &e);
    assert(!w.failed);
    struct http_text head = {out, bytes_written(&w)};
    assert(memmem(out, head.len, "\r\n\r\n", 4) == out + head.len - 4);
    assert(http_head_find(head, "host", &value) == 1);
    assert(e.host.len == 0 || (value.len == e.host.len && memcmp(value.at, e.host.at, value.len) == 0));
}

static void check_credentials(const uint8_t *data, size_t size)
{
    char out[64];
    const char *user, *password;
    struct http_text text = {(const char *)data, size}, token;
    if (http_basic_parse(text, out, sizeof(out), &user, &password))
        assert(user == out && password == user + strlen(user) + 1 && password + strlen(password) < out + sizeof(out));
    if (http_bearer_parse(text, &token))
        assert(token.len > 0 && token.at >= text.at && token.at + token.len <= text.at + text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_credentials(data, size);
    if (size > SERVICE_RULES_MAX || rules_check(data, size) != NULL)
        return 0;
    check_again(data, size);
    check_edit(data, size);
    return 0;
}
