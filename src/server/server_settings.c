/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the server's settings. */
#include "server/server_settings.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/port_list.h"
#include "mdm-tunnel/limits.h"

#define AT(member) offsetof(struct server_settings, member)
#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

static const struct setting rows[] = {
    {.name = "port", .letter = 'p', .kind = SETTING_PORT, .offset = AT(port), .default_text = "8000",
     .argument = "PORT", .help = "public HTTP port; 0: any"},
    {.name = "client-port", .letter = 'c', .kind = SETTING_PORT, .offset = AT(client_port), .default_text = "8001",
     .argument = "PORT", .help = "MQTT port for clients; 0: any"},
    {.name = "bind", .kind = SETTING_TEXT, .offset = AT(bind), .argument = "ADDRESS",
     .help = "address of the public ports (default: all interfaces)"},
    {.name = "tls-port", .kind = SETTING_PORT, .offset = AT(tls_port), .argument = "PORT",
     .help = "public HTTPS port, and of services that TLS passes through to; 0: any (default: none)"},
    {.name = "tls-cert", .kind = SETTING_TEXT, .offset = AT(tls_cert), .argument = "FILE,...",
     .help = "certificates (PEM, with those that lead to the authority); the first is for all other names, too"},
    {.name = "tls-key", .kind = SETTING_TEXT, .offset = AT(tls_key), .argument = "FILE,...",
     .help = "their keys, in the same order (default: in the certificates' files)"},
    {.name = "tcp-ports", .kind = SETTING_TEXT, .offset = AT(tcp_ports), .argument = "FIRST-LAST,...",
     .help = "public TCP ports that services may have (default: none)"},
    {.name = "tcp-release", .reloads = true, .kind = SETTING_SECONDS, .offset = AT(tcp_release_us), .default_text = "900",
     .max = 7 * 24 * 3600, .argument = "SECONDS", .help = "keep such a port open so long after its client has gone"},
    {.name = "https-port", .kind = SETTING_PORT, .offset = AT(https_port), .argument = "PORT",
     .help = "how visitors reach tls-port, where something in front of it has another (default: tls-port)"},
    {.name = "redirect-https", .reloads = true, .kind = SETTING_FLAG, .offset = AT(redirect_https),
     .help = "answer HTTP with the way to HTTPS (308)"},
    {.name = "hsts", .reloads = true, .kind = SETTING_NUMBER, .offset = AT(hsts_s), .default_text = "0", .argument = "SECONDS",
     .help = "tell browsers to use HTTPS only for so long; 0: not at all"},
    {.name = "acme-webroot", .reloads = true, .kind = SETTING_PATH, .offset = AT(acme_webroot), .argument = "DIR",
     .help = "answer HTTP-01 challenges with the files in DIR/.well-known/acme-challenge"},
    {.name = "admin", .kind = SETTING_TEXT, .offset = AT(admin), .argument = "[ADDRESS:]PORT,...",
     .help = "page, interface and metrics of the server itself; without an address on 127.0.0.1 (default: none)"},
    {.name = "admin-token", .kind = SETTING_PATH, .offset = AT(admin_token), .argument = "FILE",
     .help = "the token that they ask for (default: admin-token in the state directory, made when it is missing)"},
    {.name = "client-bind", .kind = SETTING_TEXT, .offset = AT(client_bind), .argument = "ADDRESS",
     .help = "address of the MQTT port (default: all interfaces)"},
    {.name = "client-listen", .kind = SETTING_TEXT, .offset = AT(client_listen), .argument = "URL,...",
     .help = "more ways in for clients: mqtts://[ADDRESS]:PORT, ws://[ADDRESS]:PORT/PATH, wss://, mqtt://"},
    {.name = "client-ca", .kind = SETTING_PATH, .offset = AT(client_ca), .argument = "FILE",
     .help = "whom certificates that clients show at mqtts:// and wss:// must come from"},
    {.name = "client-verify", .kind = SETTING_TEXT, .offset = AT(client_verify_text), .argument = "MODE",
     .help = "whether they must show one: required (the default with client-ca) or optional"},
    {.name = "client-path", .kind = SETTING_TEXT, .offset = AT(client_path), .default_text = "/mqtt",
     .argument = "PATH", .help = "clients may come to the public ports, too: MQTT over WebSocket there; none: not"},
    {.name = "domain", .letter = 0, .kind = SETTING_TEXT, .offset = AT(domain), .argument = "DOMAIN",
     .help = "take SERVICE.CLIENT.DOMAIN only (default: any suffix)"},
    {.name = "workers", .letter = 0, .kind = SETTING_NUMBER, .offset = AT(workers), .max = WORKERS_MAX,
     .default_text = "0", .argument = "N", .help = "threads; 0: one for each core"},
    {.name = "config", .letter = 0, .kind = SETTING_FILE, .offset = AT(config), .argument = "FILE",
     .help = "settings file (JSON), read before the command line is applied"},
    {.name = "state-dir", .kind = SETTING_PATH, .offset = AT(state_dir), .argument = "DIR",
     .help = "what is remembered between runs"},
    {.name = "hook", .kind = SETTING_LIST, .offset = AT(hooks), .argument = "FILE[=SETTINGS]",
     .help = "a shared object that is asked about requests and MQTT clients (mdm-tunnel-hook(3)); may be said again"},
    {.name = "user", .kind = SETTING_TEXT, .offset = AT(user), .argument = "NAME[:GROUP]",
     .help = "run as this user; ports are opened and keys read before"},
    {.name = "drain", .reloads = true, .kind = SETTING_SECONDS, .offset = AT(drain_us), .default_text = "10", .argument = "SECONDS",
     .help = "at the end, finish what is in flight for so long"},
    {.name = "trusted-proxies", .reloads = true, .kind = SETTING_TEXT, .offset = AT(trusted_proxies_text), .argument = "CIDR,...",
     .help = "keep X-Forwarded-* and Forwarded that come from here"},
    {.name = "proxy-protocol-from", .reloads = true, .kind = SETTING_TEXT, .offset = AT(proxy_protocol_text), .argument = "CIDR,...",
     .help = "connections from here begin with a PROXY protocol head (1 or 2), no others"},
    {.name = "auth", .kind = SETTING_TEXT, .offset = AT(auth_text), .default_text = "first-use",
     .argument = "MODE", .help = "whose client ids are: first-use, listed or open"},
    CREDENTIAL_SETTINGS(struct server_settings, credentials, PSK_VARIABLE),
    {.name = "no-encryption", .kind = SETTING_FLAG, .offset = AT(no_encryption),
     .help = "do not encrypt sessions; clients have to say the same, and ids are anybody's"},
    {.name = "client-streams", .reloads = true, .kind = SETTING_NUMBER, .offset = AT(client_streams), .max = STREAMS_PER_SESSION_MAX,
     .default_text = "0", .argument = "N", .help = "streams of one client at one time, unless its line says; 0: any"},
    {.name = "client-bandwidth", .reloads = true, .kind = SETTING_NUMBER, .offset = AT(client_bandwidth), .default_text = "0",
     .argument = "BYTES", .help = "bytes a second each way of one client, unless its line says; 0: any"},
    {.name = "client-rate", .reloads = true, .kind = SETTING_NUMBER, .offset = AT(client_rate), .max = RATE_MAX, .default_text = "0",
     .argument = "N", .help = "requests a second from one address to a service, unless the client's line says; 0: any"},
    {.name = "domains", .reloads = true, .kind = SETTING_TEXT, .offset = AT(domains_text), .argument = "NAME=CLIENT[:WEIGHT],...",
     .help = "clients' own domains: host names, or *.NAME, and who may have them"},
    {.name = "domain-proof", .reloads = true, .kind = SETTING_SECONDS, .offset = AT(domain_proof_us), .max = 7 * 24 * 3600,
     .default_text = "0", .argument = "SECONDS",
     .help = "give clients other domains whose TXT record names their key, and look at it again so often; 0: not"},
    {.name = "resolver", .kind = SETTING_TEXT, .offset = AT(resolver), .argument = "ADDRESS[:PORT],...",
     .help = "who is asked for those records (default: the system's)"},
    {.name = "reserved", .reloads = true, .kind = SETTING_TEXT, .offset = AT(reserved), .argument = "NAME,...",
     .help = "ids and names of services that no client gets, such as www,admin,api"},
    {.name = "pages", .reloads = true, .kind = SETTING_PATH, .offset = AT(pages), .argument = "DIR",
     .help = "error pages of your own: DIR/502.html, offline.html, maintenance.html, error.html and others"},
    {.name = "no-listing", .reloads = true, .kind = SETTING_FLAG, .offset = AT(no_listing),
     .help = "do not list a client's services on its own name"},
    {.name = "service-timeout", .reloads = true, .kind = SETTING_SECONDS, .offset = AT(service_timeout_us), .default_text = "60",
     .argument = "SECONDS", .help = "how long a service may take to begin its answer"},
    {.name = "hold", .reloads = true, .kind = SETTING_SECONDS, .offset = AT(hold_us), .default_text = "5", .argument = "SECONDS",
     .help = "let visitors wait so long for a client that is away"},
    {.name = "grace", .kind = SETTING_SECONDS, .offset = AT(grace_us), .min = 1, .max = 3600, .default_text = "60",
     .argument = "SECONDS", .help = "how long streams outlive the connection to their client"},
    BROKER_SETTINGS(struct server_settings, broker),
    {.name = "visitors", .kind = SETTING_NUMBER, .offset = AT(limits.visitors), .min = 1, .max = VISITORS_MAX,
     .default_text = TEXT_OF(VISITORS_DEFAULT), .argument = "N", .help = "visitors' connections at one time"},
    {.name = "visitors-per-address", .kind = SETTING_NUMBER, .offset = AT(limits.visitors_per_address), .max = VISITORS_MAX,
     .default_text = TEXT_OF(VISITORS_PER_ADDRESS_DEFAULT), .argument = "N",
     .help = "those from one address, trusted proxies excepted; 0: any"},
    {.name = "visitor-opens", .reloads = true, .kind = SETTING_NUMBER, .offset = AT(limits.opens), .max = OPENS_MAX,
     .default_text = TEXT_OF(OPENS_PER_SECOND_DEFAULT), .argument = "N",
     .help = "new streams a second for one address, ten times as many at once; 0: any"},
    {.name = "max-head", .kind = SETTING_NUMBER, .offset = AT(limits.head), .min = HTTP_REQUEST_HEAD_MIN,
     .max = HTTP_REQUEST_HEAD_MAX, .default_text = "24576", .argument = "BYTES", .help = "largest header of a request"},
    {.name = "head-timeout", .reloads = true, .kind = SETTING_SECONDS, .offset = AT(limits.head_us), .min = 1, .max = 3600,
     .default_text = TEXT_OF(HTTP_HEAD_TIMEOUT_S), .argument = "SECONDS", .help = "how long a request's header may take to come"},
    {.name = "stall-timeout", .reloads = true, .kind = SETTING_SECONDS, .offset = AT(limits.stall_us), .min = 1, .max = 86400,
     .default_text = TEXT_OF(HTTP_STALL_TIMEOUT_S), .argument = "SECONDS",
     .help = "how long a visitor may neither send its request's body nor read its answer's"},
    {.name = "idle-timeout", .reloads = true, .kind = SETTING_SECONDS, .offset = AT(limits.idle_us), .min = 1, .max = 86400,
     .default_text = TEXT_OF(HTTP_IDLE_TIMEOUT_S), .argument = "SECONDS", .help = "how long a connection may be without a request"},
    {.name = "connection-requests", .reloads = true, .kind = SETTING_NUMBER, .offset = AT(limits.requests),
     .default_text = TEXT_OF(HTTP_REQUESTS_PER_CONNECTION), .argument = "N",
     .help = "requests of one connection, which is closed then; 0: any"},
    {.name = "connect-timeout", .kind = SETTING_SECONDS, .offset = AT(limits.connect_us), .min = 1, .max = 3600,
     .default_text = TEXT_OF(MQTT_CONNECT_TIMEOUT_S), .argument = "SECONDS",
     .help = "how long a client's connection may take to say who it is"},
    {.name = "connecting", .kind = SETTING_NUMBER, .offset = AT(limits.strangers), .min = 1, .max = VISITORS_MAX,
     .default_text = TEXT_OF(MQTT_STRANGERS_MAX), .argument = "N", .help = "clients' connections that have not yet, at one time"},
    {.name = "connecting-per-address", .kind = SETTING_NUMBER, .offset = AT(limits.strangers_per_address), .max = VISITORS_MAX,
     .default_text = TEXT_OF(MQTT_STRANGERS_PER_ADDRESS_MAX), .argument = "N", .help = "those from one address; 0: any"},
    {.name = "ports-file", .kind = SETTING_PATH, .offset = AT(ports_file), .argument = "FILE",
     .help = "write {\"port\":N,\"client_port\":N,\"tls_port\":N} there once ready"},
    {.name = "json", .kind = SETTING_FLAG, .offset = AT(json), .help = "status: as JSON"},
    {.name = "access-log", .kind = SETTING_PATH, .offset = AT(access_log), .argument = "FILE|-|syslog",
     .help = "a line for each request and each connection; - is standard output (default: none)"},
    {.name = "access-format", .kind = SETTING_TEXT, .offset = AT(access_format_text), .default_text = "combined",
     .argument = "combined|json", .help = "how it is written"},
    LOG_SETTINGS(struct server_settings, log, true),
    {.name = "version", .letter = 'V', .kind = SETTING_VERSION, .help = "print the version"},
    {.name = "help", .letter = 'h', .kind = SETTING_HELP, .help = "print this help"},
    {.name = NULL},
};

