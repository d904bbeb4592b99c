/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of a service: words to functions. */
#include "config/service_keys.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/json.h"
#include "config/number.h"
#include "config/service_rules.h"
#include "config/target.h"
#include "wire/rules.h"

int draft_error(struct service_draft *d, const char *what)
{
    d->said = true;
    return config_error_set(d->err, "%s: %s%s%s", d->file, d->path, what[0] == '.' || what[0] == ':' ? "" : ": ", what);
}

size_t draft_enter(struct service_draft *d, const char *member, unsigned element)
{
    size_t mark = strlen(d->path);
    if (member != NULL)
        snprintf(d->path + mark, sizeof(d->path) - mark, ".%.64s", member);
    else
        snprintf(d->path + mark, sizeof(d->path) - mark, "[%u]", element);
    return mark;
}

void draft_leave(struct service_draft *d, size_t mark) { d->path[mark] = '\0'; }

static int target_read(struct service_draft *d, const cJSON *value)
{
    struct config_error reason;
    char number[JSON_NUMBER_TEXT];
    const char *text = number;
    if (cJSON_IsNumber(value))
        json_number_text(value, number);
    else if (cJSON_IsString(value))
        text = value->valuestring;
    else
        return draft_error(d, "not a port, \"HOST:PORT\" or \"unix:/PATH\"");
    return target_parse(text, &d->out->target, &reason) == 0 ? 0 : draft_error(d, reason.text);
}

static int kind_read(struct service_draft *d, const cJSON *value)
{
    const char *kind = cJSON_IsString(value) ? value->valuestring : "";
    static const char *const names[] = {[SERVICE_HTTP] = "http", [SERVICE_TLS] = "tls", [SERVICE_TCP] = "tcp"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(kind, names[i]) != 0)
            continue;
        d->out->kind = (enum service_kind)i;
        d->kind_said = true;
        return 0;
    }
    return draft_error(d, "none of \"http\", \"tls\" and \"tcp\"");
}

/* A service with a public port is of kind tcp: what passes there is nobody's to read, so its HTTP name would have other rules. */
static int tcp_read(struct service_draft *d, const cJSON *value)
{
    struct config_error reason;
    char number[JSON_NUMBER_TEXT];
    unsigned port = 0;
    bool any = cJSON_IsString(value) && strcmp(value->valuestring, "auto") == 0;
    if (!any && !cJSON_IsNumber(value))
        return -1;
    if (!any) {
        json_number_text(value, number);
        if (number_parse(number, 1, UINT16_MAX, &port, &reason) != 0)
            return draft_error(d, reason.text);
    }
    if (d->kind_said && d->out->kind != SERVICE_TCP)
        return draft_error(d, "a service with a public port is of kind tcp");
    d->out->kind = SERVICE_TCP;
    d->out->wants_port = true;
    d->out->public_port = (uint16_t)port;
    rule_write_port(&d->rules, RULE_public_port, (uint16_t)port);
    return 0;
}

/* A service that is told of its visitor gets each visitor's requests on a connection of their own. */
static int proxy_protocol_read(struct service_draft *d, const cJSON *value)
{
    if (!cJSON_IsNumber(value) || (value->valuedouble != 1 && value->valuedouble != 2))
        return draft_error(d, "neither 1 nor 2");
    d->out->proxy_protocol = (unsigned)value->valuedouble;
    if (d->out->kind == SERVICE_HTTP)
        rule_write_number(&d->rules, RULE_one_visitor, d->out->proxy_protocol);
    return 0;
}

