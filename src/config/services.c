/* SPDX-License-Identifier: Apache-2.0 */
/* The list of services: from a file, from arguments, by name. */
#include "config/services.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/label.h"
#include "config/json.h"
#include "config/service_domains.h"
#include "config/service_keys.h"
#include "config/target.h"
#include "mdm-tunnel/limits.h"

#define NAME_RULE "a name is 1 to 63 letters, digits and single hyphens inside"

/* -- one service of the file --------------------------------------------------------------------------------------- */

static int service_read(const cJSON *value, const char *file, struct service *out, struct config_error *err)
{
    const char *key = value->string;
    if (!label_normalise(key, strlen(key), out->name))
        return config_error_set(err, "%s: \"%.64s\": " NAME_RULE, file, key);
    return service_value_read(value, file, out, err);
}

/* -- the list ------------------------------------------------------------------------------------------------------ */

static int compare_services(const void *a, const void *b)
{
    return strcmp(((const struct service *)a)->name, ((const struct service *)b)->name);
}

/* Two keys that differ in case only are one name. */
static int services_sort(struct services *s, const char *file, struct config_error *err)
{
    if (s->count > 1)
        qsort(s->list, s->count, sizeof(*s->list), compare_services);
    for (size_t i = 1; i < s->count; i++) {
        if (strcmp(s->list[i - 1].name, s->list[i].name) == 0)
            return config_error_set(err, "%s: %s: stands twice", file, s->list[i].name);
    }
    return 0;
}

/* A server opens no more for one client. */
static int services_ports(const struct services *s, const char *file, struct config_error *err)
{
    unsigned count = 0;
    for (size_t i = 0; i < s->count; i++) {
        count += s->list[i].wants_port;
        if (count > PORTS_PER_CLIENT_MAX)
            return config_error_set(err, "%s: %s.tcp: more than %u services with public ports", file, s->list[i].name,
                                    PORTS_PER_CLIENT_MAX);
    }
    return 0;
}

/* All of them are said in one frame. */
static int services_weigh(const struct services *s, const char *file, struct config_error *err)
{
    size_t size = 0;
    for (size_t i = 0; i < s->count; i++)
        size += 1 + 1 + strlen(s->list[i].name) + 2 + s->list[i].rules_len;
    return size <= FRAME_SERVICES_MAX
               ? 0
               : config_error_set(err, "%s: the rules of all services are %zu bytes; %u are possible", file, size,
                                  FRAME_SERVICES_MAX);
}

static int services_read(const cJSON *root, const char *file, struct services *out, struct config_error *err)
{
    size_t count = (size_t)cJSON_GetArraySize(root);
    struct services s = {0, calloc(count > 0 ? count : 1, sizeof(*s.list))};
    if (s.list == NULL)
        return config_error_set(err, "%s: %s", file, strerror(ENOMEM));
    const cJSON *domains = NULL;
    for (const cJSON *m = root->child; m != NULL; m = m->next) {
        if (services_domains_is(m))
            domains = m;
        else if (service_read(m, file, &s.list[s.count++], err) != 0)
            goto failed;
    }
    if (services_sort(&s, file, err) != 0 || (domains != NULL && services_domains_read(&s, domains, file, err) != 0) || services_ports(&s, file, err) != 0 || services_weigh(&s, file, err) != 0)
        goto failed;
    *out = s;
    return 0;
failed:
    services_done(&s);
    return -1;
}

int services_parse(const char *text, size_t len, const char *file, struct services *out, struct config_error *err)
{
    cJSON *root = json_parse(text, len, file, SERVICES_MAX, err);
    if (root == NULL)
        return -1;
    int result = services_read(root, file, out, err);
    cJSON_Delete(root);
    return result;
}

int services_load(const char *path, struct services *out, struct config_error *err)
{
    size_t len = 0;
    char *text = json_load_text(path, &len, err);
    if (text == NULL)
        return -1;
    int result = services_parse(text, len, path, out, err);
    free(text);
    if (result != 0)
        errno = EINVAL;
    return result;
}

/* The place of `name`, or where it would stand. */
static size_t services_place(const struct services *s, const char *name, bool *found)
{
    size_t low = 0, high = s->count;
    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, s->list[middle].name);
        *found = order == 0;
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return high;
}

const struct service *services_find(const struct services *s, const char *name)
{
    bool found;
    size_t i = services_place(s, name, &found);
    return found ? &s->list[i] : NULL;
}

static int services_insert(struct services *s, const struct service *added, struct config_error *err)
{
    bool found;
    size_t i = services_place(s, added->name, &found);
    if (found || s->count >= SERVICES_MAX)
        return config_error_set(err, found ? "%s: stands twice" : "%s: too many services", added->name);
    struct service *list = realloc(s->list, (s->count + 1) * sizeof(*list));
    if (list == NULL)
        return config_error_set(err, "%s: %s", added->name, strerror(ENOMEM));
    memmove(list + i + 1, list + i, (s->count - i) * sizeof(*list));
    list[i] = *added;
    s->list = list;
    s->count++;
    return 0;
}

int services_add_argument(struct services *out, const char *argument, struct config_error *err)
{
    struct service added = {.kind = SERVICE_HTTP};
    struct config_error reason;
    const char *equals = strchr(argument, '=');
    if (equals == NULL)
        return config_error_set(err, "%.128s: not NAME=PORT, NAME=HOST:PORT or NAME=unix:/PATH", argument);
    if (!label_normalise(argument, (size_t)(equals - argument), added.name)) {
        return config_error_set(err, "%.128s: " NAME_RULE, argument);
    }
    if (target_parse(equals + 1, &added.target, &reason) != 0)
        return config_error_set(err, "%s%s", added.name, reason.text);
    return services_insert(out, &added, err);
}

void services_done(struct services *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->list[i].rules);
    free(s->list);
    *s = (struct services){0, NULL};
}

bool services_copy(const struct services *s, struct services *out)
{
    struct services copy = {0, calloc(s->count + 1, sizeof(*copy.list))};
    for (; copy.list != NULL && copy.count < s->count; copy.count++) {
        struct service *to = &copy.list[copy.count];
        *to = s->list[copy.count];
        if (to->rules == NULL)
            continue;
        to->rules = malloc(to->rules_len);
        if (to->rules == NULL)
            break;
        memcpy(to->rules, s->list[copy.count].rules, to->rules_len);
    }
    if (copy.list == NULL || copy.count < s->count) {
        services_done(&copy);
        return false;
    }
    *out = copy;
    return true;
}

bool services_may_be_offered(const struct services *s, bool encrypted, struct config_error *err)
{
    for (size_t i = 0; i < s->count && !encrypted; i++) {
        if (!s->list[i].secret)
            continue;
        config_error_set(err, "%s: its passwords or tokens would be shown to the broker: they need encryption", s->list[i].name);
        return false;
    }
    return true;
}