static const struct settings_table table = {
    .program = "mdm-tunnel-server",
    .usage = "[options] [COMMAND]",
    .summary = "Makes the services of connected clients reachable at SERVICE.CLIENT.DOMAIN.\n"
               "Commands: status | log-level [LEVEL] | check FILE | fingerprint |\n"
               "          clients list | clients allow ID FINGERPRINT|any [OPTION ...] | clients deny ID | clients forget ID |\n"
               "          maintenance on [TEXT] | maintenance off",
    .rows = rows,
    .positionals = true,
};

/* One core is left to the kernel's network and to what else runs there: a worker that has to share its core costs more
 * wake-ups than it wins (docs/performance.md). */
static unsigned workers_default(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN) - 1;

    return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

static bool url_check(struct server_settings *s, struct config_error *err)
{
    const char *why = s->broker.url == NULL ? NULL : link_urls_parse(s->broker.url, &s->brokers);

    if (why != NULL) {
        config_error_set(err, "broker: %s", why);
        return false;
    }
    if (s->broker.url != NULL)
        why = link_proxy_choose(s->broker.proxy, s->brokers.list[0].host, s->brokers.list[0].tls, &s->proxy);
    if (why != NULL)
        config_error_set(err, "proxy: %s", why);
    return why == NULL;
}

