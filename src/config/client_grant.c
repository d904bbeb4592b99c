/* SPDX-License-Identifier: Apache-2.0 */
/* Options of a line: words to functions. */
#include "config/client_grant.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/pattern.h"
#include "config/day.h"
#include "config/error.h"
#include "config/number.h"
#include "config/port_list.h"

/* -- values -------------------------------------------------------------------------------------------------------- */

static const char *expires_read(struct client_grant *g, const char *value)
{
    return day_parse(value, strlen(value), &g->expires) ? NULL : "not a day (YYYY-MM-DD)";
}

static const char *services_read(struct client_grant *g, const char *value)
{
    size_t len = strlen(value);
    if (len == 0 || len > GRANT_SERVICES_MAX || strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-*,") != len)
        return "not patterns of services with ',' between";
    memcpy(g->services, value, len + 1);
    return NULL;
}

static const char *streams_read(struct client_grant *g, const char *value)
{
    struct config_error err;
    return number_parse(value, 1, STREAMS_PER_SESSION_MAX, &g->streams, &err) == 0 ? NULL : "not a number of streams";
}

static const char *bandwidth_read(struct client_grant *g, const char *value)
{
    struct config_error err;
    unsigned number;
    if (number_parse(value, 1024, UINT32_MAX, &number, &err) != 0)
        return "not a bandwidth (bytes a second, 1024 or more)";
    g->bandwidth = number;
    return NULL;
}

static const char *rate_read(struct client_grant *g, const char *value)
{
    struct config_error err;
    return number_parse(value, 1, RATE_MAX, &g->rate, &err) == 0 ? NULL : "not a rate (requests a second)";
}

static const char *ports_read(struct client_grant *g, const char *value)
{
    struct config_error err;
    size_t len = strlen(value);
    bool valid = strcmp(value, "none") == 0 || (strspn(value, "0123456789-,") == len && port_list_check(value, len, &err) == 0);
    if (!valid || len > GRANT_PORTS_MAX)
        return "not ports (\"none\", or PORT and FIRST-LAST with ',' between)";
    memcpy(g->ports, value, len + 1);
    return NULL;
}

/* -- options ------------------------------------------------------------------------------------------------------- */

static const struct option {
    const char *name;
    const char *(*read)(struct client_grant *g, const char *value);
} options[] = {
    {"expires", expires_read}, {"services", services_read}, {"streams", streams_read},
    {"bandwidth", bandwidth_read}, {"rate", rate_read}, {"ports", ports_read},
};

static bool is_said(const struct client_grant *g, const char *name)
{
    return strcmp(name, "expires") == 0     ? g->expires != INT64_MAX
           : strcmp(name, "services") == 0  ? g->services[0] != '\0'
           : strcmp(name, "streams") == 0   ? g->streams > 0
           : strcmp(name, "bandwidth") == 0 ? g->bandwidth > 0
           : strcmp(name, "rate") == 0      ? g->rate > 0
                                            : g->ports[0] != '\0';
}

const char *client_grant_option(struct client_grant *g, const char *text, size_t len)
{
    char copy[GRANT_SERVICES_MAX + 16];
    if (len >= sizeof(copy))
        return "too long";
    memcpy(copy, text, len);
    copy[len] = '\0';
    char *value = strchr(copy, '=');
    if (value == NULL)
        return "unknown option";
    *value++ = '\0';
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (strcmp(options[i].name, copy) == 0)
            return is_said(g, copy) ? "stands twice" : options[i].read(g, value);
    return "unknown option";
}

void client_grant_text(const struct client_grant *g, char *out, size_t size)
{
    char date[16];
    time_t at = (time_t)g->expires;
    struct tm tm;
    FILE *f = fmemopen(out, size, "w");
    if (f == NULL) {
        out[0] = '\0';
        return;
    }
    if (g->expires != INT64_MAX && gmtime_r(&at, &tm) != NULL && strftime(date, sizeof(date), "%Y-%m-%d", &tm) > 0)
        fprintf(f, " expires=%s", date);
    if (g->services[0] != '\0')
        fprintf(f, " services=%s", g->services);
    if (g->streams > 0)
        fprintf(f, " streams=%u", g->streams);
    if (g->bandwidth > 0)
        fprintf(f, " bandwidth=%llu", (unsigned long long)g->bandwidth);
    if (g->rate > 0)
        fprintf(f, " rate=%u", g->rate);
    if (g->ports[0] != '\0')
        fprintf(f, " ports=%s", g->ports);
    fputc('\0', f);
    fclose(f);
}

bool client_grant_service(const struct client_grant *g, const char *name)
{
    for (const char *at = g->services; *at != '\0';) {
        size_t len = strcspn(at, ",");
        char pattern[GRANT_SERVICES_MAX + 1];
        memcpy(pattern, at, len);
        pattern[len] = '\0';
        if (pattern_matches(pattern, name))
            return true;
        at += len + (at[len] == ',');
    }
    return g->services[0] == '\0';
}

bool client_grant_port(const struct client_grant *g, uint16_t port)
{
    return g->ports[0] == '\0' || (strcmp(g->ports, "none") != 0 && port_list_has(g->ports, strlen(g->ports), "localhost", port, PORT_TCP));
}
