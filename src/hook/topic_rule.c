/* SPDX-License-Identifier: Apache-2.0 */
/* Rules and topics, level by level. */
#include "hook/topic_rule.h"

#include <stdio.h>
#include <string.h>

#include "mdm-tunnel/hook.h"

/* -- what stands for something ---------------------------------------------------------------------------------------- */

static const char *value_of(const char **at, const struct mdm_session *s)
{
    if (strncmp(*at, "%u", 2) == 0) {
        *at += 2;
        return s->username;
    }
    if (strncmp(*at, "%c", 2) == 0) {
        *at += 2;
        return s->client_id[0] != '\0' ? s->client_id : NULL;
    }
    if (strncmp(*at, "%{cn}", 5) == 0) {
        *at += 5;
        return s->certificate_cn;
    }
    *at += strncmp(*at, "%%", 2) == 0 ? 2 : 1;
    return "%";
}

bool topic_rule_expand(const char *pattern, const struct mdm_session *s, char *out, size_t size)
{
    size_t len = 0;
    while (*pattern != '\0') {
        const char *value = pattern;
        size_t n = strcspn(pattern, "%");
        if (n == 0) {
            value = value_of(&pattern, s);
            if (value == NULL || value[0] == '\0' || strpbrk(value, "/+#") != NULL)
                return false;
            n = strlen(value);
        } else {
            pattern += n;
        }
        if (n >= size - len)
            return false;
        memcpy(out + len, value, n);
        len += n;
    }
    out[len] = '\0';
    return true;
}

/* -- levels ----------------------------------------------------------------------------------------------------------- */

/* The level at *at, which becomes NULL behind the last one. */
static size_t level(const char **at, const char **text)
{
    *text = *at;
    size_t len = strcspn(*at, "/");
    *at = (*at)[len] == '/' ? *at + len + 1 : NULL;
    return len;
}

static bool is(const char *text, size_t len, char sign) { return len == 1 && text[0] == sign; }

/* A wildcard in front is no topic of the broker's own (4.7.2). */
static bool own_topics_differ(const char *rule, const char *filter)
{
    return filter[0] == '$' && (rule[0] == '#' || rule[0] == '+');
}

bool topic_rule_covers(const char *rule, const char *filter)
{
    if (own_topics_differ(rule, filter))
        return false;
    while (rule != NULL && filter != NULL) {
        const char *r, *f;
        size_t rule_len = level(&rule, &r), len = level(&filter, &f);
        if (is(r, rule_len, '#'))
            return true;
        if (is(f, len, '#'))
            return false;
        if (!is(r, rule_len, '+') && (rule_len != len || memcmp(r, f, len) != 0 || is(f, len, '+')))
            return false;
    }
    return filter == NULL && (rule == NULL || strcmp(rule, "#") == 0);
}

bool topic_rule_overlaps(const char *rule, const char *filter)
{
    if (own_topics_differ(rule, filter) || own_topics_differ(filter, rule))
        return false;
    while (rule != NULL && filter != NULL) {
        const char *r, *f;
        size_t rule_len = level(&rule, &r), len = level(&filter, &f);
        if (is(r, rule_len, '#') || is(f, len, '#'))
            return true;
        if (!is(r, rule_len, '+') && !is(f, len, '+') && (rule_len != len || memcmp(r, f, len) != 0))
            return false;
    }
    return (rule == NULL && filter == NULL) || (filter == NULL && strcmp(rule, "#") == 0) || (rule == NULL && strcmp(filter, "#") == 0);
}

/* -- rewriting -------------------------------------------------------------------------------------------------------- */

size_t topic_rule_rewrite(const char *from, const char *to, const char *topic, char *out, size_t size)
{
    size_t from_len = strlen(from), to_len = strlen(to);
    bool open = from_len >= 2 && strcmp(from + from_len - 2, "/#") == 0;
    if (open) {
        from_len -= 2;
        to_len -= 2;
    }
    if (strncmp(topic, from, from_len) != 0)
        return 0;
    const char *rest = topic + from_len;
    if (rest[0] != '\0' && !(open && rest[0] == '/'))
        return 0;
    int len = snprintf(out, size, "%.*s%s", (int)to_len, to, rest);
    return len > 0 && (size_t)len < size ? (size_t)len : 0;
}