/* The next file of a comma list, cut off there; NULL after the last. */
static char *file_shift(char **rest)
{
    char *file = *rest;

    if (file == NULL || *file == '\0')
        return NULL;
    *rest = strchr(file, ',');
    if (*rest != NULL)
        *(*rest)++ = '\0';
    return file;
}

static bool clients_have_tls(const struct server_settings *s)
{
    for (unsigned i = 0; i < s->client_listen_count; i++)
        if (s->client_listen_urls[i].tls)
            return true;
    return false;
}

/* A lone slash is the path of a tunnel's clients, as it is in theirs (link_urls_parse()). */
static const char *client_listen_parse(const char *text, unsigned len, struct listen_url *out)
{
    const char *why = listen_url_parse(text, len, out);
    if (why == NULL && strcmp(out->path, "/") == 0 && out->websocket)
        strcpy(out->path, "/mqtt");
    return why == NULL && out->http ? "clients do not come by http:// or https://" : why;
}

static bool client_listen_check(struct server_settings *s, struct config_error *err)
{
    const char *why = NULL;

    for (const char *at = s->client_listen, *end; at != NULL && why == NULL; at = *end != '\0' ? end + 1 : NULL) {
        end = strchrnul(at, ',');
        if (s->client_listen_count == CLIENT_LISTENERS_MAX)
            why = "too many";
        else
            why = client_listen_parse(at, (unsigned)(end - at), &s->client_listen_urls[s->client_listen_count++]);
        if (why != NULL)
            config_error_set(err, "client-listen: '%.*s': %s", (int)(end - at), at, why);
    }
    return why == NULL;
}

