/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of mdm-tunnel-client. */
#include "client/options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/label.h"
#include "base/log.h"
#include "base/text.h"
#include "client/inspector.h"
#include "files/files.h"
#include "config/path.h"
#include "config/port_list.h"
#include "config/state.h"
#include "mdm-tunnel/limits.h"
#include "relay/trust.h"

#define SERVICES_FILE "~/.tunnel-services.json"
#define ID_FILE "client-id"
/* Of a service that is given none. */
#define SERVICE_NAME_DEFAULT "web"

#define AT(member) offsetof(struct options, member)

static const struct setting rows[] = {
    {.name = "id", .letter = 'i', .alias_letter = 'u', .kind = SETTING_NAME, .offset = AT(id), .argument = "ID",
     .help = "name of this client in public names; without it, the one used last time"},
    {.name = "host", .letter = 'H', .kind = SETTING_TEXT, .offset = AT(way.host), .default_text = "localhost",
     .argument = "HOST", .help = "the server"},
    {.name = "port", .letter = 'p', .kind = SETTING_PORT, .offset = AT(way.port), .default_text = "8001",
     .argument = "PORT", .help = "the server's MQTT port"},
    {.name = "config", .letter = 'c', .alias = "services", .alias_letter = 's', .kind = SETTING_PATH,
     .offset = AT(services_file), .argument = "FILE", .help = "the services; an edit takes effect at once "
     "(default: " SERVICES_FILE ")"},
    {.name = "weight", .kind = SETTING_NUMBER, .offset = AT(weight), .max = WEIGHT_MAX, .default_text = "1",
     .argument = "N", .help = "this machine's share among those with the same id; 0: only when no other is there"},
    {.name = "max-attempts", .kind = SETTING_NUMBER, .offset = AT(max_attempts), .max = 1000000, .default_text = "0",
     .argument = "N", .help = "failed connections in a row before it gives up; 0: never"},
    {.name = "state-dir", .kind = SETTING_PATH, .offset = AT(state_dir), .argument = "DIR",
     .help = "where the id, this client's key and its servers' keys are kept"},
    {.name = "server-key", .kind = SETTING_TEXT, .offset = AT(server_keys), .argument = "KEY[,KEY...]",
     .help = "fingerprints that the server's key may have (default: known_servers, or the first one seen); none: no server"},
    CREDENTIAL_SETTINGS(struct options, credentials, PSK_OR_CRYPT_VARIABLES),
    {.name = "server-name", .kind = SETTING_TEXT, .offset = AT(server_name), .argument = "NAME",
     .help = "with --ca: the name in the server's certificate (default: the host)"},
    {.name = "allow-ports", .kind = SETTING_TEXT, .offset = AT(allow_ports), .argument = "LIST",
     .help = "ports that authorized_peers may reach beside the services: 22,8000-8010,HOST:80,53/udp (default: none)"},
    {.name = "allow-listen", .kind = SETTING_TEXT, .offset = AT(allow_listen), .argument = "LIST",
     .help = "ports at which authorized_peers may have this device listen for them: 8080,*:9000 (default: none)"},
    {.name = "audit", .kind = SETTING_TEXT, .offset = AT(audit), .argument = "FILE|syslog|none",
     .help = "where a line is written for each tunnel of a workstation (default: audit.log in the state directory)"},
    {.name = "inspect", .kind = SETTING_TEXT, .offset = AT(inspect), .bare_text = "4040", .argument = "[PORT]",
     .help = "a page that shows the requests as they pass, at http://127.0.0.1:PORT/ (without PORT: 4040)"},
    {.name = "inspect-secrets", .kind = SETTING_FLAG, .offset = AT(inspect_secrets),
     .help = "the page and its exports show Authorization, cookies and the like at once"},
    {.name = "tui", .kind = SETTING_FLAG, .offset = AT(tui),
     .help = "a live screen, as with -v alone at a terminal; elsewhere lines, as -v"},
    {.name = "qr", .kind = SETTING_FLAG, .offset = AT(qr), .help = "http, tcp, file: the URL as a QR code, too"},
    {.name = "dot-files", .kind = SETTING_FLAG, .offset = AT(dot_files),
     .help = "file: names that begin with a dot are served, too"},
    {.name = "no-encryption", .kind = SETTING_FLAG, .offset = AT(no_encryption),
     .help = "do not encrypt; the server has to say the same"},
    WAY_GRACE_SETTING(AT(way.grace_us)),
    {.name = "drain", .reloads = true, .kind = SETTING_SECONDS, .offset = AT(drain_us), .max = 86400, .default_text = "10",
     .argument = "SECONDS", .help = "how long streams may go on after SIGTERM or SIGINT"},
    {.name = "workers", .kind = SETTING_NUMBER, .offset = AT(workers), .min = 1, .max = WORKERS_MAX,
     .default_text = "1", .argument = "N", .help = "threads"},
    BROKER_SETTINGS(struct options, way.broker),
    MQTUNNEL_SETTINGS(struct options, way.broker),
    {.name = "settings", .kind = SETTING_FILE, .offset = AT(settings_file), .argument = "FILE",
     .help = "settings file (JSON), read before the command line is applied"},
    {.name = "json", .kind = SETTING_FLAG, .offset = AT(json), .help = "status, doctor: one JSON object a line"},
    LOG_SETTINGS(struct options, log, true),
    {.name = "version", .letter = 'V', .kind = SETTING_VERSION, .help = "print the version"},
    {.name = "help", .letter = 'h', .kind = SETTING_HELP, .help = "print this"},
    {.name = NULL},
};

