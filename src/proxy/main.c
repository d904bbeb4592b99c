/* SPDX-License-Identifier: Apache-2.0 */
/* mdm-tunnel-proxy(8) */
#include "base/log.h"
#include "config/privileges.h"
#include "proxy/proxy.h"
#include "tls/library.h"

#define PROGRAM "mdm-tunnel-proxy"

static int serve(struct proxy_settings *settings, struct config_error *err)
{
    bool remembers = settings->admin != NULL && settings->admin_token == NULL;
    if (!privileges_drop(settings->user, remembers ? &settings->state_dir : NULL, err))
        return 1;
    struct proxy *p = proxy_create(settings, err);
    int status = p == NULL || !privileges_settle(settings->user, err) ? 1 : proxy_run(p, err);
    if (p != NULL)
        proxy_free(&p);
    return status;
}

int main(int argc, char **argv)
{
    struct proxy_settings settings;
    struct config_error err;
    tls_library_keep();
    enum settings_result result = proxy_settings_read(argc, argv, &settings, &err);
    if (result == SETTINGS_BAD)
        log_fatal(PROGRAM, "%s", err.text);
    if (result != SETTINGS_RUN)
        return result == SETTINGS_SHOWN ? 0 : 2;
    int log = log_settings_open(&settings.log, PROGRAM, LOG_LEVEL_NONE, &err);
    int status = log == 0 ? serve(&settings, &err) : log == LOG_SETTINGS_WRONG ? 2 : 1;
    if (status != 0)
        log_fatal(PROGRAM, "%s", err.text);
    log_close();
    proxy_settings_done(&settings);
    return status;
}