static bool client_verify_check(struct server_settings *s, struct config_error *err)
{
    const char *mode = s->client_verify_text;

    if (s->client_ca == NULL && mode == NULL)
        return true;
    if (mode == NULL || strcmp(mode, "required") == 0)
        s->client_verify = TLS_CLIENTS_REQUIRED;
    else if (strcmp(mode, "optional") == 0)
        s->client_verify = TLS_CLIENTS_OPTIONAL;
    else
        config_error_set(err, "client-verify: '%.64s' is neither required nor optional", mode);
    if (s->client_verify == TLS_CLIENTS_ANY)
        return false;
    if (s->client_ca == NULL || !clients_have_tls(s)) {
        config_error_set(err, "%s", s->client_ca == NULL ? "client-verify: client-ca is missing"
                                                         : "client-ca: client-listen has no TLS");
        return false;
    }
    return true;
}

static bool clients_check(struct server_settings *s, struct config_error *err)
{
    if (!client_listen_check(s, err) || !client_verify_check(s, err))
        return false;
    if (strcmp(s->client_path, "none") == 0 || listen_path_valid(s->client_path))
        return true;
    config_error_set(err, "client-path: '%.64s' is neither none nor a path", s->client_path);
    return false;
}

static bool tls_check(struct server_settings *s, struct config_error *err)
{
    char *certs = s->tls_cert, *keys = s->tls_key, *cert, *key = NULL;
    bool own_keys = s->tls_key != NULL, port = s->tls_port != SERVER_NO_PORT, clients = clients_have_tls(s);

    if (!port && (s->redirect_https || s->https_port != 0)) {
        config_error_set(err, "%s: tls-port is missing", s->redirect_https ? "redirect-https" : "https-port");
        return false;
    }
    if (!port && !clients && s->tls_cert != NULL) {
        config_error_set(err, "tls-cert: neither tls-port nor client-listen has TLS");
        return false;
    }
    if (clients && s->tls_cert == NULL) {
        config_error_set(err, "client-listen: mqtts:// and wss:// need a tls-cert");
        return false;
    }
    for (; (cert = file_shift(&certs)) != NULL; s->tls_pair_count++) {
        key = file_shift(&keys);
        if (s->tls_pair_count == TLS_PAIRS_MAX || own_keys != (key != NULL)) {
            config_error_set(err, "tls-cert: more than %d, or not as many as tls-key has", TLS_PAIRS_MAX);
            return false;
        }
        s->tls_pairs[s->tls_pair_count] = (struct tls_pair){cert, key};
    }
    if (file_shift(&keys) != NULL) {
        config_error_set(err, "tls-key: there are more keys than certificates");
        return false;
    }
    return true;
}

