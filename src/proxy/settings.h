/* SPDX-License-Identifier: Apache-2.0 */
/* The proxy's settings: command line over environment over settings file over defaults (mdm-tunnel-proxy(8)). */
#ifndef PROXY_SETTINGS_H
#define PROXY_SETTINGS_H

#include "base/line_fields.h"
#include "config/log_settings.h"
#include "config/settings.h"
#include "web/address.h"

/* One listener as it was set; strings on the heap, NULL: not set. */
struct door_settings {
    char *listen, *target;                   /* URLs */
    char *bypass;                            /* of HTTP: paths with commas between them */
    char *origins;                           /* of WebSocket and HTTP: likewise */
    char *cert, *key;                        /* what clients are shown */
    char *client_ca, *client_verify;         /* what they have to show */
    char *ca_cert, *client_cert, *private_key; /* at the target */
    /* whether certificates were revoked: the clients', and the target's */
    char *revocation, *ocsp_url, *ocsp_nonce;
    char *crl_urls, *crl_urls_issuer, *crl_file, *crl_file_issuer;
    unsigned ocsp_depth, crl_depth;
    char *target_revocation, *target_crl_file;
    uint64_t revocation_timeout_us; /* 0: the default */
    unsigned revocation_max_age;    /* seconds; 0: the default */
    bool revocation_soft;
};

struct proxy_settings {
    struct setting_table doors; /* of struct door_settings */
    char *config;
    char *hooks; /* lines */
    char *rules; /* a file; NULL: none */
    /* an HTTP callback; URL NULL: none */
    char *hook_url, *hook_ca_cert, *hook_events;
    uint64_t hook_timeout_us, hook_cache_us;
    char *denied_text;
    bool drop_denied;
    unsigned workers, packet_max, clients, clients_per_address;
    unsigned connect_rate, connect_burst; /* connections a second from one address, 0: any; at once */
    uint64_t connect_us, answer_us, drain_us;
    char *user, *ports_file;
    char *admin, *admin_token, *state_dir; /* a list of addresses; a file, NULL: in the state directory */
    struct web_address admin_addresses[WEB_ADDRESSES_MAX];
    unsigned admin_count;
    char *access_log, *access_format_text; /* NULL: none */
    char *packet_log, *packet_format_text; /* likewise */
    enum line_format access_format, packet_format;
    unsigned packet_payload;
    struct log_settings log;
    int argc; /* to read them again */
    char **argv;
};

/* As settings_read(). */
enum settings_result proxy_settings_read(int argc, char **argv, struct proxy_settings *out, struct config_error *err);
/* Reads them again and takes what reloads; the names of others that differ go to `later`. False and *err: nothing has changed. */
bool proxy_settings_reload(struct proxy_settings *s, char *later, size_t size, struct config_error *err);
void proxy_settings_done(struct proxy_settings *s);

#endif