const struct settings_table options_table = {
    .program = "mdm-tunnel-client",
    .usage = "[options] [NAME=TARGET ... | http|tcp|file TARGET [NAME] | COMMAND]",
    .summary = "Makes local services reachable through an mdm-tunnel server.\n"
               "TARGET is PORT, HOST:PORT or unix:/PATH; without any, the services file says what there is.\n"
               "http, tcp, file (of a folder): one service (NAME: web), whose URL is printed when visitors can come.\n"
               "Commands: fingerprint (of this client's key) | status (of the running client) |\n"
               "          log-level [LEVEL] (likewise) |\n"
               "          check FILE (of services or settings) |\n"
               "          doctor [NAME=TARGET ...] (would it work, and what to do)",
    .rows = rows,
    .positionals = true,
};

/* -- what must fit together ------------------------------------------------------------------------------------------ */

static bool credentials_fit(const struct options *o, struct config_error *err)
{
    bool any = credential_settings_any(&o->credentials);
    if (o->no_encryption && (any || o->server_keys != NULL))
        config_error_set(err, "no-encryption: ca, identity, server-key and pre-shared keys are for encrypted sessions");
    else if (o->credentials.ca != NULL && o->server_keys != NULL)
        config_error_set(err, "ca, server-key: give one of them");
    else if (o->server_name != NULL && o->credentials.ca == NULL)
        config_error_set(err, "server-name: there is no ca");
    else
        return credential_settings_check(&o->credentials, err);
    return false;
}

static bool list_fits(const char *option, const char *list, struct config_error *err)
{
    struct config_error why;
    if (list == NULL || port_list_check(list, strlen(list), &why) == 0)
        return true;
    config_error_set(err, "--%s: %s", option, why.text);
    return false;
}

static bool keys_fit(const struct options *o, struct config_error *err)
{
    if (o->server_keys == NULL || trust_keys_valid(o->server_keys))
        return true;
    config_error_set(err, "--server-key: '%.200s' is not a fingerprint", o->server_keys);
    return false;
}

/* Where there is no terminal lines are what is left of the screen. */
void options_imply(struct options *o)
{
    o->log.verbose |= o->tui;
}

bool options_tui(const struct options *o)
{
    return o->tui || (o->log.verbose && o->log.where == NULL && o->log.level == NULL && !o->qr);
}

int options_finish(struct options *o, struct config_error *err)
{
    char device[LABEL_BYTES + 1];
    if (o->tui && o->qr) {
        config_error_set(err, "tui, qr: give one of them");
        return EXIT_USAGE;
    }
    if (o->inspect != NULL && !inspector_may_listen(o->inspect, err))
        return EXIT_USAGE;
    if (!keys_fit(o, err) || !list_fits("allow-ports", o->allow_ports, err) || !list_fits("allow-listen", o->allow_listen, err) ||
        !credentials_fit(o, err) || !way_settings_finish(&o->way, device, err))
        return EXIT_USAGE;
    if (o->id == NULL && device[0] != '\0' && (o->id = strdup(device)) == NULL) {
        config_error_set(err, "out of memory");
        return EXIT_FAILED;
    }
    return 0;
}

bool options_reload(struct options *o, char *later, size_t size, struct config_error *err)
{
    struct options fresh = {.credentials = {.crypt_key = true}};
    enum log_level level;
    if (settings_read_again(&options_table, o->argc, o->argv, &fresh, err) != SETTINGS_RUN)
        return false;
    options_imply(&fresh);
    if (fresh.services_file == NULL && o->services_file != NULL)
        fresh.services_file = strdup(o->services_file); /* options_services() has found it */
    bool valid = options_finish(&fresh, err) == 0 && log_settings_check(&fresh.log, LOG_LEVEL_NONE, &level, err);
    if (valid)
        settings_adopt(&options_table, o, &fresh, later, size);
    settings_done(&options_table, &fresh);
    return valid;
}

/* -- services ------------------------------------------------------------------------------------------------------ */

static int services_from_arguments(char *const *positionals, int count, struct services *out, struct config_error *err)
{
    for (int i = 0; i < count; i++) {
        if (services_add_argument(out, positionals[i], err) != 0) {
            services_done(out);
            return EXIT_USAGE;
        }
    }
    return 0;
}

