/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners from the environment. A listener is there when one of its variables is set; what is not set of it has the
 * published default. The prefix is MPROXY_ or MGATE_.
 */
#include "proxy/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A listener by the middle part of its variables, with what is published for it. */
static const struct family {
    const char *name;
    const char *scheme;
    const char *address, *path;
    const char *target;
} families[] = {
    {"MQTT_WITHOUT_TLS_", "mqtt", ":1884", "", "mqtt://localhost:1883"},
    {"MQTT_WITH_TLS_", "mqtts", ":8883", "", "mqtt://localhost:1883"},
    {"MQTT_WITH_MTLS_", "mqtts", ":8884", "", "mqtt://localhost:1883"},
    {"MQTT_WS_WITHOUT_TLS_", "ws", ":8083", "/", "ws://localhost:8000/"},
    {"MQTT_WS_WITH_TLS_", "wss", ":8084", "/", "ws://localhost:8000/"},
    {"MQTT_WS_WITH_MTLS_", "wss", ":8085", "/mqtt", "ws://localhost:8000/"},
    {"HTTP_WITHOUT_TLS_", "http", ":8086", "/messages", "http://localhost:8888/"},
    {"HTTP_WITH_TLS_", "https", ":8087", "/messages", "http://localhost:8888/"},
    {"HTTP_WITH_MTLS_", "https", ":8088", "/messages", "http://localhost:8888/"},
};

static const char *const prefixes[] = {"MPROXY_", "MGATE_"};

/* -- variables -------------------------------------------------------------------------------------------------------- */

struct naming {
    const char *prefix;
    const struct family *family;
    char name[96]; /* the last one that was found */
};

static const char *variable(struct naming *n, const char *end)
{
    char name[96];
    snprintf(name, sizeof(name), "%s%s%s", n->prefix, n->family->name, end);
    const char *value = getenv(name);
    if (value == NULL || value[0] == '\0')
        return NULL;
    memcpy(n->name, name, sizeof(name));
    return value;
}

static const char *either(struct naming *n, const char *one, const char *two)
{
    const char *value = variable(n, one);
    return value != NULL ? value : variable(n, two);
}

