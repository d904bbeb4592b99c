/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the proxy's settings, and what does not fit together. */
#include "proxy/settings.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mdm-tunnel/limits.h"
#include "mqtt/property.h"
#include "proxy/environment.h"

#define TEXT_OF_(x) #x
#define TEXT_OF(x) TEXT_OF_(x)
#define DOOR(member) offsetof(struct door_settings, member)
#define AT(member) offsetof(struct proxy_settings, member)

static const struct setting door_columns[] = {
    {.name = "listen", .kind = SETTING_TEXT, .offset = DOOR(listen)},
    {.name = "target", .kind = SETTING_TEXT, .offset = DOOR(target)},
    {.name = "bypass", .kind = SETTING_TEXT, .offset = DOOR(bypass)},
    {.name = "origins", .kind = SETTING_TEXT, .offset = DOOR(origins)},
    {.name = "cert", .kind = SETTING_PATH, .offset = DOOR(cert)},
    {.name = "key", .kind = SETTING_PATH, .offset = DOOR(key)},
    {.name = "client-ca", .kind = SETTING_PATH, .offset = DOOR(client_ca)},
    {.name = "client-verify", .kind = SETTING_TEXT, .offset = DOOR(client_verify)},
    {.name = "ca-cert", .kind = SETTING_PATH, .offset = DOOR(ca_cert)},
    {.name = "client-cert", .kind = SETTING_PATH, .offset = DOOR(client_cert)},
    {.name = "private-key", .kind = SETTING_PATH, .offset = DOOR(private_key)},
    {.name = "revocation", .kind = SETTING_TEXT, .offset = DOOR(revocation)},
    {.name = "ocsp-url", .kind = SETTING_TEXT, .offset = DOOR(ocsp_url)},
    {.name = "ocsp-depth", .kind = SETTING_NUMBER, .offset = DOOR(ocsp_depth), .max = 100},
    {.name = "ocsp-nonce", .kind = SETTING_TEXT, .offset = DOOR(ocsp_nonce)},
    {.name = "crl-urls", .kind = SETTING_TEXT, .offset = DOOR(crl_urls)},
    {.name = "crl-urls-issuer", .kind = SETTING_PATH, .offset = DOOR(crl_urls_issuer)},
    {.name = "crl-file", .kind = SETTING_PATH, .offset = DOOR(crl_file)},
    {.name = "crl-file-issuer", .kind = SETTING_PATH, .offset = DOOR(crl_file_issuer)},
    {.name = "crl-depth", .kind = SETTING_NUMBER, .offset = DOOR(crl_depth), .max = 100},
    {.name = "target-revocation", .kind = SETTING_TEXT, .offset = DOOR(target_revocation)},
    {.name = "target-crl-file", .kind = SETTING_PATH, .offset = DOOR(target_crl_file)},
    {.name = "revocation-timeout", .kind = SETTING_SECONDS, .offset = DOOR(revocation_timeout_us), .min = 1, .max = 3600},
    {.name = "revocation-max-age", .kind = SETTING_NUMBER, .offset = DOOR(revocation_max_age), .min = 1, .max = 31536000},
    {.name = "revocation-soft", .kind = SETTING_FLAG, .offset = DOOR(revocation_soft)},
    {.name = NULL},
};

