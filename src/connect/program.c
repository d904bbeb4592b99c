/* SPDX-License-Identifier: Apache-2.0 */
/* mdm-tunnel-connect(1): options, signals, end. Everything else happens on the workers. */
#include "connect/program.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/label.h"
#include "base/log.h"
#include "base/process.h"
#include "config/state.h"
#include "connect/connect.h"
#include "connect/options.h"
#include "connect/say.h"
#include "connect/survey.h"
#include "relay/crew.h"

#define PROGRAM "mdm-tunnel-connect"

enum { FAILED = 1, WRONG_USAGE = 2 };

static const struct trust_kind device_trust = {
    .key_file = "connect-key.pem",
    .known_file = "known_devices",
    .whose = "device",
    .option = "--device-key",
    .name_hint = "",
    .wrong = &error_device_key_unknown,
};

/* -- waiting ------------------------------------------------------------------------------------------------------- */

/* Takes a signal: whether that was all it asked for. */
static bool signal_rotates(int signals)
{
    struct signalfd_siginfo info;
    if (read(signals, &info, sizeof(info)) != sizeof(info) || info.ssi_signo != SIGUSR1)
        return false;
    log_rotate();
    return true;
}

/* Returns the exit status. */
static int wait_for_end(const struct connect *c, int signals)
{
    struct pollfd polled[] = {{.fd = signals, .events = POLLIN}, {.fd = connect_news(c), .events = POLLIN}};
    for (;;) {
        if (poll(polled, 2, -1) < 0 && errno != EINTR)
            return FAILED;
        if (connect_over(c) != CONNECT_GOES_ON)
            return connect_over(c) == CONNECT_DONE ? 0 : FAILED;
        if (polled[0].revents != 0 && !signal_rotates(signals)) {
            say("ending");
            return 0;
        }
    }
}

static int run(const struct connect_config *config)
{
    struct config_error err;
    int signals = crew_signals_open(), status = FAILED;
    if (signals < 0) {
        log_fatal(PROGRAM, "cannot take signals: %s", strerror(errno));
        return FAILED;
    }
    struct connect *c = connect_create(config, &err);
    int error = c == NULL ? 0 : connect_start(c);
    if (c == NULL)
        log_fatal(PROGRAM, "%s", err.text);
    else if (error != 0)
        log_fatal(PROGRAM, "cannot start: %s", strerror(error));
    else {
        status = wait_for_end(c, signals);
        connect_end(c);
    }
    connect_free(&c);
    close(signals);
    return status;
}

/* -- settings ------------------------------------------------------------------------------------------------------ */

static int fingerprint_print(const struct trust *trust)
{
    char text[FINGERPRINT_TEXT_BYTES + 1];
    fingerprint_text(seal_context_fingerprint(trust_seal(trust)), text);
    puts(text);
    return 0;
}

/* -- the list ------------------------------------------------------------------------------------------------------ */

struct ids {
    unsigned count;
    char names[HUB_IDS_MAX][LABEL_BYTES + 1];
    const char *list[HUB_IDS_MAX + 1];
};

static void id_add(struct ids *ids, const char *text, size_t len)
{
    char *name = ids->names[ids->count];
    if (ids->count == HUB_IDS_MAX || !label_normalise(text, len, name))
        return;
    ids->list[ids->count++] = name;
}

/* Those that were reached before at this place. */
static void ids_known(struct ids *ids, struct trust *trust, const struct way *way)
{
    char *text = trust_known(trust), *place = trust_address(way_host(way), way_port(way)), *rest = NULL;
    for (char *line = text == NULL ? NULL : strtok_r(text, "\n", &rest); line != NULL && place != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *at = strchr(line, '@');
        size_t len = strlen(place);
        if (at != NULL && strncmp(at + 1, place, len) == 0 && at[1 + len] == ' ')
            id_add(ids, line, (size_t)(at - line));
    }
    free(place);
    free(text);
}

static bool is_question(const struct options *o) { return o->list || o->status || o->disconnect; }

