/* SPDX-License-Identifier: Apache-2.0 */
/* mdm-tunnel-client(1): options, signals, end. Everything else happens on the workers. */
#include "client/program.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "client/client.h"
#include "client/inspector.h"
#include "client/options.h"
#include "config/port_list.h"
#include "config/state.h"
#include "relay/crew.h"
#include "relay/trust.h"

#define PROGRAM "mdm-tunnel-client"

/* -- waiting ------------------------------------------------------------------------------------------------------- */

struct wait {
    struct client *client;
    const struct options *options;
    struct audit *audit; /* NULL: none */
    const char *id;
    int signals;          /* a signalfd(2) */
    uint64_t deadline_us; /* of the drain; CLOCK_NEVER: not draining */
};

static bool is_draining(const struct wait *w) { return w->deadline_us != CLOCK_NEVER; }

static int wait_milliseconds(const struct wait *w)
{
    if (!is_draining(w))
        return -1;
    uint64_t now_us = clock_now_us();
    return now_us >= w->deadline_us ? 0 : (int)((w->deadline_us - now_us + US_PER_MS - 1) / US_PER_MS);
}

static void drain(struct wait *w)
{
    log_info(w->id, "closing; %u streams are open", client_streams(w->client));
    w->deadline_us = clock_now_us() + w->options->drain_us;
    client_drain(w->client);
}

/* What the log's keeper has moved away is begun anew. */
static void rotate(const struct wait *w)
{
    log_rotate();
    audit_reopen(w->audit);
}

