/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a services file: refused with a text, or a sorted list that survives the way through its own text. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/label.h"
#include "config/services.h"
#include "mdm-tunnel/limits.h"
#include "wire/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_target(const struct target *t)
{
    assert(t->kind == TARGET_TCP || t->kind == TARGET_UNIX);
    if (t->kind == TARGET_TCP)
        assert(t->port > 0 && t->host[0] != '\0' && memchr(t->host, '\0', sizeof(t->host)) != NULL);
    else
        assert(t->path[0] == '/' && memchr(t->path, '\0', sizeof(t->path)) != NULL);
}

/* "NAME=TARGET" of a service gives the same service. */
static void check_round_trip(const struct service *s)
{
    char text[264], argument[400];
    struct services again = {0, NULL};
    struct config_error err;
    target_text(&s->target, text, sizeof(text));
    snprintf(argument, sizeof(argument), "%s=%s", s->name, text);
    assert(services_add_argument(&again, argument, &err) == 0);
    assert(again.count == 1 && memcmp(&again.list[0].target, &s->target, sizeof(s->target)) == 0);
    services_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct services s = {4711, NULL};
    struct config_error err = {""};
    if (services_parse((const char *)data, size, "file", &s, &err) != 0) {
        assert(s.count == 4711 && s.list == NULL);
        assert(strncmp(err.text, "file: ", 6) == 0 && err.text[6] != '\0');
        return 0;
    }
    assert(s.count <= SERVICES_MAX);
    for (size_t i = 0; i < s.count; i++) {
        char name[LABEL_BYTES + 1];
        assert(label_normalise(s.list[i].name, strlen(s.list[i].name), name) && strcmp(name, s.list[i].name) == 0);
        assert(i == 0 || strcmp(s.list[i - 1].name, s.list[i].name) < 0);
        assert(services_find(&s, s.list[i].name) == &s.list[i]);
        check_target(&s.list[i].target);
        assert(s.list[i].rules_len <= SERVICE_RULES_MAX && (s.list[i].rules == NULL) == (s.list[i].rules_len == 0));
        assert(rules_check(s.list[i].rules, s.list[i].rules_len) == NULL);
        check_round_trip(&s.list[i]);
    }
    services_done(&s);
    return 0;
}
