/* SPDX-License-Identifier: Apache-2.0 */
/* The server's settings: command line over settings file over defaults (mdm-tunnel-server(1)). */
#ifndef SERVER_SERVER_SETTINGS_H
#define SERVER_SERVER_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cidr.h"
#include "config/broker_settings.h"
#include "config/credentials.h"
#include "config/log_settings.h"
#include "config/settings.h"
#include "gate/listen_url.h"
#include "link/proxy.h"
#include "link/url.h"
#include "server/access_line.h"
#include "server/admission.h"
#include "server/edge.h"
#include "server/names.h"
#include "tls/set.h"
#include "web/address.h"

#define SERVER_NO_PORT UINT32_MAX

/* On what strangers may use; 0: any number, where that is allowed. */
struct server_limits {
    unsigned visitors, visitors_per_address; /* connections at one time */
    unsigned opens;                          /* new streams in a second for one address */
    unsigned head;                           /* bytes of a request's header */
    unsigned requests;                       /* of one connection */
    uint64_t head_us, idle_us, stall_us;
    unsigned strangers, strangers_per_address; /* connections to the broker before CONNECT */
    uint64_t connect_us;
};

struct server_settings {
    int argc; /* as they were read, to be read again */
    char **argv;
    struct server_limits limits;
    unsigned client_streams, client_bandwidth, client_rate;
    struct edge_grant each; /* from those three */
    unsigned port, client_port;
    unsigned tls_port; /* SERVER_NO_PORT: none */
    char *tcp_ports; /* ranges of public ports for services; NULL: none */
    uint64_t tcp_release_us;
    unsigned https_port; /* how visitors reach tls_port; 0: at the port itself */
    char *bind, *client_bind;
    char *domain;
    char *reserved; /* labels that no client and no service has, lower case; NULL: none */
    char *hooks; /* lines; NULL: none */
    char *domains_text;
    struct names names; /* from it */
    uint64_t domain_proof_us; /* 0: nothing is proven */
    char *resolver; /* NULL: the system's */
    unsigned workers;
    char *user; /* NULL: stay who started it */
    char *config, *state_dir, *ports_file;
    char *trusted_proxies_text;
    struct cidr_list trusted_proxies;
    char *proxy_protocol_text;
    struct cidr_list proxy_protocol_from;
    char *tls_cert, *tls_key; /* lists of files, cut apart: `tls_pairs` points into them */
    struct tls_pair tls_pairs[TLS_PAIRS_MAX];
    unsigned tls_pair_count;
    bool redirect_https;
    unsigned hsts_s;
    char *client_listen;
    struct listen_url client_listen_urls[CLIENT_LISTENERS_MAX];
    unsigned client_listen_count;
    char *client_ca, *client_verify_text;
    enum tls_clients client_verify;
    char *client_path; /* of MQTT over WebSocket at the public ports; "none": not there */
    char *acme_webroot;
    char *pages; /* a directory of templates; NULL: none */
    char *admin, *admin_token; /* a list of addresses; a file, NULL: in the state directory */
    struct web_address admin_addresses[WEB_ADDRESSES_MAX];
    unsigned admin_count;
    struct broker_settings broker;
    struct link_urls brokers; /* valid with broker.url */
    struct link_proxy proxy;    /* likewise */
    struct credential_settings credentials;
    char *auth_text;
    enum admission_mode auth;
    bool no_encryption, no_listing, json;
    struct log_settings log;
    char *access_log; /* NULL: none */
    char *access_format_text;
    enum access_format access_format;
    uint64_t drain_us, service_timeout_us, hold_us, grace_us;
};

/* *first: the index of the first word of a command; argc when there is none. */
enum settings_result server_settings_read(int argc, char **argv, struct server_settings *out, int *first,
                                          struct config_error *err);
/*
 * The settings file is read again: what reloads is taken into *s, `later` gets the names of what has changed and does not. False and
 * *err: something is wrong with it, and nothing has changed.
 */
bool server_settings_reload(struct server_settings *s, char *later, size_t size, struct config_error *err);
void server_settings_done(struct server_settings *s);
/*
 * A copy that stays as it is when *s reloads; what does not reload is *s's, which outlives it. False without memory.
 * server_settings_copy_done() ends it in either case.
 */
bool server_settings_copy(struct server_settings *out, const struct server_settings *s);
void server_settings_copy_done(struct server_settings *copy);

#endif
