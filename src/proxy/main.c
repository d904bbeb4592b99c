/* SPDX-License-Identifier: Apache-2.0 */
/* mdm-tunnel-proxy(8) */
#include "base/log.h"
#include "base/process.h"
#include "proxy/proxy.h"
#include "tls/library.h"

#define PROGRAM "mdm-tunnel-proxy"

static bool become_user(const struct proxy_settings *settings, struct config_error *err)
{
    struct process_user user;
    const char *why = settings->user == NULL ? NULL : process_user_find(settings->user, &user);
    if (settings->user != NULL && why == NULL)
        why = process_become(&user);
    process_harden();
    process_keep_memory();
    if (why != NULL)
        config_error_set(err, "user '%.64s': %s", settings->user, why);
    return why == NULL;
}

static bool settle(const struct proxy_settings *settings, struct config_error *err)
{
    const char *why = settings->user == NULL ? NULL : process_settle();
    if (why != NULL)
        config_error_set(err, "privileges: %s", why);
    return why == NULL;
}

static int serve(const struct proxy_settings *settings, struct config_error *err)
{
    if (!become_user(settings, err))
        return 1;
    struct proxy *p = proxy_create(settings, err);
    int status = p == NULL || !settle(settings, err) ? 1 : proxy_run(p, err);
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
    log_set_level(settings.verbose ? LOG_LEVEL_INFO : LOG_LEVEL_NONE);
    int status = serve(&settings, &err);
    if (status != 0)
        log_fatal(PROGRAM, "%s", err.text);
    proxy_settings_done(&settings);
    return status;
}
