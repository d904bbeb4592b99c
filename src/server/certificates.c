/* SPDX-License-Identifier: Apache-2.0 */
/* From the settings to certificates in use. */
#include "server/certificates.h"

#include "base/log.h"

static const char public_side[] = "certificates", client_side[] = "certificates for clients";

/* `ctx`: whom it is about. */
static void certificates_news(void *ctx, enum tls_news news, const char *text)
{
    if (news == TLS_NEWS_LOADED)
        log_info(ctx, "read again: %s", text);
    else if (news == TLS_NEWS_WARNING)
        log_warning(ctx, "%s", text);
    else
        log_warning(ctx, "%s; those in use stay", text);
}

struct tls_store *certificates_create(const struct server_settings *settings, enum tls_clients clients,
                                      struct worker *const *workers, unsigned count, bool *failed,
                                      struct config_error *err)
{
    char why[512];
    const struct tls_store_config config = {
        .tls = {.pairs = settings->tls_pairs,
                .pair_count = settings->tls_pair_count,
                .clients = clients,
                .client_ca_file = settings->client_ca},
        .workers = workers,
        .worker_count = count,
        .news = certificates_news,
        .ctx = (void *)(uintptr_t)(clients == TLS_CLIENTS_ANY ? public_side : client_side),
    };

    if (settings->tls_pair_count == 0)
        return NULL;
    struct tls_store *s = tls_store_create(&config, why);
    *failed = s == NULL;
    if (*failed)
        config_error_set(err, "%s", why);
    return s;
}