static void take_signal(struct wait *w)
{
    struct signalfd_siginfo info;
    if (read(w->signals, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo == SIGHUP || info.ssi_signo == SIGUSR1)
        rotate(w);
    if (info.ssi_signo == SIGHUP)
        client_reload(w->client);
    else if (info.ssi_signo == SIGUSR1)
        return;
    else if (is_draining(w))
        _exit(EXIT_FAILED);
    else
        drain(w);
}

static void take_news(const struct wait *w)
{
    uint64_t count;
    ssize_t n = read(client_news(w->client), &count, sizeof(count));
    (void)n; /* only resets it */
}

static void say_gave_up(const struct options *o, const char *why)
{
    char text[512];
    way_settings_text(&o->way, text, sizeof(text));
    log_fatal(PROGRAM, "no connection to %s after %u attempts%s%s", text, o->max_attempts, why[0] != '\0' ? ": " : "", why);
}

/* Returns the exit status. */
static int wait_for_end(struct wait *w)
{
    struct pollfd polled[] = {{.fd = w->signals, .events = POLLIN}, {.fd = client_news(w->client), .events = POLLIN}};
    for (;;) {
        if (poll(polled, 2, wait_milliseconds(w)) < 0 && errno != EINTR)
            return EXIT_FAILED;
        if (polled[0].revents != 0)
            take_signal(w);
        if (polled[1].revents != 0)
            take_news(w);
        if (is_draining(w) && (client_streams(w->client) == 0 || clock_now_us() >= w->deadline_us))
            return 0;
        if (client_gave_up(w->client) && !is_draining(w)) {
            if (client_refused(w->client) == NULL)
                say_gave_up(w->options, client_last_why(w->client));
            return EXIT_FAILED;
        }
    }
}

/* -- running ------------------------------------------------------------------------------------------------------- */

static int run(const struct client_config *config, const struct options *o)
{
    struct wait w = {.options = o, .audit = config->audit, .id = config->id, .deadline_us = CLOCK_NEVER, .signals = crew_signals_open()};
    struct config_error err;
    if (w.signals < 0) {
        log_fatal(PROGRAM, "cannot take signals: %s", strerror(errno));
        return EXIT_FAILED;
    }
    errno = 0;
    w.client = client_create(config, &err);
    if (w.client == NULL) {
        log_fatal(PROGRAM, "%s", err.text);
        close(w.signals);
        return EXIT_FAILED;
    }
    char text[512];
    way_settings_text(&o->way, text, sizeof(text));
    log_info(config->id, "connecting to %s", text);
    int error = client_start(w.client), status = EXIT_FAILED;
    if (error != 0)
        log_fatal(PROGRAM, "cannot start: %s", strerror(error));
    else {
        status = wait_for_end(&w);
        client_end(w.client);
    }
    client_free(&w.client);
    close(w.signals);
    return status;
}

/* -- keys: our own, the server's, the workstations' ------------------------------------------------------------------- */

struct keys {
    struct trust *trust; /* NULL: no encryption, and no gate */
    struct gate *gate;
    struct audit *audit; /* NULL: none */
    char *address; /* what stands for the server's key: what the client connects to */
};

static const struct trust_kind server_trust = {
    .key_file = "client-key.pem",
    .known_file = "known_servers",
    .whose = "server",
    .option = "--server-key",
    .name_hint = " (--server-name gives another name)",
    .wrong = &error_server_key_unknown,
};

static struct trust *trust_make(const struct options *o, struct config_error *err)
{
    const struct trust_config config = {
        .kind = &server_trust, .state_dir = o->state_dir, .keys = o->server_keys, .credentials = &o->credentials};
    return trust_create(&config, err);
}

static struct way way_of(const struct options *o)
{
    struct way way = way_settings_way(&o->way);
    way.max_attempts = o->max_attempts;
    return way;
}

static void keys_done(struct keys *k)
{
    gate_free(&k->gate);
    audit_free(&k->audit);
    trust_free(&k->trust);
    free(k->address);
}

/* Where nobody can be let in there is nothing to write. */
static bool audit_make(const struct options *o, struct keys *k, struct config_error *err)
{
    struct state *state = NULL;
    if (o->audit != NULL && strcmp(o->audit, AUDIT_NONE) == 0)
        return true;
    if (state_open(o->state_dir, &state, err) != 0)
        return false;
    k->audit = audit_create(o->audit, state, err);
    state_free(&state);
    return k->audit != NULL;
}

static bool keys_make(const struct options *o, struct keys *k, struct config_error *err)
{
    const struct way way = way_of(o);
    const struct gate_settings lists = {.allow_ports = o->allow_ports, .allow_listen = o->allow_listen};
    *k = (struct keys){.address = trust_address(way_host(&way), way_port(&way))};
    if (k->address == NULL) {
        config_error_set(err, "out of memory");
        return false;
    }
    if (o->no_encryption)
        return true;
    k->trust = trust_make(o, err);
    if (k->trust != NULL)
        k->gate = gate_create(o->state_dir, &lists, err);
    bool made = k->gate != NULL && audit_make(o, k, err);
    if (!made)
        keys_done(k);
    return made;
}

/* -- all together -------------------------------------------------------------------------------------------------------- */

/* In *state, NULL without a directory, is the instance's place: it is freed at the end. */
static int instance_make(const struct options *o, struct state **state, char out[static INSTANCE_TEXT_BYTES + 1])
{
    struct config_error why;
    *state = NULL;
    return state_open(o->state_dir, state, &why) == 0 ? instance_claim(*state, out) : instance_create(out);
}

/* In *out, NULL without --inspect. */
static bool inspector_make(const struct options *o, const char *id, struct inspector **out)
{
    const struct inspector_config config = {.at = o->inspect, .client = id, .secrets = o->inspect_secrets};
    struct config_error err;
    char url[INSPECTOR_URL_BYTES];
    *out = NULL;
    if (o->inspect == NULL)
        return true;
    *out = inspector_create(&config, &err);
    if (*out == NULL) {
        log_fatal(PROGRAM, "%s", err.text);
        return false;
    }
    inspector_url(*out, url);
    log_info(id, "requests are shown at %s", url);
    return true;
}

static int run_services(struct options *o, const char *id, struct services *services, const struct keys *keys)
{
    char instance[INSTANCE_TEXT_BYTES + 1];
    struct state *state = NULL;
    struct inspector *inspector;
    struct catalog *catalog = catalog_create(services);
    int error = catalog == NULL ? ENOMEM : instance_make(o, &state, instance);
    if (error != 0) {
        log_fatal(PROGRAM, "cannot start: %s", strerror(error));
        catalog_unref(catalog);
        state_free(&state);
        return EXIT_FAILED;
    }
    if (!inspector_make(o, id, &inspector)) {
        catalog_unref(catalog);
        state_free(&state);
        return EXIT_FAILED;
    }
    const struct way way = way_of(o);
    const struct client_config config = {
        .id = id,
        .instance = instance,
        .way = &way,
        .workers = o->workers,
        .weight = o->weight,
        .catalog = catalog,
        .services_file = o->services_file,
        .trust = keys->trust,
        .server = {.address = keys->address, .name = o->server_name != NULL ? o->server_name : way_host(&way)},
        .gate = keys->gate,
        .audit = keys->audit,
        .inspector = inspector,
    };
    int status = run(&config, o);
    inspector_free(&inspector);
    catalog_unref(catalog);
    state_free(&state);
    return status;
}

static int run_trusting(struct options *o, const char *id, struct services *services)
{
    struct keys keys;
    struct config_error err;
    process_harden();
    process_keep_memory();
    if (!keys_make(o, &keys, &err)) {
        log_fatal(PROGRAM, "%s", err.text);
        services_done(services);
        return EXIT_FAILED;
    }
    if (!client_may_offer(keys.trust, services, &err)) {
        log_fatal(PROGRAM, "%s", err.text);
        services_done(services);
        keys_done(&keys);
        return EXIT_USAGE;
    }
    if (o->no_encryption)
        log_warning(id, "sessions are not encrypted (--no-encryption)");
    int status = run_services(o, id, services, &keys);
    keys_done(&keys);
    return status;
}

static int fingerprint_print(const struct options *o)
{
    struct config_error err;
    char text[FINGERPRINT_TEXT_BYTES + 1];
    struct trust *trust = trust_make(o, &err);
    if (trust == NULL) {
        log_fatal(PROGRAM, "%s", err.text);
        return EXIT_FAILED;
    }
    fingerprint_text(seal_context_fingerprint(trust_seal(trust)), text);
    puts(text);
    trust_free(&trust);
    return 0;
}

static bool list_valid(const char *option, const char *list)
{
    struct config_error err;
    if (list == NULL || port_list_check(list, strlen(list), &err) == 0)
        return true;
    log_fatal(PROGRAM, "%s: %s", option, err.text);
    return false;
}

static bool lists_valid(const struct options *o)
{
    return list_valid("--allow-ports", o->allow_ports) && list_valid("--allow-listen", o->allow_listen);
}

static int run_options(struct options *o, char *const *positionals, int count)
{
    struct services services = {0, NULL};
    struct config_error err;
    char *id = NULL;
    if (options_is_fingerprint(positionals, count))
        return fingerprint_print(o);
    if (o->server_keys != NULL && !trust_keys_valid(o->server_keys)) {
        log_fatal(PROGRAM, "--server-key: '%.200s' is not a fingerprint", o->server_keys);
        return EXIT_USAGE;
    }
    if (!lists_valid(o))
        return EXIT_USAGE;
    int log = log_settings_open(&o->log, PROGRAM, LOG_LEVEL_NONE, &err);
    crew_raise_descriptor_limit();
    int status = log == 0 ? options_finish(o, &err) : log == LOG_SETTINGS_WRONG ? EXIT_USAGE : EXIT_FAILED;
    if (status == 0)
        status = options_id(o, &id, &err);
    if (status == 0)
        status = options_services(o, positionals, count, &services, &err);
    if (status != 0)
        log_fatal(PROGRAM, "%s", err.text);
    else
        status = run_trusting(o, id, &services);
    free(id);
    log_close();
    return status;
}

int client_program(int argc, char **argv)
{
    struct options o;
    struct config_error err;
    int first;
    memset(&o, 0, sizeof(o));
    o.credentials.crypt_key = true;
    switch (settings_read(&options_table, argc, argv, &o, &first, stdout, &err)) {
    case SETTINGS_SHOWN:
        return 0;
    case SETTINGS_BAD:
        log_fatal(PROGRAM, "%s", err.text);
        return EXIT_USAGE;
    case SETTINGS_RUN:
        break;
    }
    int status = run_options(&o, argv + first, argc - first);
    settings_done(&options_table, &o);
    return status;
}