static bool is_set(struct naming *n)
{
    static const char *const ends[] = {"ADDRESS", "TARGET", "HOST", "PORT", "TARGET_HOST", "TARGET_PORT", "TARGET_PROTOCOL",
                                       "TARGET_PATH", "PATH_PREFIX", "PREFIX_PATH", "CERT_FILE", "KEY_FILE", "SERVER_CA_FILE",
                                       "CLIENT_CA_FILE"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (variable(n, ends[i]) != NULL)
            return true;
    return false;
}

/* -- URLs from their parts -------------------------------------------------------------------------------------------- */

static const char *slash_before(const char *path) { return path[0] == '\0' || path[0] == '/' ? "" : "/"; }

static void listen_text(struct naming *n, char *out, size_t size)
{
    const struct family *f = n->family;
    const char *address = variable(n, "ADDRESS"), *host = variable(n, "HOST"), *port = variable(n, "PORT");
    const char *path = either(n, "PATH_PREFIX", "PREFIX_PATH");
    if (path == NULL)
        path = f->path;
    if (address == NULL)
        address = f->address;
    if (host != NULL || port != NULL)
        snprintf(out, size, "%s://%s:%s%s%s", f->scheme, host != NULL ? host : "", port != NULL ? port : f->address + 1,
                 slash_before(path), path);
    else
        snprintf(out, size, "%s://%s%s%s", f->scheme, address, slash_before(path), path);
}

/* A target without a scheme has that of the family. */
static void target_text_of(struct naming *n, char *out, size_t size)
{
    const char *target = variable(n, "TARGET"), *host = variable(n, "TARGET_HOST"), *port = variable(n, "TARGET_PORT");
    const char *protocol = variable(n, "TARGET_PROTOCOL"), *path = variable(n, "TARGET_PATH");
    const char *standard = n->family->target, *colon = strrchr(standard, ':') + 1;
    int scheme = (int)(strstr(standard, "://") - standard), digits = (int)strspn(colon, "0123456789");
    if (path == NULL)
        path = colon + digits;
    if (target != NULL && strstr(target, "://") != NULL)
        snprintf(out, size, "%s", target);
    else if (target != NULL)
        snprintf(out, size, "%.*s://%s", scheme, standard, target);
    else if (host == NULL && port == NULL && protocol == NULL)
        snprintf(out, size, "%.*s%s%s", (int)(colon + digits - standard), standard, slash_before(path), path);
    else
        snprintf(out, size, "%.*s://%s:%.*s%s%s", protocol != NULL ? (int)strlen(protocol) : scheme,
                 protocol != NULL ? protocol : standard, host != NULL ? host : "localhost", port != NULL ? (int)strlen(port) : digits,
                 port != NULL ? port : colon, slash_before(path), path);
}

/* -- a listener ------------------------------------------------------------------------------------------------------- */

static bool column_set(const struct setting *row, void *at, struct naming *n, const char *column, const char *text,
                       struct config_error *err)
{
    struct config_error reason;
    if (text == NULL || settings_set_column(row, at, column, text, &reason) == 0)
        return true;
    config_error_set(err, "%s: %s", n->name, reason.text);
    return false;
}

/* `needed`: the variable counts; it is looked at last, so that an error names it. */
static bool variable_set(const struct setting *row, void *at, struct naming *n, const char *column, const char *end, bool needed,
                         struct config_error *err)
{
    return !needed || column_set(row, at, n, column, variable(n, end), err);
}

/* What the methods do not need is left out. */
static bool revocation_set(const struct setting *row, void *at, struct naming *n, struct config_error *err)
{
    const char *methods = either(n, "CLIENT_CERT_VALIDATION_METHODS", "CERT_VERIFICATION_METHODS");
    bool ocsp = methods != NULL && strcasestr(methods, "ocsp") != NULL, crl = methods != NULL && strcasestr(methods, "crl") != NULL;
    if (!column_set(row, at, n, "revocation", methods, err))
        return false;
    bool urls = crl && variable(n, "CRL_DISTRIBUTION_POINTS") != NULL, file = crl && variable(n, "OFFLINE_CRL_FILE") != NULL;
    return variable_set(row, at, n, "ocsp-url", "OCSP_RESPONDER_URL", ocsp, err) &&
           variable_set(row, at, n, "ocsp-depth", "OCSP_DEPTH", ocsp, err) &&
           variable_set(row, at, n, "crl-depth", "CRL_DEPTH", crl, err) &&
           variable_set(row, at, n, "crl-urls", "CRL_DISTRIBUTION_POINTS", urls, err) &&
           variable_set(row, at, n, "crl-urls-issuer", "CRL_DISTRIBUTION_POINTS_ISSUER_CERT_FILE", urls, err) &&
           variable_set(row, at, n, "crl-file", "OFFLINE_CRL_FILE", file, err) &&
           variable_set(row, at, n, "crl-file-issuer", "OFFLINE_CRL_ISSUER_CERT_FILE", file, err);
}

static bool family_add(const struct setting *row, struct proxy_settings *s, struct naming *n, struct config_error *err)
{
    char listen[512], target[512];
    void *at = settings_add_row(row, s);
    if (at == NULL) {
        config_error_set(err, "%s%s...: too many listeners", n->prefix, n->family->name);
        return false;
    }
    listen_text(n, listen, sizeof(listen));
    target_text_of(n, target, sizeof(target));
    return column_set(row, at, n, "listen", listen, err) && column_set(row, at, n, "target", target, err) &&
           column_set(row, at, n, "cert", variable(n, "CERT_FILE"), err) &&
           column_set(row, at, n, "key", variable(n, "KEY_FILE"), err) &&
           column_set(row, at, n, "ca-cert", variable(n, "SERVER_CA_FILE"), err) &&
           column_set(row, at, n, "client-ca", variable(n, "CLIENT_CA_FILE"), err) && revocation_set(row, at, n, err);
}

bool environment_doors(const struct setting *row, struct proxy_settings *s, struct config_error *err)
{
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        for (size_t j = 0; j < sizeof(families) / sizeof(families[0]); j++) {
            struct naming n = {prefixes[i], &families[j], ""};
            if (is_set(&n) && !family_add(row, s, &n, err))
                return false;
        }
    }
    return true;
}
