/* SPDX-License-Identifier: Apache-2.0 */
/* What both programs can be told about a broker that is not the server's own: rows for their tables of settings. */
#ifndef CONFIG_BROKER_SETTINGS_H
#define CONFIG_BROKER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "config/settings.h"
#include "mdm-tunnel/limits.h"

struct broker_settings {
    char *url; /* NULL: the server's own broker */
    char *username, *password, *password_file;
    char *ca_cert, *client_cert, *private_key; /* files, PEM */
    char *certs;                               /* folder that has them by the names below */
    char *alpn;
    char *prefix;
    char *proxy; /* NULL: as the environment says */
    unsigned max_payload;
    char *control, *client_id; /* of mqtunnel's settings; NULL: none */
};

/* As gotthard's users have them. */
#define CERTS_CA          "ca.crt"
#define CERTS_CERT        "cert.pem"
#define CERTS_PRIVATE_KEY "private.key"

/* Rows for `member`, a struct broker_settings in the program's `type`. */
#define BROKER_SETTINGS(type, member)                                                                                  \
    {.name = "broker", .kind = SETTING_TEXT, .offset = offsetof(type, member.url), .argument = "URL[,URL...]",         \
     .environment = "MDM_TUNNEL_BROKER",                                                                               \
     .help = "meet at this broker: mqtt://HOST:PORT, mqtts://, ws:// or wss://; several are tried in turn"},           \
    {.name = "username", .kind = SETTING_TEXT, .offset = offsetof(type, member.username), .argument = "NAME",          \
     .environment = "MDM_TUNNEL_BROKER_USERNAME",                                                                      \
     .help = "for the broker"},                                                                                        \
    {.name = "password", .kind = SETTING_SECRET, .offset = offsetof(type, member.password), .argument = "TEXT",        \
     .environment = "MDM_TUNNEL_BROKER_PASSWORD",                                                                      \
     .help = "for the broker; better in a file or $MDM_TUNNEL_BROKER_PASSWORD"},                                       \
    {.name = "password-file", .kind = SETTING_PATH, .offset = offsetof(type, member.password_file),                    \
     .instead = "MDM_TUNNEL_BROKER_PASSWORD", .argument = "FILE",                                                      \
     .help = "its first line is the password"},                                                                        \
    {.name = "ca-cert", .kind = SETTING_PATH, .offset = offsetof(type, member.ca_cert), .argument = "FILE",            \
     .help = "whom the broker's certificate must come from (default: the system's authorities)"},                      \
    {.name = "client-cert", .kind = SETTING_PATH, .offset = offsetof(type, member.client_cert), .argument = "FILE",    \
     .help = "certificate to show to the broker"},                                                                     \
    {.name = "private-key", .kind = SETTING_PATH, .offset = offsetof(type, member.private_key), .argument = "FILE",    \
     .help = "its key (default: in the certificate's file)"},                                                          \
    {.name = "certs", .kind = SETTING_PATH, .offset = offsetof(type, member.certs), .argument = "DIR",                 \
     .environment = "MDM_TUNNEL_BROKER_CERTS",                                                                         \
     .help = "folder with all three: " CERTS_CA ", " CERTS_CERT " and " CERTS_PRIVATE_KEY},                            \
    {.name = "alpn", .kind = SETTING_TEXT, .offset = offsetof(type, member.alpn), .argument = "NAME",                  \
     .help = "protocol to ask the broker's TLS for"},                                                                  \
    {.name = "proxy", .kind = SETTING_SECRET, .offset = offsetof(type, member.proxy), .argument = "URL",                \
     .help = "HTTP proxy on the way, or none (default: $http_proxy, $https_proxy, $no_proxy)"},                        \
    {.name = "prefix", .kind = SETTING_TEXT, .offset = offsetof(type, member.prefix), .default_text = "mdm",           \
     .argument = "TOPIC", .help = "first level of all topics at the broker"},                                          \
    {.name = "max-payload", .kind = SETTING_NUMBER, .offset = offsetof(type, member.max_payload),                      \
     .min = SESSION_ENVELOPE_MIN, .max = ENVELOPE_MAX_EMBEDDED, .default_text = "65536", .argument = "BYTES",          \
     .help = "largest message that the broker takes"}

/* Rows that make mqtunnel's config.json a settings file as it is; for programs with rows "host" and "port". */
#define MQTUNNEL_SETTINGS(type, member)                                                                                \
    {.name = "control", .kind = SETTING_TEXT, .offset = offsetof(type, member.control), .argument = "TOPIC",           \
     .help = "as in mqtunnel's settings: what stands above its last level is the prefix, host and port are a broker's"}, \
    {.name = "client-id", .kind = SETTING_TEXT, .offset = offsetof(type, member.client_id), .argument = "TEXT",        \
     .help = "as in mqtunnel's settings; not used"}

/*
 * With `control`: prefix and URL from it, from host and port (mqtts where there are certificates, or at 8883); *device gets
 * the last level of the prefix as a name, "" when it is none. Before broker_settings_finish(). False and *err.
 */
bool broker_settings_adopt(struct broker_settings *b, const char *host, unsigned port, char device[static 64],
                           struct config_error *err);

/*
 * After the settings were read: what is in the folder `certs` stands for what was not said; the password comes from its file,
 * and is wiped in the environment. False and *err when the values do not fit together; the URL itself is the link's to read.
 */
bool broker_settings_finish(struct broker_settings *b, struct config_error *err);

#endif
