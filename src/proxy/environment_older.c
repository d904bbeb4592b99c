/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mProxy's variables up to its version 0.3: one listener for MQTT and one for MQTT over WebSocket, both with TLS or both
 * without (CLIENT_TLS). Both are there as soon as one of the variables is set, as they were.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/environment.h"

#define PREFIX "MPROXY_"

/* A variable, its second spelling, and what is published for it. */
struct older {
    const char *name, *also, *standard;
};

enum place { HOST, PORT, TLS_PORT, PATH, TLS_PATH, TARGET_SCHEME, TARGET_HOST, TARGET_PORT, TARGET_PATH, PLACES };

/* "": there is none, and nothing stands there. */
static const struct older listeners[][PLACES] = {
    {
        [HOST] = {"MQTT_HOST", "", ""},
        [PORT] = {"MQTT_PORT", "", "1883"},
        [TLS_PORT] = {"MQTTS_PORT", "", "8883"},
        [PATH] = {"", "", ""},
        [TLS_PATH] = {"", "", ""},
        [TARGET_SCHEME] = {"", "", "mqtt"},
        [TARGET_HOST] = {"MQTT_TARGET_HOST", "", "localhost"},
        [TARGET_PORT] = {"MQTT_TARGET_PORT", "", "1884"},
        [TARGET_PATH] = {"", "", ""},
    },
    {
        [HOST] = {"MQTT_WS_HOST", "WS_HOST", ""},
        [PORT] = {"MQTT_WS_PORT", "WS_PORT", "8080"},
        [TLS_PORT] = {"MQTT_WSS_PORT", "WSS_PORT", "8081"},
        [PATH] = {"MQTT_WS_PATH", "WS_PATH", "/mqtt"},
        [TLS_PATH] = {"MQTT_WSS_PATH", "WSS_PATH", "/mqtt"},
        [TARGET_SCHEME] = {"MQTT_WS_TARGET_SCHEME", "WS_TARGET_SCHEME", "ws"},
        [TARGET_HOST] = {"MQTT_WS_TARGET_HOST", "WS_TARGET_HOST", "localhost"},
        [TARGET_PORT] = {"MQTT_WS_TARGET_PORT", "WS_TARGET_PORT", "8888"},
        [TARGET_PATH] = {"MQTT_WS_TARGET_PATH", "WS_TARGET_PATH", "/mqtt"},
    },
};
#define LISTENERS (sizeof(listeners) / sizeof(listeners[0]))

static const char *variable(const char *name)
{
    char full[64];
    snprintf(full, sizeof(full), PREFIX "%s", name);
    const char *value = name[0] == '\0' ? NULL : getenv(full);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

static const char *older_value(const struct older *o)
{
    const char *value = variable(o->name);
    return value != NULL ? value : variable(o->also);
}

static const char *value_of(const struct older *places, enum place place)
{
    const char *value = older_value(&places[place]);
    return value != NULL ? value : places[place].standard;
}

static bool any_is_set(void)
{
    static const char *const both[] = {"CLIENT_TLS", "CA_CERTS", "SERVER_CERT", "SERVER_KEY"};
    for (size_t i = 0; i < sizeof(both) / sizeof(both[0]); i++)
        if (variable(both[i]) != NULL)
            return true;
    for (size_t i = 0; i < LISTENERS; i++)
        for (size_t j = 0; j < PLACES; j++)
            if (older_value(&listeners[i][j]) != NULL)
                return true;
    return false;
}

/* The words that Go has for it. */
static bool flag_read(const char *name, bool *out, struct config_error *err)
{
    static const char *const words[] = {"false", "true", "False", "True", "FALSE", "TRUE", "f", "t", "F", "T", "0", "1"};
    const char *value = variable(name);
    *out = false;
    for (size_t i = 0; value != NULL && i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(value, words[i]) == 0) {
            *out = i % 2 == 1;
            return true;
        }
    }
    if (value != NULL)
        config_error_set(err, PREFIX "%s: \"%.64s\" is neither true nor false", name, value);
    return value == NULL;
}

static bool column_set(const struct setting *row, void *at, const char *column, const char *text, const char *names,
                       struct config_error *err)
{
    struct config_error reason;
    if (text == NULL || settings_set_column(row, at, column, text, &reason) == 0)
        return true;
    config_error_set(err, PREFIX "%s: %s", names, reason.text);
    return false;
}

static const char *slash_before(const char *path) { return path[0] == '\0' || path[0] == '/' ? "" : "/"; }

/* `places` with the scheme "mqtt" or "ws". */
static bool older_add(const struct setting *row, struct proxy_settings *s, const struct older *places, bool tls, struct config_error *err)
{
    char listen[512], target[512];
    const char *path = value_of(places, tls ? TLS_PATH : PATH), *behind = value_of(places, TARGET_PATH);
    void *at = settings_add_row(row, s);
    if (at == NULL) {
        config_error_set(err, PREFIX "%s...: too many listeners", places[HOST].name);
        return false;
    }
    snprintf(listen, sizeof(listen), "%s%s://%s:%s%s%s", places == listeners[0] ? "mqtt" : "ws", tls ? "s" : "", value_of(places, HOST),
             value_of(places, tls ? TLS_PORT : PORT), slash_before(path), path);
    snprintf(target, sizeof(target), "%s://%s:%s%s%s", value_of(places, TARGET_SCHEME), value_of(places, TARGET_HOST),
             value_of(places, TARGET_PORT), slash_before(behind), behind);
    return column_set(row, at, "listen", listen, places[PORT].name, err) &&
           column_set(row, at, "target", target, places[TARGET_PORT].name, err) &&
           (!tls || (column_set(row, at, "cert", variable("SERVER_CERT"), "SERVER_CERT", err) &&
                     column_set(row, at, "key", variable("SERVER_KEY"), "SERVER_KEY", err) &&
                     column_set(row, at, "client-ca", variable("CA_CERTS"), "CA_CERTS", err)));
}

bool environment_older_doors(const struct setting *row, struct proxy_settings *s, struct config_error *err)
{
    bool tls;
    if (!any_is_set())
        return true;
    if (!flag_read("CLIENT_TLS", &tls, err))
        return false;
    for (size_t i = 0; i < LISTENERS; i++)
        if (!older_add(row, s, listeners[i], tls, err))
            return false;
    return true;
}

bool environment_level(struct log_settings *log, struct config_error *err)
{
    static const char *const words[][2] = {{"debug", "debug"}, {"info", "info"}, {"warn", "warning"}, {"error", "error"}};
    const char *value = variable("LOG_LEVEL");
    for (size_t i = 0; value != NULL && i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(value, words[i][0]) != 0)
            continue;
        if (log->level != NULL || log->verbose)
            return true;
        log->level = strdup(words[i][1]);
        if (log->level == NULL)
            config_error_set(err, "out of memory");
        return log->level != NULL;
    }
    if (value != NULL)
        config_error_set(err, PREFIX "LOG_LEVEL: \"%.64s\" is none of debug, info, warn and error", value);
    return value == NULL;
}