static const struct setting rows[] = {
    {.name = "config", .letter = 'c', .kind = SETTING_FILE, .offset = AT(config), .argument = "FILE", .help = "settings file (JSON)"},
    {.name = "listeners", .letter = 'l', .alias = "listener", .kind = SETTING_TABLE, .offset = AT(doors), .max = PROXY_LISTENERS_MAX,
     .argument = "\"listen=URL target=URL ...\"", .columns = door_columns, .size = sizeof(struct door_settings),
     .help = "where to listen, and which broker (or HTTP server) is behind it; may be said again\n"
             "(default: listen=mqtt://:1884 target=mqtt://localhost:1883)"},
    {.name = "rules", .letter = 'r', .kind = SETTING_PATH, .offset = AT(rules), .argument = "FILE",
     .help = "users, and what they may publish and subscribe; asked before other hooks"},
    {.name = "hook", .kind = SETTING_LIST, .offset = AT(hooks), .argument = "FILE[=SETTINGS]",
     .help = "a shared object that is asked; may be said again: in this order"},
    {.name = "hook-url", .kind = SETTING_TEXT, .offset = AT(hook_url), .argument = "URL",
     .help = "an HTTP callback that is asked (JSON), before other hooks but the rules"},
    {.name = "hook-events", .kind = SETTING_TEXT, .offset = AT(hook_events), .default_text = "connect,publish,subscribe",
     .argument = "EVENT,...", .help = "what it is asked about"},
    {.name = "hook-timeout", .kind = SETTING_SECONDS, .offset = AT(hook_timeout_us), .min = 0, .max = 3600, .default_text = "2",
     .argument = "SECONDS", .help = "for its answer; then it is a denial"},
    {.name = "hook-cache", .kind = SETTING_SECONDS, .offset = AT(hook_cache_us), .default_text = "0", .argument = "SECONDS",
     .help = "how long its answer counts for the same question; 0: it is asked each time"},
    {.name = "hook-ca-cert", .kind = SETTING_PATH, .offset = AT(hook_ca_cert), .argument = "FILE",
     .help = "whom the callback's certificate must come from (PEM); default: the system's authorities"},
    {.name = "denied", .kind = SETTING_TEXT, .offset = AT(denied_text), .default_text = "drop", .argument = "drop|disconnect",
     .help = "what becomes of a denied message that MQTT has no answer for"},
    {.name = "workers", .letter = 'w', .kind = SETTING_NUMBER, .offset = AT(workers), .max = WORKERS_MAX, .default_text = "0",
     .argument = "N", .help = "worker threads; 0: one fewer than processors"},
    {.name = "max-packet", .kind = SETTING_NUMBER, .offset = AT(packet_max), .min = 1024, .max = MQTT_VARINT_MAX,
     .default_text = TEXT_OF(1048576), .argument = "BYTES", .help = "largest MQTT packet, either way; body of HTTP that hooks see"},
    {.name = "clients", .kind = SETTING_NUMBER, .offset = AT(clients), .min = 1, .max = VISITORS_MAX,
     .default_text = TEXT_OF(PROXY_CLIENTS_MAX), .argument = "N", .help = "clients at one time"},
    {.name = "clients-per-address", .kind = SETTING_NUMBER, .offset = AT(clients_per_address), .max = VISITORS_MAX, .default_text = "0",
     .argument = "N", .help = "those from one address; 0: any"},
    {.name = "connect-rate", .kind = SETTING_NUMBER, .offset = AT(connect_rate), .max = 1000000, .default_text = "0", .argument = "N",
     .help = "connections a second from one address; 0: any"},
    {.name = "connect-burst", .kind = SETTING_NUMBER, .offset = AT(connect_burst), .max = 1000000, .default_text = "0",
     .argument = "N", .help = "so many may come at once; 0: as many as in five seconds"},
    {.name = "connect-timeout", .kind = SETTING_SECONDS, .offset = AT(connect_us), .min = 1, .max = 3600, .default_text = "10",
     .argument = "SECONDS", .help = "for handshakes and CONNECT; for the broker; for the answer of a hook"},
    {.name = "answer-timeout", .kind = SETTING_SECONDS, .offset = AT(answer_us), .min = 1, .max = 86400, .default_text = TEXT_OF(300),
     .argument = "SECONDS", .help = "for an HTTP server that neither takes nor gives anything; long polls have to fit"},
    {.name = "drain", .reloads = true, .kind = SETTING_SECONDS, .offset = AT(drain_us), .default_text = "5", .argument = "SECONDS",
     .help = "for the last packets, at the end"},
    {.name = "user", .kind = SETTING_TEXT, .offset = AT(user), .argument = "NAME[:GROUP]", .help = "run as this user (root only)"},
    {.name = "ports-file", .kind = SETTING_PATH, .offset = AT(ports_file), .argument = "FILE",
     .help = "write {\"ports\":[N,...]} there once ready"},
    {.name = "admin", .kind = SETTING_TEXT, .offset = AT(admin), .argument = "[ADDRESS:]PORT,...",
     .help = "metrics, and whether it is alive and ready"},
    {.name = "admin-token", .kind = SETTING_PATH, .offset = AT(admin_token), .argument = "FILE",
     .help = "the token that metrics ask for (default: proxy-admin-token in the state directory,\n"
             "made when it is missing)"},
    {.name = "state-dir", .kind = SETTING_PATH, .offset = AT(state_dir), .argument = "DIR",
     .help = "where that token is (default: $STATE_DIRECTORY, ~/.local/state/mdm-tunnel; for root /var/lib/mdm-tunnel)"},
    {.name = "access-log", .kind = SETTING_PATH, .offset = AT(access_log), .argument = "FILE|-|syslog",
     .help = "a line for each session of MQTT and each request of HTTP; - is standard output"},
    {.name = "access-format", .kind = SETTING_TEXT, .offset = AT(access_format_text), .default_text = "text",
     .argument = "text|json", .help = "how it is written"},
    {.name = "packet-log", .kind = SETTING_PATH, .offset = AT(packet_log), .argument = "FILE|-|syslog",
     .help = "a line for each packet of MQTT as it came, and for what became of it"},
    {.name = "packet-format", .kind = SETTING_TEXT, .offset = AT(packet_format_text), .default_text = "text",
     .argument = "text|json", .help = "how it is written"},
    {.name = "packet-payload", .kind = SETTING_NUMBER, .offset = AT(packet_payload), .max = PACKET_LOG_PAYLOAD_MAX,
     .default_text = "0", .argument = "BYTES", .help = "so much of a payload it shows"},
    LOG_SETTINGS(struct proxy_settings, log, true),
    {.name = "version", .letter = 'V', .kind = SETTING_VERSION, .help = "print the version"},
    {.name = "help", .letter = 'h', .kind = SETTING_HELP, .help = "print this help"},
    {.name = NULL},
};