static bool tcp_ports_check(const struct server_settings *s, struct config_error *err)
{
    const char *text = s->tcp_ports;
    struct config_error why;

    if (text == NULL)
        return true;
    if (strspn(text, "0123456789-,") != strlen(text))
        config_error_set(err, "tcp-ports: '%.64s' is not a list of ports (FIRST-LAST,...)", text);
    else if (port_list_check(text, strlen(text), &why) != 0)
        config_error_set(err, "tcp-ports: %s", why.text);
    else
        return true;
    return false;
}

static bool admin_check(struct server_settings *s, struct config_error *err)
{
    char bad[128];
    const char *why = web_addresses_parse(s->admin, s->admin_addresses, &s->admin_count, bad);

    if (s->admin == NULL && s->admin_token != NULL)
        config_error_set(err, "admin-token: there is no admin");
    else if (why != NULL)
        config_error_set(err, "admin: '%.64s' %s", bad, why);
    else
        return true;
    return false;
}

/* What is made of settings that reload. */
static bool terms_check(struct server_settings *s, struct config_error *err)
{
    const char *bad;

    if (!cidr_list_parse(s->trusted_proxies_text, &s->trusted_proxies, &bad)) {
        config_error_set(err, "trusted-proxies: '%.64s' is not an address range, or there are more than %d", bad,
                         CIDR_MAX);
        return false;
    }
    if (!cidr_list_parse(s->proxy_protocol_text, &s->proxy_protocol_from, &bad)) {
        config_error_set(err, "proxy-protocol-from: '%.64s' is not an address range, or there are more than %d", bad,
                         CIDR_MAX);
        return false;
    }
    if ((bad = reserved_check(s->reserved)) != NULL) {
        config_error_set(err, "reserved: '%.64s' does not begin with the name of a client or a service", bad);
        return false;
    }
    if (s->domain_proof_us > 0 && (s->domain == NULL || s->no_encryption)) {
        config_error_set(err, "domain-proof: %s",
                         s->domain == NULL ? "domain is missing, which records have to name" : "without encryption nobody has a key");
        return false;
    }
    s->each = (struct edge_grant){.streams = s->client_streams, .bandwidth = s->client_bandwidth, .rate = s->client_rate};
    return names_parse(s->domains_text, &s->names, err);
}