/* In the order in which they are read: target, and what says the kind, come first. */
static const struct key {
    const char *name;
    int (*read)(struct service_draft *d, const cJSON *value);
    const char *form; /* what is written in the file */
    bool http;        /* the server has to read what passes */
} keys[] = {
    {"target", target_read, "PORT, \"HOST:PORT\" or \"unix:/PATH\"", false},
    {"kind", kind_read, "\"http\", \"tls\" or \"tcp\"", false},
    {"tcp", tcp_read, "a port, or \"auto\"", false},
    {"proxy_protocol", proxy_protocol_read, "1 or 2", false},
    {"path", rule_read_path, "\"/PREFIX\" or {\"prefix\": \"/PREFIX\", \"strip\": true}", true},
    {"domains", rule_read_domains, "\"HOST\" or \"*.DOMAIN\", or a list of them", false},
    {"maintenance", rule_read_maintenance, "true, false or what visitors are told", false},
    {"auth", rule_read_auth, "{\"USER\": \"HASH\", ...}", true},
    {"bearer", rule_read_bearer, "\"TOKEN\" or \"sha256:HEX\", or a list of them", true},
    {"allow", rule_read_allow, "\"ADDRESS/BITS\", or a list of them", false},
    {"deny", rule_read_deny, "\"ADDRESS/BITS\", or a list of them", false},
    {"rate", rule_read_rate, "N or {\"requests\": N, \"burst\": N}", false},
    {"max_streams", rule_read_max_streams, "N", false},
    {"bandwidth", rule_read_bandwidth, "BYTES or {\"up\": BYTES, \"down\": BYTES}", false},
    {"headers", rule_read_headers, "{\"request\": {\"set\": {...}, \"remove\": [...]}, \"response\": ...}", true},
    {"host_header", rule_read_host_header, "\"target\" or \"HOST:PORT\"", true},
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

static const struct key *key_find(const char *name)
{
    for (size_t i = 0; i < KEYS; i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

static int members_known(struct service_draft *d, const cJSON *object)
{
    for (const cJSON *m = object->child; m != NULL; m = m->next) {
        if (key_find(m->string) != NULL)
            continue;
        draft_enter(d, m->string, 0);
        return draft_error(d, "unknown key");
    }
    return cJSON_GetObjectItemCaseSensitive(object, "target") != NULL ? 0 : draft_error(d, "\"target\" is missing");
}

static int key_read(struct service_draft *d, const struct key *k, const cJSON *value)
{
    size_t mark = draft_enter(d, k->name, 0);
    int result = !k->http || d->out->kind == SERVICE_HTTP ? k->read(d, value)
                 : draft_error(d, d->out->kind == SERVICE_TLS ? "the server does not read what passes to a service of kind tls"
                                                              : "the server does not read what passes to a service of kind tcp");
    if (result != 0 && !d->said) {
        char expected[200];
        snprintf(expected, sizeof(expected), "expected %s", k->form);
        draft_error(d, expected);
    }
    draft_leave(d, mark);
    return result;
}

static int object_read(struct service_draft *d, const cJSON *object)
{
    if (members_known(d, object) != 0)
        return -1;
    for (size_t i = 0; i < KEYS; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, keys[i].name);
        if (value != NULL && key_read(d, &keys[i], value) != 0)
            return -1;
    }
    if (d->rules.failed)
        return draft_error(d, "more rules than fit (16 KiB)");
    return 0;
}

static int rules_keep(struct service_draft *d)
{
    size_t len = bytes_written(&d->rules);
    d->out->rules = len == 0 ? NULL : malloc(len);
    if (len > 0 && d->out->rules == NULL)
        return draft_error(d, strerror(ENOMEM));
    if (len > 0)
        memcpy(d->out->rules, d->bytes, len);
    d->out->rules_len = len;
    return 0;
}

int service_value_read(const cJSON *value, const char *file, struct service *out, struct config_error *err)
{
    struct service_draft *d = malloc(sizeof(*d));
    if (d == NULL)
        return config_error_set(err, "%s: %s", file, strerror(ENOMEM));
    d->out = out;
    d->file = file;
    d->err = err;
    d->said = d->kind_said = false;
    snprintf(d->path, sizeof(d->path), "%s", out->name);
    bytes_writer_init(&d->rules, d->bytes, sizeof(d->bytes));
    int result = cJSON_IsObject(value) ? object_read(d, value) : target_read(d, value);
    if (result == 0)
        result = rules_keep(d);
    free(d);
    return result;
}
