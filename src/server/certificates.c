/* SPDX-License-Identifier: Apache-2.0 */
/* From the settings to certificates in use. */
#include "server/certificates.h"

#include "base/log.h"

static void certificates_news(void *ctx, enum tls_news news, const char *text)
{
    (void)ctx;
    if (news == TLS_NEWS_LOADED)
        log_info("certificates", "read again: %s", text);
    else if (news == TLS_NEWS_WARNING)
        log_warning("certificates", "%s", text);
    else
        log_warning("certificates", "%s; those in use stay", text);
}

struct tls_store *certificates_create(const struct server_settings *settings, struct worker *const *workers,
                                      unsigned count, bool *failed, struct config_error *err)
{
    char why[512];
    const struct tls_store_config config = {
        .tls = {.pairs = settings->tls_pairs, .pair_count = settings->tls_pair_count},
        .workers = workers,
        .worker_count = count,
        .news = certificates_news,
    };

    if (settings->tls_pair_count == 0)
        return NULL;
    struct tls_store *s = tls_store_create(&config, why);
    *failed = s == NULL;
    if (*failed)
        config_error_set(err, "%s", why);
    return s;
}
