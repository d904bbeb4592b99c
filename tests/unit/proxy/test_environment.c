/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners from the environment, in each of the published spellings. */
#include <stdlib.h>

#include "proxy/settings.h"
#include "tap.h"

/* The settings with nothing but these variables ("NAME=VALUE", NULL at the end) in the environment. */
static enum settings_result read_with(const char *const *variables, struct proxy_settings *s, struct config_error *err)
{
    char program[] = "mdm-tunnel-proxy", *arguments[] = {program, NULL}, name[64];
    *err = (struct config_error){""};
    clearenv();
    for (; *variables != NULL; variables++) {
        const char *equals = strchr(*variables, '=');
        snprintf(name, sizeof(name), "%.*s", (int)(equals - *variables), *variables);
        setenv(name, equals + 1, 1);
    }
    return proxy_settings_read(1, arguments, s, err);
}

static const struct door_settings *door(const struct proxy_settings *s, unsigned i)
{
    static const struct door_settings none = {.listen = NULL};
    return i < s->doors.count ? (const struct door_settings *)s->doors.list + i : &none;
}

#define READ(s, err, ...) read_with((const char *const[]){__VA_ARGS__, NULL}, &(s), &(err))

static void wrong(const char *variable, const char *text)
{
    struct proxy_settings s;
    struct config_error err;
    OK_INT(READ(s, err, variable), SETTINGS_BAD);
    if (!OK(strstr(err.text, text) != NULL))
        printf("#   got '%s', want '%s' in it\n", err.text, text);
}

static void by_address(void)
{
    struct proxy_settings s;
    struct config_error err;
    OK_INT(READ(s, err, "MPROXY_MQTT_WITHOUT_TLS_ADDRESS=127.0.0.1:5", "MPROXY_MQTT_WITH_MTLS_TARGET=mqtts://b:6",
                "MPROXY_MQTT_WITH_MTLS_CLIENT_CA_FILE=ca", "MGATE_MQTT_WS_WITH_MTLS_CERT_FILE=c"),
           SETTINGS_RUN);
    OK_INT(s.doors.count, 3);
    OK_TEXT(door(&s, 0)->listen, "mqtt://127.0.0.1:5");
    OK_TEXT(door(&s, 0)->target, "mqtt://localhost:1883");
    OK_TEXT(door(&s, 1)->listen, "mqtts://:8884");
    OK_TEXT(door(&s, 1)->target, "mqtts://b:6");
    OK_TEXT(door(&s, 1)->client_ca, "ca");
    OK_TEXT(door(&s, 2)->listen, "wss://:8085/mqtt");
    OK_TEXT(door(&s, 2)->target, "ws://localhost:8000/");
    OK_TEXT(door(&s, 2)->cert, "c");
    proxy_settings_done(&s);
}

/* Each is there when one of its variables is, with what is published. */
static void published(void)
{
    static const char *const rows[][3] = {
        {"MQTT_WITHOUT_TLS", "mqtt://:1884", "mqtt://localhost:1883"},
        {"MQTT_WITH_TLS", "mqtts://:8883", "mqtt://localhost:1883"},
        {"MQTT_WITH_MTLS", "mqtts://:8884", "mqtt://localhost:1883"},
        {"MQTT_WS_WITHOUT_TLS", "ws://:8083/", "ws://localhost:8000/"},
        {"MQTT_WS_WITH_TLS", "wss://:8084/", "ws://localhost:8000/"},
        {"MQTT_WS_WITH_MTLS", "wss://:8085/mqtt", "ws://localhost:8000/"},
        {"HTTP_WITHOUT_TLS", "http://:8086/messages", "http://localhost:8888/"},
        {"HTTP_WITH_TLS", "https://:8087/messages", "http://localhost:8888/"},
        {"HTTP_WITH_MTLS", "https://:8088/messages", "http://localhost:8888/"},
    };
    static const char *const prefixes[] = {"MPROXY", "MGATE"};
    for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
        const char *const *row = rows[i / 2];
        struct proxy_settings s;
        struct config_error err;
        char text[64];
        snprintf(text, sizeof(text), "%s_%s_SERVER_CA_FILE=ca", prefixes[i % 2], row[0]);
        OK_INT(READ(s, err, text), SETTINGS_RUN);
        OK_INT(s.doors.count, 1);
        OK_TEXT(door(&s, 0)->listen, row[1]);
        OK_TEXT(door(&s, 0)->target, row[2]);
        OK_TEXT(door(&s, 0)->ca_cert, "ca");
        proxy_settings_done(&s);
    }
}

