/* SPDX-License-Identifier: Apache-2.0 */
/* Domains of the client, said to the server as domains of its services. */
#include "config/service_domains.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "mdm-tunnel/limits.h"
#include "wire/domain.h"
#include "wire/rules.h"

#define DOMAINS_OF_CLIENT_MAX 8 /* beside what a service has itself */

bool services_domains_is(const cJSON *member) { return cJSON_IsArray(member) && strcmp(member->string, "domains") == 0; }

static bool has_path(const struct service *s)
{
    struct bytes_reader r;
    struct rule rule;
    bytes_reader_init(&r, s->rules, s->rules_len);
    while (rules_next(&r, &rule))
        if (rule.code == RULE_path)
            return true;
    return false;
}

/* NULL, or why it cannot have the name. */
static const char *domain_add(struct service *s, const char *name, size_t len)
{
    uint8_t bytes[DOMAIN_TEXT_MAX + 8];
    struct bytes_writer w;
    bytes_writer_init(&w, bytes, sizeof(bytes));
    const char *why = rule_write(&w, RULE_domain, name, len);
    size_t added = bytes_written(&w);
    if (why != NULL || s->rules_len + added > SERVICE_RULES_MAX)
        return why != NULL ? why : "more rules than fit (16 KiB)";
    uint8_t *rules = realloc(s->rules, s->rules_len + added);
    if (rules == NULL)
        return strerror(ENOMEM);
    memcpy(rules + s->rules_len, bytes, added);
    s->rules = rules;
    s->rules_len += added;
    return rules_check(rules, s->rules_len) == NULL ? NULL : "a service has more than 16 domains";
}

static const char *domain_spread(struct services *all, const char *name)
{
    char own[64 + DOMAIN_TEXT_MAX + 1];
    bool wildcard = strncmp(name, "*.", 2) == 0, given = false;
    if (!domain_pattern_valid(http_text_of(name)))
        return "not a host name, or \"*.\" and one";
    for (size_t i = 0; i < all->count; i++) {
        struct service *s = &all->list[i];
        if (s->kind == SERVICE_TCP || (!wildcard && strcmp(s->name, "default") != 0 && !has_path(s)))
            continue;
        int len = snprintf(own, sizeof(own), "%s%s", wildcard ? s->name : name, wildcard ? name + 1 : "");
        const char *why = domain_add(s, own, (size_t)len);
        if (why != NULL)
            return why;
        given = true;
    }
    return given ? NULL : "no service has a path or is named default";
}

int services_domains_read(struct services *s, const cJSON *list, const char *file, struct config_error *err)
{
    char name[DOMAIN_TEXT_MAX + 1];
    unsigned i = 0;
    if (cJSON_GetArraySize(list) > DOMAINS_OF_CLIENT_MAX)
        return config_error_set(err, "%s: domains: more than %u", file, DOMAINS_OF_CLIENT_MAX);
    for (const cJSON *m = list->child; m != NULL; m = m->next, i++) {
        const char *why = "not a host name, or \"*.\" and one";
        if (cJSON_IsString(m) && domain_lower(http_text_of(m->valuestring), name))
            why = domain_spread(s, name);
        if (why != NULL)
            return config_error_set(err, "%s: domains[%u]: %s", file, i, why);
    }
    return 0;
}
