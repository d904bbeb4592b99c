/* SPDX-License-Identifier: Apache-2.0 */
/* mdm-tunnel-server(1) */
#include <string.h>

#include "base/log.h"
#include "config/privileges.h"
#include "server/command.h"
#include "server/server.h"
#include "tls/library.h"

#define PROGRAM "mdm-tunnel-server"

static int serve(struct server_settings *settings, struct config_error *err)
{
    if (!privileges_drop(settings->user, &settings->state_dir, err))
        return 1;
    struct server *s = server_create(settings, err);
    int status = s == NULL || !privileges_settle(settings->user, err) ? 1 : server_run(s, err);
    if (s != NULL)
        server_free(&s);
    return status;
}

int main(int argc, char **argv)
{
    struct server_settings settings;
    struct config_error err;
    int first;

    tls_library_keep();
    if (argc == 3 && strcmp(argv[1], "check") == 0) /* whatever is wrong with the settings that would be read without it */
        return command_check(argv[2]);
    enum settings_result result = server_settings_read(argc, argv, &settings, &first, &err);
    if (result == SETTINGS_BAD)
        log_fatal(PROGRAM, "%s", err.text);
    if (result != SETTINGS_RUN)
        return result == SETTINGS_SHOWN ? 0 : 2;
    if (first < argc) {
        int done = command_run(&settings, argv + first, argc - first);
        server_settings_done(&settings);
        return done;
    }
    int log = log_settings_open(&settings.log, PROGRAM, LOG_LEVEL_NONE, &err);
    int status = log == 0 ? serve(&settings, &err) : log == LOG_SETTINGS_WRONG ? 2 : 1;
    if (status != 0)
        log_fatal(PROGRAM, "%s", err.text);
    log_close();
    server_settings_done(&settings);
    return status;
}
