/* SPDX-License-Identifier: Apache-2.0 */
/* Commands: words to functions. */
#include "client/command.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/control_socket.h"
#include "base/log.h"
#include "client/client.h"
#include "client/doctor.h"
#include "client/keys.h"
#include "config/state.h"

#define PROGRAM "mdm-tunnel-client"

static int fail(int status, const struct config_error *err)
{
    log_fatal(PROGRAM, "%s", err->text);
    return status;
}

static int fingerprint_run(struct options *o, char *const *arguments, int given)
{
    struct config_error err;
    char text[FINGERPRINT_TEXT_BYTES + 1];
    (void)arguments, (void)given;
    struct trust *trust = keys_trust(o, &err);
    if (trust == NULL)
        return fail(EXIT_FAILED, &err);
    fingerprint_text(seal_context_fingerprint(trust_seal(trust)), text);
    puts(text);
    trust_free(&trust);
    return 0;
}

/* -- of those that run --------------------------------------------------------------------------------------------- */

static void answer_print(void *ctx, const char *answer)
{
    bool *first = ctx;
    printf("%s%s", *first ? "" : "\n", answer);
    *first = false;
}

/* What was told is done; that is answered, too. */
static void nothing_print(void *ctx, const char *answer)
{
    (void)ctx, (void)answer;
}

static void line_print(void *ctx, const char *answer)
{
    (void)ctx;
    fputs(answer, stdout);
}

/* Each client that runs with the state directory; the exit status. */
static int running_ask(const struct options *o, const char *line, control_answer_fn *each, void *ctx)
{
    struct config_error err;
    struct state *state;
    const char *why;
    if (state_open(o->state_dir, &state, &err) != 0)
        return fail(EXIT_FAILED, &err);
    const char *directory = state_directory(state);
    unsigned count = control_ask(directory, "client", line, each, ctx, &why);
    if (why != NULL)
        config_error_set(&err, "a client with the state directory %.256s cannot be asked: %s", directory, why);
    else if (count == 0)
        config_error_set(&err, "no client is running with the state directory %.256s (--state-dir names another)", directory);
    state_free(&state);
    return why != NULL || count == 0 ? fail(EXIT_FAILED, &err) : 0;
}

static int status_run(struct options *o, char *const *arguments, int given)
{
    bool first = true;
    (void)arguments, (void)given;
    return o->json ? running_ask(o, "status json", line_print, NULL) : running_ask(o, "status", answer_print, &first);
}

static int log_level_run(struct options *o, char *const *arguments, int given)
{
    struct config_error err;
    char line[LOG_SETTINGS_LINE_MAX];
    bool told = given > 0;
    if (!log_settings_line(told ? arguments[0] : NULL, line, &err))
        return fail(EXIT_USAGE, &err);
    return running_ask(o, line, told ? nothing_print : line_print, NULL);
}

/* -- check --------------------------------------------------------------------------------------------------------- */

static bool services_valid(const struct options *o, const char *file, struct config_error *err)
{
    struct services services;
    if (services_load(file, &services, err) != 0)
        return false;
    bool valid = services_may_be_offered(&services, !o->no_encryption, err);
    services_done(&services);
    return valid;
}

static bool settings_valid(char *file, struct config_error *err)
{
    struct options o;
    int first;
    char program[] = PROGRAM, option[] = "--settings", *words[] = {program, option, file, NULL};
    memset(&o, 0, sizeof(o));
    o.credentials.crypt_key = true;
    if (settings_read(&options_table, 3, words, &o, &first, stdout, err) != SETTINGS_RUN)
        return false;
    bool valid = options_finish(&o, err) == 0;
    settings_done(&options_table, &o);
    return valid;
}

/* A file whose names mean something in both ways is right when it is right in one. */
static int check_run(struct options *o, char *const *arguments, int given)
{
    (void)given;
    struct config_error err, ignored;
    char *file = arguments[0];
    bool valid = settings_recognise(&options_table, file) ? settings_valid(file, &err) || services_valid(o, file, &ignored)
                                                          : services_valid(o, file, &err);
    return valid ? 0 : fail(EXIT_FAILED, &err);
}

/* -- all of them --------------------------------------------------------------------------------------------------- */

static const struct command {
    const char *word;
    int arguments, most; /* at least, at most */
    const char *usage;
    int (*run)(struct options *o, char *const *arguments, int given);
} commands[] = {
    {"fingerprint", 0, 0, "fingerprint", fingerprint_run},
    {"status", 0, 0, "[--json] status", status_run},
    {"log-level", 0, 1, "log-level [none|error|warning|info|debug]", log_level_run},
    {"check", 1, 1, "check FILE", check_run},
    {"doctor", 0, INT_MAX, "[--json] doctor [NAME=TARGET ...]", doctor_run},
};

static const struct command *command_find(const char *word)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(word, commands[i].word) == 0)
            return &commands[i];
    return NULL;
}

bool command_is(char *const *words, int count) { return count > 0 && command_find(words[0]) != NULL; }

int command_run(struct options *o, char *const *words, int count)
{
    const struct command *c = command_find(words[0]);
    struct config_error err;
    if (count - 1 >= c->arguments && count - 1 <= c->most)
        return c->run(o, words + 1, count - 1);
    config_error_set(&err, "usage: " PROGRAM " %s", c->usage);
    return fail(EXIT_USAGE, &err);
}