static void by_parts(void)
{
    struct proxy_settings s;
    struct config_error err;
    OK_INT(READ(s, err, "MGATE_MQTT_WS_WITHOUT_TLS_HOST=localhost", "MGATE_MQTT_WS_WITHOUT_TLS_PATH_PREFIX=in",
                "MGATE_MQTT_WS_WITHOUT_TLS_TARGET_PROTOCOL=wss", "MGATE_MQTT_WS_WITHOUT_TLS_TARGET_HOST=b",
                "MGATE_MQTT_WS_WITHOUT_TLS_TARGET_PORT=7", "MGATE_MQTT_WS_WITHOUT_TLS_TARGET_PATH=out"),
           SETTINGS_RUN);
    OK_INT(s.doors.count, 1);
    OK_TEXT(door(&s, 0)->listen, "ws://localhost:8083/in");
    OK_TEXT(door(&s, 0)->target, "wss://b:7/out");
    proxy_settings_done(&s);
}

static void revocation(void)
{
    struct proxy_settings s;
    struct config_error err;
#define M "MGATE_HTTP_WITH_MTLS_"
    OK_INT(READ(s, err, M "CERT_FILE=c", M "CERT_VERIFICATION_METHODS=OCSP,CRL", M "OCSP_RESPONDER_URL=http://o/", M "OCSP_DEPTH=1",
                M "CRL_DEPTH=2", M "CRL_DISTRIBUTION_POINTS=http://l/", M "CRL_DISTRIBUTION_POINTS_ISSUER_CERT_FILE=li",
                M "OFFLINE_CRL_FILE=f", M "OFFLINE_CRL_ISSUER_CERT_FILE=fi"),
           SETTINGS_RUN);
    const struct door_settings *d = door(&s, 0);
    OK_TEXT(d->revocation, "OCSP,CRL");
    OK_TEXT(d->ocsp_url, "http://o/");
    OK_INT(d->ocsp_depth, 1);
    OK_INT(d->crl_depth, 2);
    OK_TEXT(d->crl_urls, "http://l/");
    OK_TEXT(d->crl_urls_issuer, "li");
    OK_TEXT(d->crl_file, "f");
    OK_TEXT(d->crl_file_issuer, "fi");
    proxy_settings_done(&s);
    OK_INT(READ(s, err, M "CERT_FILE=c", M "CLIENT_CERT_VALIDATION_METHODS=OCSP", M "OFFLINE_CRL_FILE=f"), SETTINGS_RUN);
    OK(door(&s, 0)->crl_file == NULL); /* of a method that is not named */
    proxy_settings_done(&s);
#undef M
}

static void older_defaults(void)
{
    struct proxy_settings s;
    struct config_error err;
    OK_INT(READ(s, err, "MPROXY_MQTT_HOST=0.0.0.0"), SETTINGS_RUN);
    OK_INT(s.doors.count, 2);
    OK_TEXT(door(&s, 0)->listen, "mqtt://0.0.0.0:1883");
    OK_TEXT(door(&s, 0)->target, "mqtt://localhost:1884");
    OK_TEXT(door(&s, 1)->listen, "ws://:8080/mqtt");
    OK_TEXT(door(&s, 1)->target, "ws://localhost:8888/mqtt");
    proxy_settings_done(&s);
}