/* As its file would say it. */
static const struct service_word {
    const char *word, *rest;
} service_words[] = {{"http", ""}, {"tcp", ",\"tcp\":\"auto\""}, {"file", ""}};

static const struct service_word *service_word_find(const char *text)
{
    for (size_t i = 0; i < sizeof(service_words) / sizeof(service_words[0]); i++)
        if (strcmp(text, service_words[i].word) == 0)
            return &service_words[i];
    return NULL;
}

/* A folder is served behind a socket, which is the target then. */
static bool folder_serve(struct options *o, const char *folder, struct text *target, struct config_error *err)
{
    o->files = files_create(folder, o->dot_files, err->text, sizeof(err->text));
    if (o->files == NULL)
        return false;
    text_add_json(target, "unix:");
    text_add_json(target, files_socket(o->files));
    return true;
}

static int services_from_words(struct options *o, char *const *words, int count, struct services *out, struct config_error *err)
{
    const struct service_word *w = service_word_find(words[0]);
    struct text json;
    if (count < 2 || count > 3) {
        config_error_set(err, "usage: mdm-tunnel-client %s TARGET [NAME]", w->word);
        return EXIT_USAGE;
    }
    text_init(&json, CONFIG_FILE_MAX);
    text_add(&json, "{\"", 2);
    text_add_json(&json, count == 3 ? words[2] : SERVICE_NAME_DEFAULT);
    text_format(&json, "\":{\"target\":\"");
    if (strcmp(w->word, "file") != 0)
        text_add_json(&json, words[1]);
    else if (!folder_serve(o, words[1], &json, err)) {
        text_done(&json);
        return EXIT_FAILED;
    }
    text_format(&json, "\"%s}}", w->rest);
    bool valid = !json.failed && services_parse(json.at, json.len, w->word, out, err) == 0;
    if (json.failed)
        config_error_set(err, "%s: the words are too long", w->word);
    text_done(&json);
    return valid ? 0 : EXIT_USAGE;
}

static int services_from_file(const char *path, struct services *out, struct config_error *err)
{
    struct config_error why;
    if (services_load(path, out, &why) == 0)
        return 0;
    if (errno == ENOENT)
        config_error_set(err,
                         "there is no services file %.200s: write one, such as {\"hello-world\": 9000}, or name the "
                         "services on the command line, such as hello-world=9000",
                         path);
    else
        *err = why;
    return EXIT_FAILED;
}

int options_services(struct options *o, char *const *positionals, int count, struct services *out,
                     struct config_error *err)
{
    if (count > 0 && o->services_file != NULL) {
        config_error_set(err, "services are given twice: in %.200s and on the command line", o->services_file);
        return EXIT_USAGE;
    }
    if (count > 0 && service_word_find(positionals[0]) != NULL) {
        o->announced = true;
        return services_from_words(o, positionals, count, out, err);
    }
    if (o->qr) {
        config_error_set(err, "qr: there is one URL to show with http, tcp or file only");
        return EXIT_USAGE;
    }
    if (count > 0)
        return services_from_arguments(positionals, count, out, err);
    if (o->services_file == NULL)
        o->services_file = path_expand(SERVICES_FILE);
    if (o->services_file == NULL) {
        config_error_set(err, "no home directory to look for " SERVICES_FILE " in: give the file with --config");
        return EXIT_FAILED;
    }
    return services_from_file(o->services_file, out, err);
}

/* -- the id -------------------------------------------------------------------------------------------------------- */

static void id_remember(const struct options *o)
{
    struct state *state;
    struct config_error why;
    char text[NAME_MAX_BYTES + 2];
    if (state_open(o->state_dir, &state, &why) != 0) {
        log_warning(o->id, "the id is not remembered: %s", why.text);
        return;
    }
    snprintf(text, sizeof(text), "%s\n", o->id);
    if (state_write(state, ID_FILE, text, &why) != 0)
        log_warning(o->id, "the id is not remembered: %s", why.text);
    state_free(&state);
}

/* The id of the last time, heap; NULL when there is none that is valid. */
static char *id_recall(const struct options *o)
{
    struct state *state;
    struct config_error why;
    char id[LABEL_BYTES + 1];
    if (state_open(o->state_dir, &state, &why) != 0)
        return NULL;
    char *text = state_read(state, ID_FILE);
    state_free(&state);
    bool valid = text != NULL && label_normalise(text, strcspn(text, "\r\n"), id);
    free(text);
    return valid ? strdup(id) : NULL;
}

int options_id(const struct options *o, char **out, struct config_error *err)
{
    char *id = o->id != NULL ? strdup(o->id) : id_recall(o);
    if (id == NULL && o->id == NULL) {
        config_error_set(err, "who is this client? Give it a name with -i ID; it is remembered for the next time");
        return EXIT_USAGE;
    }
    if (id == NULL) {
        config_error_set(err, "out of memory");
        return EXIT_FAILED;
    }
    if (o->id != NULL)
        id_remember(o);
    *out = id;
    return 0;
}
