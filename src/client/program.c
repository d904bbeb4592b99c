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
#include "base/notify.h"
#include "base/process.h"
#include "client/announce.h"
#include "client/client.h"
#include "client/command.h"
#include "client/inspector.h"
#include "client/keys.h"
#include "client/options.h"
#include "client/tui.h"
#include "config/state.h"
#include "files/files.h"
#include "relay/crew.h"
#include "relay/trust.h"

#define PROGRAM "mdm-tunnel-client"
#define CLIENT_STATUS "offering services"

/* -- waiting ------------------------------------------------------------------------------------------------------- */

struct wait {
    struct client *client;
    struct options *options;
    struct audit *audit; /* NULL: none */
    struct tui *tui;     /* NULL: none */
    const char *id;
    int signals;          /* a signalfd(2) */
    struct pulse pulse;
    uint64_t pulse_us;    /* when it is felt next; CLOCK_NEVER: nobody asks */
    bool ready;           /* was said */
    uint64_t deadline_us; /* of the drain; CLOCK_NEVER: not draining */
};

static bool is_draining(const struct wait *w) { return w->deadline_us != CLOCK_NEVER; }

static int wait_milliseconds(const struct wait *w)
{
    uint64_t now_us = clock_now_us(), at_us = w->deadline_us < w->pulse_us ? w->deadline_us : w->pulse_us;
    if (w->tui != NULL && tui_due_us(w->tui) < at_us)
        at_us = tui_due_us(w->tui);
    if (at_us == CLOCK_NEVER)
        return -1;
    return now_us >= at_us ? 0 : (int)((at_us - now_us + US_PER_MS - 1) / US_PER_MS);
}

