/* SPDX-License-Identifier: Apache-2.0 */
/* Commands: words to functions. A running server sees the files change. */
#include "server/command.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/control_socket.h"
#include "base/log.h"
#include "config/authorized_clients.h"
#include "config/identity.h"
#include "server/admission.h"
#include "server/client_edit.h"
#include "server/front.h"
#include "wire/rules.h"

#define PROGRAM "mdm-tunnel-server"
#define FAILED 1
#define USAGE 2

static int fail(int status, const struct config_error *err)
{
    log_fatal(PROGRAM, "%s", err->text);
    return status;
}

static int fingerprint_print(const struct server_settings *o, struct state *s, char *const *arguments)
{
    struct identity identity;
    struct config_error err;
    char text[FINGERPRINT_TEXT_BYTES + 1];
    (void)o, (void)arguments;
    if (identity_load(s, SERVER_KEY_FILE, &identity, &err) != 0)
        return fail(FAILED, &err);
    fingerprint_text(&identity.fingerprint, text);
    puts(text);
    identity_done(&identity);
    return 0;
}

static int clients_list(const struct server_settings *o, struct state *s, char *const *arguments)
{
    struct authorized_clients clients;
    struct config_error err, why;
    (void)o, (void)arguments;
    char *text = client_lines(s, &err);
    if (text == NULL)
        return fail(FAILED, &err);
    bool valid = authorized_clients_parse(text, &clients, &why) == 0;
    free(text);
    if (!valid) {
        config_error_set(&err, "%s/" AUTHORIZED_FILE ": %s", state_directory(s), why.text);
        return fail(FAILED, &err);
    }
    for (size_t i = 0; i < clients.count; i++) {
        const struct authorized_client *c = &clients.list[i];
        char key[FINGERPRINT_TEXT_BYTES + 1], options[CLIENT_GRANT_TEXT_MAX + 1];
        if (c->none || c->any)
            strcpy(key, c->none ? "none" : "any");
        else
            fingerprint_text(&c->key, key);
        client_grant_text(&c->grant, options, sizeof(options));
        printf("%s %s%s\n", c->pattern, key, options);
    }
    authorized_clients_done(&clients);
    return 0;
}

static int clients_edit(struct state *s, enum authorized_edit edit, const char *id, const struct fingerprint *key,
                        const struct client_grant *grant)
{
    struct config_error err;
    enum client_edit_result result = client_edit(s, edit, id, key, grant, &err);
    return result == CLIENT_EDIT_DONE ? 0 : fail(result == CLIENT_EDIT_WRONG ? USAGE : FAILED, &err);
}

static int clients_allow(const struct server_settings *o, struct state *s, char *const *arguments)
{
    struct config_error err;
    (void)o;
    enum client_edit_result result = client_allow(s, arguments[0], arguments[1], (const char *const *)(arguments + 2), &err);
    return result == CLIENT_EDIT_DONE ? 0 : fail(result == CLIENT_EDIT_WRONG ? USAGE : FAILED, &err);
}

static int clients_deny(const struct server_settings *o, struct state *s, char *const *arguments)
{
    (void)o;
    return clients_edit(s, AUTHORIZED_DENY, arguments[0], NULL, NULL);
}

static int clients_forget(const struct server_settings *o, struct state *s, char *const *arguments)
{
    (void)o;
    return clients_edit(s, AUTHORIZED_FORGET, arguments[0], NULL, NULL);
}

/* The switch is a file: whoever cannot run the program can make it. */
static int maintenance_on(const struct server_settings *o, struct state *s, char *const *arguments)
{
    struct config_error err;
    char text[RULE_WORDS_MAX + 2];
    (void)o;
    int len = snprintf(text, sizeof(text), "%s\n", arguments[0] != NULL ? arguments[0] : "");
    if (len >= (int)sizeof(text) || strcspn(text, "\r\n") != (size_t)len - 1 || (arguments[0] != NULL && arguments[1] != NULL)) {
        config_error_set(&err, "maintenance: the text is one word of the command, one line of up to 500 bytes");
        return fail(USAGE, &err);
    }
    return state_write(s, MAINTENANCE_FILE, text, &err) == 0 ? 0 : fail(FAILED, &err);
}

static int maintenance_off(const struct server_settings *o, struct state *s, char *const *arguments)
{
    struct config_error err;
    char path[PATH_TEXT_MAX];
    (void)o, (void)arguments;
    snprintf(path, sizeof(path), "%s/" MAINTENANCE_FILE, state_directory(s));
    if (unlink(path) == 0 || errno == ENOENT)
        return 0;
    config_error_set(&err, "%.512s: %s", path, strerror(errno));
    return fail(FAILED, &err);
}

