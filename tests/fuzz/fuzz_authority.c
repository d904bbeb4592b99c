/* SPDX-License-Identifier: Apache-2.0 */
/* Host, targets, lists, lengths and names out of the same bytes. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "wire/frame.h"
#include "wire/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_only(struct http_text t, const char *set)
{
    for (size_t i = 0; i < t.len; i++)
        if (t.at[i] == '\0' || strchr(set, t.at[i]) == NULL)
            return false;
    return true;
}

static void check_authority(struct http_text t)
{
    static const char set[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._[]:";
    struct http_authority a, again;
    char text[300];
    if (!http_authority_parse(t, &a))
        return;
    assert(a.host.len > 0 && a.host.len <= 253 && a.port <= 65535 && a.host.at == t.at && has_only(a.host, set));
    int n = snprintf(text, sizeof(text), "%.*s", (int)a.host.len, a.host.at);
    if (a.port > 0)
        n += snprintf(text + n, sizeof(text) - (size_t)n, ":%u", a.port);
    assert(http_authority_parse((struct http_text){text, (size_t)n}, &again));
    assert(http_text_equal(a.host, again.host) && a.port == again.port);
}

static void check_target(struct http_text t)
{
    struct http_target target;
    bool valid = http_target_parse(t, &target);
    assert(valid == http_target_valid(t));
    if (!valid)
        return;
    for (size_t i = 0; i < t.len; i++)
        assert((uint8_t)t.at[i] > ' ' && t.at[i] != 0x7f && t.at[i] != '#');
    assert(target.path.at + target.path.len == t.at + t.len);
    if (target.form == HTTP_TARGET_ABSOLUTE)
        assert(target.scheme.len + 3 + target.authority.len + target.path.len == t.len);
    else
        assert(target.path.len == t.len);
}

static void check_list(struct http_text t)
{
    struct http_text rest = t, element;
    const char *last = t.at;
    while (http_list_next(&rest, &element)) {
        assert(element.len > 0 && element.at >= last && element.at + element.len <= rest.at);
        last = element.at + element.len;
    }
    assert(rest.len == 0 && rest.at == t.at + t.len);
}

static void check_length(struct http_text t)
{
    uint64_t n;
    if (http_content_length_parse(t, &n))
        assert(n <= HTTP_LENGTH_MAX && has_only(t, "0123456789, \t"));
}

static void check_name(struct http_text t)
{
    char name[64], again[64];
    if (!name_normalise(t.at, t.len, name))
        return;
    assert(strlen(name) == t.len && strstr(name, "--") == NULL);
    assert(name_normalise(name, t.len, again) && strcmp(name, again) == 0);
    assert(http_text_is(t, name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct http_text t = {(const char *)data, size};
    check_authority(t);
    check_target(t);
    check_list(t);
    check_length(t);
    check_name(t);
    return 0;
}
