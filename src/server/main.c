/* SPDX-License-Identifier: Apache-2.0 */
/* mdm-tunnel-server(1) */
#include "base/log.h"
#include "server/command.h"
#include "server/server.h"

int main(int argc, char **argv)
{
    struct server_settings settings;
    struct config_error err;
    int first;

    enum settings_result result = server_settings_read(argc, argv, &settings, &first, &err);
    if (result == SETTINGS_BAD)
        log_fatal("mdm-tunnel-server", "%s", err.text);
    if (result != SETTINGS_RUN)
        return result == SETTINGS_SHOWN ? 0 : 2;
    if (first < argc) {
        int done = command_run(settings.state_dir, argv + first, argc - first);
        server_settings_done(&settings);
        return done;
    }
    log_set_level(settings.verbose ? LOG_LEVEL_INFO : LOG_LEVEL_NONE);
    struct server *s = server_create(&settings, &err);
    int status = s == NULL ? 1 : server_run(s, &err);
    if (status != 0)
        log_fatal("mdm-tunnel-server", "%s", err.text);
    if (s != NULL)
        server_free(&s);
    server_settings_done(&settings);
    return status;
}