/* -- of the one that runs ------------------------------------------------------------------------------------------ */

static void answer_print(void *ctx, const char *answer)
{
    (void)ctx;
    fputs(answer, stdout);
}

/* What was told is done; that is answered, too. */
static void nothing_print(void *ctx, const char *answer)
{
    (void)ctx, (void)answer;
}

static int running_ask(const struct state *s, const char *line, control_answer_fn *each)
{
    struct config_error err;
    const char *why;
    unsigned count = control_ask(state_directory(s), "server", line, each, NULL, &why);
    if (why != NULL)
        config_error_set(&err, "the server with the state directory %.256s cannot be asked: %s", state_directory(s), why);
    else if (count == 0)
        config_error_set(&err, "no server is running with the state directory %.256s (--state-dir names another)", state_directory(s));
    return why != NULL || count == 0 ? fail(FAILED, &err) : 0;
}

static int status_print(const struct server_settings *o, struct state *s, char *const *arguments)
{
    (void)arguments;
    return running_ask(s, o->json ? "status json" : "status", answer_print);
}

static int log_level_tell(const struct server_settings *o, struct state *s, char *const *arguments)
{
    struct config_error err;
    char line[LOG_SETTINGS_LINE_MAX];
    (void)o;
    return log_settings_line(arguments[0], line, &err) ? running_ask(s, line, arguments[0] != NULL ? nothing_print : answer_print)
                                                       : fail(USAGE, &err);
}

/* -- all of them --------------------------------------------------------------------------------------------------- */

static const struct command {
    const char *word, *second;
    int arguments, most; /* at least, at most */
    const char *usage;
    int (*run)(const struct server_settings *o, struct state *s, char *const *arguments);
} commands[] = {
    {"fingerprint", NULL, 0, 0, "fingerprint", fingerprint_print},
    {"status", NULL, 0, 0, "[--json] status", status_print},
    {"log-level", NULL, 0, 1, "log-level [none|error|warning|info|debug]", log_level_tell},
    {"clients", "list", 0, 0, "clients list", clients_list},
    {"clients", "allow", 2, INT_MAX, "clients allow ID FINGERPRINT|any [OPTION ...]", clients_allow},
    {"clients", "deny", 1, 1, "clients deny ID", clients_deny},
    {"clients", "forget", 1, 1, "clients forget ID", clients_forget},
    {"maintenance", "on", 0, INT_MAX, "maintenance on [TEXT]", maintenance_on},
    {"maintenance", "off", 0, 0, "maintenance off", maintenance_off},
};

static const struct command *command_find(char *const *words, int count, struct config_error *err)
{
    config_error_set(err, "unknown command '%.64s' (--help shows all)", words[0]);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        const struct command *c = &commands[i];
        int own = c->second != NULL ? 2 : 1;
        if (strcmp(words[0], c->word) != 0)
            continue;
        if (c->second != NULL && count < 2)
            config_error_set(err, strcmp(c->word, "clients") == 0 ? "clients: list, allow, deny or forget?" : "maintenance: on or off?");
        else if (c->second != NULL && strcmp(words[1], c->second) != 0)
            config_error_set(err, "unknown command '%s %.64s' (--help shows all)", c->word, words[1]);
        else if (count - own >= c->arguments && count - own <= c->most)
            return c;
        else {
            config_error_set(err, "usage: " PROGRAM " %s", c->usage);
            return NULL;
        }
    }
    return NULL;
}

int command_check(char *file)
{
    struct server_settings settings;
    struct config_error err;
    char program[] = PROGRAM, option[] = "--config", *words[] = {program, option, file, NULL};
    int first;

    if (server_settings_read(3, words, &settings, &first, &err) != SETTINGS_RUN)
        return fail(FAILED, &err);
    server_settings_done(&settings);
    return 0;
}

int command_run(const struct server_settings *settings, char *const *words, int count)
{
    struct config_error err;
    struct state *s;
    const struct command *c = command_find(words, count, &err);
    if (c == NULL)
        return fail(USAGE, &err);
    if (state_open(settings->state_dir, &s, &err) != 0)
        return fail(FAILED, &err);
    int status = c->run(settings, s, words + (c->second != NULL ? 2 : 1));
    state_free(&s);
    return status;
}