static bool settings_check(struct server_settings *s, struct config_error *err)
{
    if (!terms_check(s, err) || !admin_check(s, err) || !clients_check(s, err) || !tls_check(s, err) || !tcp_ports_check(s, err))
        return false;
    if (s->domain != NULL) {
        size_t len = strlen(s->domain);
        if (len > 0 && s->domain[len - 1] == '.')
            s->domain[--len] = '\0';
        if (len == 0 || len > 253 - 4 || s->domain[0] == '.') {
            config_error_set(err, "domain: '%s' is not a domain, or too long to put names in front of it", s->domain);
            return false;
        }
    }
    if (!admission_mode_parse(s->auth_text, &s->auth)) {
        config_error_set(err, "auth: '%.64s' is none of first-use, listed and open", s->auth_text);
        return false;
    }
    if (s->domain_proof_us > 0 && s->auth == ADMISSION_OPEN) {
        config_error_set(err, "domain-proof: with auth open no id has a key");
        return false;
    }
    s->access_format = strcmp(s->access_format_text, "json") == 0 ? ACCESS_JSON : ACCESS_COMBINED;
    if (s->access_format == ACCESS_COMBINED && strcmp(s->access_format_text, "combined") != 0) {
        config_error_set(err, "access-format: '%.64s' is neither combined nor json", s->access_format_text);
        return false;
    }
    if (s->no_encryption && credential_settings_any(&s->credentials)) {
        config_error_set(err, "no-encryption: ca, identity and pre-shared keys are for encrypted sessions");
        return false;
    }
    if (s->workers == 0)
        s->workers = workers_default();
    return credential_settings_check(&s->credentials, err) && broker_settings_finish(&s->broker, err) && url_check(s, err);
}

enum settings_result server_settings_read(int argc, char **argv, struct server_settings *out, int *first,
                                          struct config_error *err)
{
    memset(out, 0, sizeof(*out));
    out->argc = argc;
    out->argv = argv;
    out->tls_port = SERVER_NO_PORT;
    enum settings_result result = settings_read(&table, argc, argv, out, first, stdout, err);
    if (result == SETTINGS_RUN && !settings_check(out, err))
        result = SETTINGS_BAD;
    if (result != SETTINGS_RUN)
        server_settings_done(out);
    return result;
}

bool server_settings_reload(struct server_settings *s, char *later, size_t size, struct config_error *err)
{
    struct server_settings fresh = {.tls_port = SERVER_NO_PORT};
    enum log_level level;

    if (settings_read_again(&table, s->argc, s->argv, &fresh, err) != SETTINGS_RUN)
        return false;
    bool valid = settings_check(&fresh, err) && log_settings_check(&fresh.log, LOG_LEVEL_NONE, &level, err);
    if (valid) {
        settings_adopt(&table, s, &fresh, later, size);
        const struct names before = s->names;
        s->names = fresh.names;
        fresh.names = before;
        s->trusted_proxies = fresh.trusted_proxies;
        s->proxy_protocol_from = fresh.proxy_protocol_from;
        s->each = fresh.each;
    }
    server_settings_done(&fresh);
    return valid;
}

bool server_settings_copy(struct server_settings *out, const struct server_settings *s)
{
    struct config_error err;

    *out = *s;
    out->names = (struct names){0, NULL};
    return settings_own(&table, out) && terms_check(out, &err);
}

void server_settings_copy_done(struct server_settings *copy)
{
    names_done(&copy->names);
    settings_disown(&table, copy);
}

void server_settings_done(struct server_settings *s)
{
    names_done(&s->names);
    settings_done(&table, s);
}
