/* SPDX-License-Identifier: Apache-2.0 */
/* From settings to listeners. */
#include "proxy/doors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "link/url.h"
#include "proxy/http.h"
#include "proxy/revocation.h"

static void certificates_news(void *ctx, enum tls_news news, const char *text)
{
    const struct made_door *m = ctx;
    if (news == TLS_NEWS_LOADED)
        log_info(m->url.scheme, "certificates read again: %s", text);
    else if (news == TLS_NEWS_WARNING)
        log_warning(m->url.scheme, "%s", text);
    else
        log_warning(m->url.scheme, "%s; those in use stay", text);
}

/* -- the side of the clients ------------------------------------------------------------------------------------------ */

static const char *verify_mode(const struct door_settings *s, enum tls_clients *mode)
{
    const char *text = s->client_verify;
    if (s->client_ca == NULL) {
        *mode = TLS_CLIENTS_ANY;
        return text == NULL ? NULL : "client-verify: there is no client-ca";
    }
    bool optional = text != NULL && strcmp(text, "optional") == 0;
    *mode = optional ? TLS_CLIENTS_OPTIONAL : TLS_CLIENTS_REQUIRED;
    return text == NULL || optional || strcmp(text, "required") == 0 ? NULL : "client-verify: neither required nor optional";
}

static bool certificates_make(struct made_door *m, const struct door_settings *s, struct worker *const *workers, unsigned count,
                              char why[static 512])
{
    enum tls_clients mode;
    const char *wrong = verify_mode(s, &mode);
    if (wrong == NULL && s->cert == NULL)
        wrong = "cert: is missing";
    if (wrong != NULL) {
        snprintf(why, 512, "%s", wrong);
        return false;
    }
    m->certificates = tls_store_create(
        &(struct tls_store_config){
            .tls = {.pairs = &(struct tls_pair){s->cert, s->key}, .pair_count = 1, .clients = mode, .client_ca_file = s->client_ca},
            .workers = workers,
            .worker_count = count,
            .news = certificates_news,
            .ctx = m},
        why);
    return m->certificates != NULL;
}

static bool origins_check(const struct made_door *m, const struct door_settings *s, char why[static 512])
{
    struct http_text wrong = {"", 0};
    if (s->origins == NULL)
        return true;
    if (!m->url.http && !m->url.websocket)
        snprintf(why, 512, "origins: %s has no WebSocket", m->url.scheme);
    else if (!websocket_origins_valid(s->origins, &wrong))
        snprintf(why, 512, "origins: \"%.*s\" is none (https://HOST[:PORT])", wrong.len > 64 ? 64 : (int)wrong.len, wrong.at);
    else
        return true;
    return false;
}

static bool listen_make(struct made_door *m, const struct door_settings *s, struct worker *const *workers, unsigned count,
                        char why[static 512])
{
    const char *wrong = s->listen == NULL ? "is missing" : listen_url_parse(s->listen, (unsigned)strlen(s->listen), &m->url);
    if (wrong != NULL) {
        snprintf(why, 512, "listen: %s", wrong);
        return false;
    }
    if (!m->url.tls && (s->cert != NULL || s->client_ca != NULL)) {
        snprintf(why, 512, "listen: certificates, but %s has no TLS", m->url.scheme);
        return false;
    }
    if (m->url.tls && !certificates_make(m, s, workers, count, why))
        return false;
    if (!revocation_of_clients(s, workers[0], m->url.scheme, &m->clients_revoked, why))
        return false;
    m->door.kind = (struct transport_kind){.name = m->url.scheme,
                                           .tls = m->certificates,
                                           .path = m->url.websocket ? m->url.path : NULL,
                                           .alpn = m->url.http ? "http/1.1" : NULL,
                                           .origins = s->origins,
                                           .below = true,
                                           .keep_request = true,
                                           .frame_max = MQTT_VARINT_MAX,
                                           .vetter = m->clients_revoked != NULL ? revoke_vetter(m->clients_revoked) : NULL};
    size_t len = strlen(m->url.path);
    if (m->url.http && len > 0 && m->url.path[len - 1] == '/')
        m->url.path[len - 1] = '\0';
    if (!m->url.http && s->bypass != NULL) {
        snprintf(why, 512, "bypass: is for http:// and https:// only");
        return false;
    }
    if (!origins_check(m, s, why))
        return false;
    m->door.http = m->url.http;
    m->door.prefix = m->url.path;
    m->door.bypass = s->bypass;
    m->port = m->url.port;
    return true;
}

/* -- the side of the target ------------------------------------------------------------------------------------------- */