static void drain(struct wait *w)
{
    notify_stopping();
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

static void reload_settings(const struct wait *w)
{
    struct config_error err;
    char later[256];
    if (!options_reload(w->options, later, sizeof(later), &err)) {
        log_fatal(PROGRAM, "%s; the settings stay as they were", err.text);
        return;
    }
    log_settings_level(&w->options->log, LOG_LEVEL_NONE, &err);
    log_info(w->id, "settings are read again%s%s%s", later[0] != '\0' ? " (" : "", later, later[0] != '\0' ? ": at the next start)" : "");
}

static void reload(const struct wait *w)
{
    notify_reloading();
    reload_settings(w);
    client_reload(w->client);
    notify_ready(CLIENT_STATUS);
}

static void feel_pulse(struct wait *w)
{
    uint64_t now_us = clock_now_us();
    if (now_us < w->pulse_us)
        return;
    w->pulse_us = now_us + pulse_feel(&w->pulse, now_us);
}

static void take_signal(struct wait *w)
{
    struct signalfd_siginfo info;
    if (read(w->signals, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo == SIGHUP || info.ssi_signo == SIGUSR1)
        rotate(w);
    if (info.ssi_signo == SIGHUP)
        reload(w);
    else if (info.ssi_signo == SIGUSR1)
        return;
    else if (is_draining(w)) {
        tui_close(&w->tui);
        _exit(EXIT_FAILED);
    } else
        drain(w);
}

static void work_screen(struct wait *w)
{
    if (!tui_work(w->tui) && !is_draining(w))
        drain(w);
    if (clock_now_us() >= tui_due_us(w->tui))
        tui_draw(w->tui);
}

static void take_news(const struct wait *w)
{
    uint64_t count;
    ssize_t n = read(client_news(w->client), &count, sizeof(count));
    (void)n; /* only resets it */
}

/* The service is ready once its server knows it. */
static void say_ready(struct wait *w)
{
    if (w->ready || !client_identified(w->client))
        return;
    w->ready = true;
    notify_ready(CLIENT_STATUS);
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
    struct pollfd polled[] = {{.fd = w->signals, .events = POLLIN},
                              {.fd = client_news(w->client), .events = POLLIN},
                              {.fd = w->tui != NULL ? tui_fd(w->tui) : -1, .events = POLLIN}};
    for (;;) {
        if (poll(polled, 3, wait_milliseconds(w)) < 0 && errno != EINTR)
            return EXIT_FAILED;
        if (polled[0].revents != 0)
            take_signal(w);
        if (polled[1].revents != 0)
            take_news(w);
        if (w->tui != NULL)
            work_screen(w);
        feel_pulse(w);
        say_ready(w);
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

/* Takes the screen over; NULL: there is none. */
static int run(const struct client_config *config, struct options *o, struct tui *tui)
{
    char page[INSPECTOR_URL_BYTES] = "";
    struct wait w = {.options = o, .tui = tui, .audit = config->audit, .id = config->id, .deadline_us = CLOCK_NEVER, .pulse_us = CLOCK_NEVER, .signals = crew_signals_open()};
    struct config_error err;
    if (w.signals < 0) {
        log_fatal(PROGRAM, "cannot take signals: %s", strerror(errno));
        tui_close(&w.tui);
        return EXIT_FAILED;
    }
    errno = 0;
    notify_open();
    w.client = client_create(config, &err);
    if (w.client == NULL) {
        log_fatal(PROGRAM, "%s", err.text);
        tui_close(&w.tui);
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
        if (config->inspector != NULL)
            inspector_url(config->inspector, page);
        if (w.tui != NULL)
            tui_show(w.tui, w.client, inspector_book(config->inspector), page);
        client_pulse(w.client, &w.pulse);
        w.pulse_us = notify_alive_us() == CLOCK_NEVER ? CLOCK_NEVER : 0;
        status = wait_for_end(&w);
        tui_close(&w.tui); /* who waits for the end sees the shell's lines again */
        client_end(w.client);
    }
    tui_close(&w.tui);
    client_free(&w.client);
    notify_close();
    close(w.signals);
    return status;
}

static struct way way_of(const struct options *o)
{
    struct way way = way_settings_way(&o->way);
    way.max_attempts = o->max_attempts;
    return way;
}

/* -- all together -------------------------------------------------------------------------------------------------------- */

/* In *state, NULL without a directory, is the instance's place: it is freed at the end. */
static int instance_make(const struct options *o, struct state **state, char out[static INSTANCE_TEXT_BYTES + 1])
{
    struct config_error why;
    *state = NULL;
    return state_open(o->state_dir, state, &why) == 0 ? instance_claim(*state, out) : instance_create(out);
}

/* In *out, NULL when neither --inspect nor the screen wants it. */
static bool inspector_make(const struct options *o, const char *id, bool screen, struct inspector **out)
{
    const struct inspector_config config = {.at = o->inspect, .client = id, .secrets = o->inspect_secrets};
    struct config_error err;
    char url[INSPECTOR_URL_BYTES];
    *out = NULL;
    if (o->inspect == NULL && !screen)
        return true;
    *out = inspector_create(&config, &err);
    if (*out == NULL) {
        log_fatal(PROGRAM, "%s", err.text);
        return false;
    }
    inspector_url(*out, url);
    if (url[0] != '\0')
        log_info(id, "requests are shown at %s", url);
    return true;
}

static int run_services(struct options *o, const char *id, struct services *services, const struct keys *keys)
{
    char instance[INSTANCE_TEXT_BYTES + 1];
    struct state *state = NULL;
    struct tui *tui = options_tui(o) && tui_possible() ? tui_open(id) : NULL;
    struct announce announce = {.silent = tui != NULL, .qr = o->qr};
    struct inspector *inspector;
    struct catalog *catalog = catalog_create(services);
    int error = catalog == NULL ? ENOMEM : instance_make(o, &state, instance);
    if (error != 0) {
        log_fatal(PROGRAM, "cannot start: %s", strerror(error));
        tui_close(&tui);
        catalog_unref(catalog);
        state_free(&state);
        return EXIT_FAILED;
    }
    if (!inspector_make(o, id, tui != NULL, &inspector)) {
        tui_close(&tui);
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
        .announce = o->announced ? announce_url : NULL,
        .announce_ctx = &announce,
        .directory = state != NULL ? state_directory(state) : NULL,
    };
    int status = run(&config, o, tui);
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
    if (!services_may_be_offered(services, keys.trust != NULL, &err)) {
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

static int run_options(struct options *o, char *const *positionals, int count)
{
    struct services services = {0, NULL};
    struct config_error err;
    char *id = NULL;
    if (command_is(positionals, count))
        return command_run(o, positionals, count);
    options_imply(o);
    int log = log_settings_open(&o->log, PROGRAM, LOG_LEVEL_NONE, &err);
    process_raise_descriptor_limit();
    int status = log == 0 ? options_finish(o, &err) : log == LOG_SETTINGS_WRONG ? EXIT_USAGE : EXIT_FAILED;
    if (status == 0)
        status = options_id(o, &id, &err);
    if (status == 0)
        status = options_services(o, positionals, count, &services, &err);
    if (status != 0)
        log_fatal(PROGRAM, "%s", err.text);
    else
        status = run_trusting(o, id, &services);
    files_free(&o->files);
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
    o.argc = argc;
    o.argv = argv;
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