static void older_without_tls(void)
{
    struct proxy_settings s;
    struct config_error err;
    OK_INT(READ(s, err, "MPROXY_MQTT_PORT=1", "MPROXY_MQTTS_PORT=9", "MPROXY_MQTT_TARGET_HOST=b", "MPROXY_MQTT_TARGET_PORT=2",
                "MPROXY_WS_HOST=127.0.0.1", "MPROXY_WS_PORT=3", "MPROXY_WS_PATH=x", "MPROXY_WS_TARGET_SCHEME=wss",
                "MPROXY_WS_TARGET_HOST=c", "MPROXY_WS_TARGET_PORT=4", "MPROXY_WS_TARGET_PATH=/y", "MPROXY_SERVER_CERT=cert",
                "MPROXY_CLIENT_TLS=false"),
           SETTINGS_RUN);
    OK_INT(s.doors.count, 2);
    OK_TEXT(door(&s, 0)->listen, "mqtt://:1");
    OK_TEXT(door(&s, 0)->target, "mqtt://b:2");
    OK_TEXT(door(&s, 1)->listen, "ws://127.0.0.1:3/x");
    OK_TEXT(door(&s, 1)->target, "wss://c:4/y");
    OK(door(&s, 0)->cert == NULL && door(&s, 1)->cert == NULL);
    proxy_settings_done(&s);
}

static void older_with_tls(void)
{
    struct proxy_settings s;
    struct config_error err;
    OK_INT(READ(s, err, "MPROXY_CLIENT_TLS=true", "MPROXY_MQTTS_PORT=1", "MPROXY_WSS_PORT=2", "MPROXY_WSS_PATH=/x",
                "MPROXY_CA_CERTS=ca", "MPROXY_SERVER_CERT=cert", "MPROXY_SERVER_KEY=key"),
           SETTINGS_RUN);
    OK_INT(s.doors.count, 2);
    OK_TEXT(door(&s, 0)->listen, "mqtts://:1");
    OK_TEXT(door(&s, 1)->listen, "wss://:2/x");
    for (unsigned i = 0; i < 2; i++) {
        OK_TEXT(door(&s, i)->client_ca, "ca");
        OK_TEXT(door(&s, i)->cert, "cert");
        OK_TEXT(door(&s, i)->key, "key");
    }
    proxy_settings_done(&s);
}

/* Version 0.3.5 says MQTT_WS where others say WS; its name counts where both are set. */
static void older_two_names(void)
{
    struct proxy_settings s;
    struct config_error err;
    OK_INT(READ(s, err, "MPROXY_MQTT_WS_PORT=1", "MPROXY_WS_PORT=2"), SETTINGS_RUN);
    OK_TEXT(door(&s, 1)->listen, "ws://:1/mqtt");
    proxy_settings_done(&s);
}

static void log_level(void)
{
    struct proxy_settings s;
    struct config_error err;
    OK_INT(READ(s, err, "MPROXY_LOG_LEVEL=debug"), SETTINGS_RUN);
    OK_TEXT(s.log.level, "debug");
    OK_INT(s.doors.count, 1); /* the level alone is no listener: this is the default one */
    OK_TEXT(door(&s, 0)->listen, "mqtt://:1884");
    proxy_settings_done(&s);
    OK_INT(READ(s, err, "MPROXY_LOG_LEVEL=warn"), SETTINGS_RUN);
    OK_TEXT(s.log.level, "warning");
    proxy_settings_done(&s);
}

static void errors(void)
{
    wrong("MPROXY_CLIENT_TLS=maybe", "MPROXY_CLIENT_TLS: \"maybe\"");
    wrong("MPROXY_LOG_LEVEL=loud", "MPROXY_LOG_LEVEL: \"loud\"");
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"by address and target", by_address},
        {"published defaults", published},
        {"by parts", by_parts},
        {"revocation", revocation},
        {"older: defaults", older_defaults},
        {"older: without TLS", older_without_tls},
        {"older: with TLS", older_with_tls},
        {"older: two names", older_two_names},
        {"log level", log_level},
        {"errors", errors},
    };
    return TAP_RUN(cases);
}