static bool target_make(struct made_door *m, const struct door_settings *s, struct worker *const *workers, char why[static 512])
{
    struct link_url url;
    struct tls_report report;
    const char *wrong = m->url.http ? gateway_target_parse(s->target != NULL ? s->target : "http://localhost:8888", &url)
                                    : link_url_parse(s->target != NULL ? s->target : "mqtt://localhost:1883", &url);
    if (wrong == NULL && !url.tls && (s->ca_cert != NULL || s->client_cert != NULL || s->target_revocation != NULL))
        wrong = "certificates for a target without TLS";
    if (wrong != NULL) {
        snprintf(why, 512, "target: %s", wrong);
        return false;
    }
    if (url.tls) {
        const struct tls_client_config own = {.ca_file = s->ca_cert,
                                              .cert_file = s->client_cert,
                                              .key_file = s->private_key,
                                              .staple = s->target_revocation != NULL};
        m->client = tls_client_load(&own, &report);
        if (m->client == NULL) {
            snprintf(why, 512, "%s", report.error);
            return false;
        }
        if (!tls_client_watch(m->client, workers[0], certificates_news, m)) {
            snprintf(why, 512, "target: its certificates cannot be watched: %s", strerror(errno));
            return false;
        }
    }
    if (!revocation_of_target(s, workers[0], m->url.scheme, &m->target_revoked, why))
        return false;
    bool v6 = strchr(url.host, ':') != NULL;
    snprintf(m->host, sizeof(m->host), "%s", url.host);
    snprintf(m->authority, sizeof(m->authority), v6 ? "[%s]:%u" : "%s:%u", url.host, url.port);
    snprintf(m->path, sizeof(m->path), "%s", url.path);
    m->door.forward = m->path;
    m->door.target = (struct target){.kind = TARGET_TCP, .port = url.port};
    snprintf(m->door.target.host, sizeof(m->door.target.host), "%s", url.host);
    m->door.way = (struct transport_target){.tls = m->client,
                                            .host = m->host,
                                            .authority = m->authority,
                                            .path = url.websocket ? m->path : NULL,
                                            .frame_max = MQTT_VARINT_MAX,
                                            .vetter = m->target_revoked != NULL ? revoke_vetter(m->target_revoked) : NULL};
    return true;
}

/* -- all of them ------------------------------------------------------------------------------------------------------ */

bool doors_create(struct proxy_doors *d, const struct proxy_settings *s, struct worker *const *workers, unsigned count,
                  struct config_error *err)
{
    const struct door_settings *set = s->doors.list;
    char why[512];
    d->list = calloc(s->doors.count, sizeof(*d->list));
    if (d->list == NULL) {
        config_error_set(err, "out of memory");
        return false;
    }
    for (; d->count < s->doors.count; d->count++) {
        struct made_door *m = &d->list[d->count];
        if (listen_make(m, &set[d->count], workers, count, why) && target_make(m, &set[d->count], workers, why))
            continue;
        config_error_set(err, "listeners[%u].%s", d->count++, why);
        return false;
    }
    return true;
}

static bool door_open(struct made_door *m, struct proxy_post *const *posts, unsigned count, struct config_error *err)
{
    const char *address = m->url.address[0] != '\0' ? m->url.address : NULL;
    for (unsigned i = 0; i < count; i++) {
        int fd = listener_open(address, &m->port, i == 0);
        if (fd < 0 || !post_listen(posts[i], &m->door, fd)) {
            config_error_set(err, "%s://%s:%u: %s", m->url.scheme, m->url.address, m->port, strerror(fd < 0 ? errno : ENOMEM));
            return false;
        }
    }
    return true;
}

bool doors_open(struct proxy_doors *d, struct proxy_post *const *posts, unsigned count, struct config_error *err)
{
    for (unsigned i = 0; i < d->count; i++)
        if (!door_open(&d->list[i], posts, count, err))
            return false;
    return true;
}

void doors_reload(struct proxy_doors *d)
{
    for (unsigned i = 0; i < d->count; i++) {
        struct made_door *m = &d->list[i];
        if (m->certificates != NULL)
            tls_store_reload(m->certificates);
        if (m->clients_revoked != NULL)
            revoke_forget(m->clients_revoked);
        if (m->target_revoked != NULL)
            revoke_forget(m->target_revoked);
    }
}

void doors_stop(struct proxy_doors *d)
{
    for (unsigned i = 0; i < d->count; i++) {
        if (d->list[i].clients_revoked != NULL)
            revoke_stop(d->list[i].clients_revoked);
        if (d->list[i].target_revoked != NULL)
            revoke_stop(d->list[i].target_revoked);
    }
}

void doors_free(struct proxy_doors *d)
{
    for (unsigned i = 0; i < d->count; i++) {
        if (d->list[i].certificates != NULL)
            tls_store_free(&d->list[i].certificates);
        tls_client_free(&d->list[i].client);
        revoke_free(&d->list[i].clients_revoked);
        revoke_free(&d->list[i].target_revoked);
    }
    free(d->list);
    *d = (struct proxy_doors){0};
}
