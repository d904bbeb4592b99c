/* SPDX-License-Identifier: Apache-2.0 */
/* mdm-tunnel-server(1) */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "config/privileges.h"
#include "server/command.h"
#include "server/handover.h"
#include "server/server.h"
#include "tls/library.h"

#define PROGRAM "mdm-tunnel-server"

/* What this process was started with. */
struct passed {
    struct shelf *shelf;
    struct predecessor predecessor;
    char *const *argv;
};

static bool passed_take(struct passed *p, char *const argv[], struct config_error *err)
{
    char why[256];

    p->argv = argv;
    p->shelf = shelf_create();
    if (p->shelf == NULL)
        config_error_set(err, "sockets: %s", strerror(ENOMEM));
    else if (!predecessor_open(&p->predecessor, p->shelf, why, sizeof(why)))
        config_error_set(err, "%s", why);
    else if (!shelf_read_environment(p->shelf, why, sizeof(why)))
        config_error_set(err, "LISTEN_FDS: %s", why);
    else
        return true;
    return false;
}

static int serve(struct server_settings *settings, struct passed *p, struct config_error *err)
{
    if (!privileges_drop(settings->user, &settings->state_dir, err))
        return 1;
    struct server *s = server_create(settings, p->shelf, &p->predecessor, err);
    int status = s == NULL || !privileges_settle(settings->user, err) ? 1 : server_run(s, p->argv, err);
    if (s != NULL)
        server_free(&s);
    return status;
}

/* With the settings as they were read. */
static int run(struct server_settings *settings, struct passed *p, struct config_error *err)
{
    int log = log_settings_open(&settings->log, PROGRAM, LOG_LEVEL_NONE, err);
    int status = log == 0 ? serve(settings, p, err) : log == LOG_SETTINGS_WRONG ? 2 : 1;

    if (status != 0)
        log_fatal(PROGRAM, "%s", err->text);
    return status;
}

int main(int argc, char **argv)
{
    struct server_settings settings;
    struct passed passed = {.predecessor = {.fd = -1, .elders = -1}};
    struct config_error err;
    int first;

    tls_library_keep();
    if (argc == 3 && strcmp(argv[1], "check") == 0) /* whatever is wrong with the settings that would be read without it */
        return command_check(argv[2]);
    bool taken = passed_take(&passed, argv, &err);
    enum settings_result result = taken ? server_settings_read(argc, argv, &settings, &first, &err) : SETTINGS_BAD;
    if (result == SETTINGS_BAD) {
        log_fatal(PROGRAM, "%s", err.text);
        predecessor_failed(&passed.predecessor, err.text);
    }
    if (result != SETTINGS_RUN) {
        shelf_free(&passed.shelf);
        return result == SETTINGS_SHOWN ? 0 : taken ? 2 : 1;
    }
    int status = first < argc ? command_run(&settings, argv + first, argc - first) : run(&settings, &passed, &err);
    if (status != 0)
        predecessor_failed(&passed.predecessor, err.text);
    if (first >= argc)
        log_close();
    shelf_free(&passed.shelf);
    server_settings_done(&settings);
    return status;
}
