/* SPDX-License-Identifier: Apache-2.0 */
/* Ports in the log and in a file. */
#include "server/ports.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "mdm-tunnel/limits.h"

static void ports_log_more(const struct ports *p, const struct server_settings *settings)
{
    for (unsigned i = 0; i < settings->client_listen_count && p->client != 0; i++) {
        const struct listen_url *url = &settings->client_listen_urls[i];
        log_info("server", "listening on %s port %u for clients (%s)", url->address[0] != '\0' ? url->address : "*",
                 p->more_clients[i], url->scheme);
    }
}

void ports_log(const struct ports *p, const struct server_settings *settings, unsigned workers)
{
    const char *bind = settings->bind != NULL ? settings->bind : "*";
    const char *client_bind = settings->client_bind != NULL ? settings->client_bind : "*";
    char tls[32] = "", clients[PATH_TEXT_MAX];

    if (p->tls != 0)
        snprintf(tls, sizeof(tls), " and (HTTPS) port %u", p->tls);
    if (p->client != 0)
        snprintf(clients, sizeof(clients), "on %s port %u for clients", client_bind, p->client);
    else
        snprintf(clients, sizeof(clients), "clients at %s", settings->broker.url);
    ports_log_more(p, settings);
    log_info("server", "listening on %s port %u%s for visitors, %s, %u workers", bind, p->http, tls, clients, workers);
}

bool ports_write(const struct ports *p, const struct server_settings *settings, struct config_error *err)
{
    const char *path = settings->ports_file;
    char temporary[PATH_TEXT_MAX], tls[32] = "", admin[32] = "";

    if (path == NULL)
        return true;
    int len = snprintf(temporary, sizeof(temporary), "%s.new", path);
    FILE *f = len > 0 && (size_t)len < sizeof(temporary) ? fopen(temporary, "we") : NULL;
    if (f == NULL) {
        config_error_set(err, "%s: %s", path, strerror(errno));
        return false;
    }
    if (p->tls != 0)
        snprintf(tls, sizeof(tls), ",\"tls_port\":%u", p->tls);
    if (p->admin != 0)
        snprintf(admin, sizeof(admin), ",\"admin_port\":%u", p->admin);
    int written = fprintf(f, "{\"port\":%u,\"client_port\":%u%s%s,\"client_ports\":[", p->http, p->client, tls, admin);
    for (unsigned i = 0; i < settings->client_listen_count && written > 0; i++)
        written = fprintf(f, "%s%u", i > 0 ? "," : "", p->more_clients[i]);
    if (written > 0)
        written = fprintf(f, "]}\n");
    if (fclose(f) == 0 && written > 0 && rename(temporary, path) == 0)
        return true;
    config_error_set(err, "%s: %s", path, strerror(errno));
    return false;
}