static const struct settings_table table = {
    .program = "mdm-tunnel-proxy",
    .usage = "[options]",
    .summary = "Stands in front of an MQTT broker, and asks hooks who may connect, publish and subscribe.",
    .rows = rows,
};

static const struct setting *row_of_doors(void)
{
    const struct setting *row = rows;
    while (row->kind != SETTING_TABLE)
        row++;
    return row;
}

static bool doors_default(struct proxy_settings *s, struct config_error *err)
{
    const struct setting *row = row_of_doors();
    if (s->doors.count > 0)
        return true;
    void *at = settings_add_row(row, s);
    if (at == NULL) {
        config_error_set(err, "out of memory");
        return false;
    }
    return settings_set_column(row, at, "listen", "mqtt://:1884", err) == 0 &&
           settings_set_column(row, at, "target", "mqtt://localhost:1883", err) == 0;
}

static bool format_check(const char *name, const char *text, enum line_format *out, struct config_error *err)
{
    if (line_format_parse(text, out))
        return true;
    config_error_set(err, "%s: \"%.64s\" is neither text nor json", name, text);
    return false;
}

static bool admin_check(struct proxy_settings *s, struct config_error *err)
{
    char bad[128];
    const char *why = web_addresses_parse(s->admin, s->admin_addresses, &s->admin_count, bad);
    if (s->admin == NULL && s->admin_token != NULL)
        config_error_set(err, "admin-token: there is no admin");
    else if (why != NULL)
        config_error_set(err, "admin: \"%.64s\" %s", bad, why);
    else
        return true;
    return false;
}

static bool settings_check(struct proxy_settings *s, struct config_error *err)
{
    enum log_level level;
    if (s->connect_burst == 0)
        s->connect_burst = s->connect_rate > 200000 ? 1000000 : 5 * s->connect_rate;
    if (!admin_check(s, err) || !format_check("access-format", s->access_format_text, &s->access_format, err) ||
        !format_check("packet-format", s->packet_format_text, &s->packet_format, err) ||
        !log_settings_check(&s->log, LOG_LEVEL_NONE, &level, err))
        return false;
    if (s->workers == 0) {
        long n = sysconf(_SC_NPROCESSORS_ONLN) - 1;
        s->workers = n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
    }
    if (s->hook_timeout_us == 0) {
        config_error_set(err, "hook-timeout: 0 leaves no time for an answer");
        return false;
    }
    s->drop_denied = strcmp(s->denied_text, "drop") == 0;
    if (s->drop_denied || strcmp(s->denied_text, "disconnect") == 0)
        return true;
    config_error_set(err, "denied: \"%.64s\" is neither drop nor disconnect", s->denied_text);
    return false;
}

/* What mProxy's variables say, and what is left to find out. */
static bool settings_complete(struct proxy_settings *s, struct config_error *err)
{
    return environment_doors(row_of_doors(), s, err) && environment_older_doors(row_of_doors(), s, err) &&
           environment_level(&s->log, err) && doors_default(s, err) && settings_check(s, err);
}

enum settings_result proxy_settings_read(int argc, char **argv, struct proxy_settings *out, struct config_error *err)
{
    int first;
    *out = (struct proxy_settings){.argc = argc, .argv = argv};
    enum settings_result result = settings_read(&table, argc, argv, out, &first, stdout, err);
    if (result != SETTINGS_RUN || settings_complete(out, err))
        return result;
    proxy_settings_done(out);
    return SETTINGS_BAD;
}

bool proxy_settings_reload(struct proxy_settings *s, char *later, size_t size, struct config_error *err)
{
    struct proxy_settings fresh = {0};
    if (settings_read_again(&table, s->argc, s->argv, &fresh, err) != SETTINGS_RUN)
        return false;
    bool valid = settings_complete(&fresh, err);
    if (valid)
        settings_adopt(&table, s, &fresh, later, size);
    proxy_settings_done(&fresh);
    return valid;
}

void proxy_settings_done(struct proxy_settings *s) { settings_done(&table, s); }