static int run_list(const struct options *o, char *const *devices, int count, struct trust *trust)
{
    char instance[INSTANCE_TEXT_BYTES + 1], text[600];
    struct ids ids = {.count = 0};
    struct config_error err;
    const struct way way = way_settings_way(&o->way);
    int error = instance_create(instance);
    way_settings_text(&o->way, text, sizeof(text));
    for (int i = 0; i < count; i++)
        id_add(&ids, devices[i], strcspn(devices[i], "/"));
    if (count == 0 && way.brokers == NULL)
        ids_known(&ids, trust, &way);
    else if (count == 0)
        ids.list[ids.count++] = HUB_EVERYBODY;
    if (error != 0 || ids.count == 0) {
        log_fatal(PROGRAM, "%s", error != 0 ? strerror(error) : "no device is known here: name those that are meant");
        return FAILED;
    }
    const struct survey_config config = {
        .instance = instance, .way = &way, .way_text = text, .ids = ids.list, .trust = trust, .timeout_us = o->timeout_us,
        .question = o->disconnect ? SURVEY_DISCONNECT : o->status ? SURVEY_STATUS : SURVEY_LIST, .named = count > 0};
    if (survey_run(&config, &err) == 0)
        return 0;
    log_fatal(PROGRAM, "%s", err.text);
    return FAILED;
}

/* -- ways ---------------------------------------------------------------------------------------------------------- */

static int run_wishes(const struct options *o, struct wishes *wishes, struct trust *trust)
{
    char instance[INSTANCE_TEXT_BYTES + 1], text[600];
    const struct way way = way_settings_way(&o->way);
    int error = instance_create(instance);
    way_settings_text(&o->way, text, sizeof(text));
    if (error != 0) {
        log_fatal(PROGRAM, "cannot start: %s", strerror(error));
        return FAILED;
    }
    const struct connect_config config = {
        .instance = instance,
        .way = &way,
        .way_text = text,
        .workers = o->workers,
        .wishes = wishes,
        .trust = trust,
        .timeout_us = o->timeout_us,
        .linger_us = o->linger_us,
    };
    return run(&config);
}

/* `device`: the one that mqtunnel's settings name; "": none. */
static bool settings_finish(struct options *o, char device[static LABEL_BYTES + 1], struct config_error *err)
{
    if (!way_settings_finish(&o->way, device, err) || !credential_settings_check(&o->credentials, err))
        return false;
    if (o->device_keys != NULL && !trust_keys_valid(o->device_keys))
        config_error_set(err, "--device-key: '%.200s' is not a fingerprint", o->device_keys);
    else
        return true;
    return false;
}

static int run_options(struct options *o, char *const *devices, int count)
{
    static struct wishes wishes; /* too large for a stack */
    struct config_error err;
    const struct wish_options wish = {
        .listen = o->listen, .remote = o->remote, .forwards = o->forwards, .datagrams = o->datagrams, .backs = o->backs, .stdio = o->stdio,
        .public_for = o->public ? o->period : NULL};
    char device[LABEL_BYTES + 1] = "", *adopted[] = {device};
    bool usable = settings_finish(o, device, &err);
    if (usable && count == 0 && device[0] != '\0') {
        devices = adopted;
        count = 1;
    }
    if (usable && o->disconnect && count == 0) {
        config_error_set(&err, "--disconnect: which device?");
        usable = false;
    }
    usable = usable && (o->fingerprint || is_question(o) || wishes_parse(devices, count, &wish, &wishes, &err) == 0);
    if (!usable) {
        log_fatal(PROGRAM, "%s", err.text);
        return WRONG_USAGE;
    }
    int log = log_settings_open(&o->log, PROGRAM, o->quiet ? LOG_LEVEL_NONE : LOG_LEVEL_WARNING, &err);
    if (log != 0) {
        log_fatal(PROGRAM, "%s", err.text);
        return log == LOG_SETTINGS_WRONG ? WRONG_USAGE : FAILED;
    }
    say_start(o->quiet || (o->stdio && !o->log.verbose));
    process_raise_descriptor_limit();
    const struct trust_config config = {
        .kind = &device_trust, .state_dir = o->state_dir, .keys = o->device_keys, .credentials = &o->credentials};
    struct trust *trust = trust_create(&config, &err);
    if (trust == NULL) {
        log_fatal(PROGRAM, "%s", err.text);
        return FAILED;
    }
    int status = o->fingerprint ? fingerprint_print(trust)
                 : is_question(o) ? run_list(o, devices, count, trust)
                                : run_wishes(o, &wishes, trust);
    trust_free(&trust);
    return status;
}

int connect_program(int argc, char **argv)
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
        return WRONG_USAGE;
    case SETTINGS_RUN:
        break;
    }
    process_harden();
    process_keep_memory();
    int status = run_options(&o, argv + first, argc - first);
    settings_done(&options_table, &o);
    return status;
}
