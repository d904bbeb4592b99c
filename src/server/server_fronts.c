/* SPDX-License-Identifier: Apache-2.0 */
/* The ports of visitors, and each worker's front behind them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "mdm-tunnel/limits.h"
#include "server/server_inner.h"
#include "server/tcp_port.h"

/* -- news from the fronts ------------------------------------------------------------------------------------------ */

static void on_drained(void *ctx)
{
    struct server *s = ctx;

    atomic_fetch_add(&s->drained, 1);
    server_wake(s);
}

static void on_remember(void *ctx, char *text)
{
    struct server *s = ctx;

    free(atomic_exchange(&s->remember, text));
    server_wake(s);
}

/* -- sockets ------------------------------------------------------------------------------------------------------- */

/* Sockets of a public port; -1: given away. */
struct sockets {
    int fds[WORKERS_MAX];
    unsigned count; /* at least one for each worker; 0: there is no such port */
};

static void sockets_close(struct sockets *k)
{
    for (unsigned i = 0; i < k->count; i++)
        if (k->fds[i] >= 0)
            close(k->fds[i]);
}

static int socket_give(struct sockets *k, unsigned index)
{
    int fd = index < k->count ? k->fds[index] : -1;

    if (index < k->count)
        k->fds[index] = -1;
    return fd;
}

static bool open_port(struct server *s, uint16_t *port, struct sockets *out, struct config_error *err)
{
    const char *bind = s->settings->bind;
    bool tls = port == &s->ports.tls;
    unsigned wanted = tls ? s->settings->tls_port : s->settings->port;
    struct shelf_wish wish = {tls ? SHELF_HTTPS : SHELF_HTTP, bind, (uint16_t)wanted};
    char what[128];

    if (tls && wanted == SERVER_NO_PORT)
        return true;
    snprintf(what, sizeof(what), "%s port %u", bind != NULL ? bind : "*", wanted);
    out->count = shelf_listen(s->shelf, &wish, s->count, true, out->fds);
    *port = wish.port;
    return out->count > 0 || server_failed(err, what, errno);
}

/* What redirections and links name. */
uint16_t server_https_port(const struct server *s)
{
    return s->settings->https_port != 0 ? (uint16_t)s->settings->https_port : s->ports.tls;
}

static void on_look(void *ctx, struct status *out)
{
    struct server *s = ctx;
    struct server_part *p = &s->part[worker_index(worker_self())];

    server_look(s, hub_client_count(hub_shard(s->hub, worker_index(p->worker))), &p->sample, out);
}

static bool create_front(struct server *s, unsigned index, struct sockets *plain, struct sockets *tls, struct config_error *err)
{
    struct server_part *p = &s->part[index];
    int failure;

    if ((p->edition = edition_create(s->settings)) == NULL)
        return server_failed(err, "settings", ENOMEM);
    p->front = front_create(&(struct front_config){
                                .worker = p->worker,
                                .settings = &p->edition->settings,
                                .shard = hub_shard(s->hub, index),
                                .edge = s->edge,
                                .hooks = s->hooks,
                                .listen_fd = socket_give(plain, index),
                                .tls_listen_fd = socket_give(tls, index),
                                .port = s->ports.http,
                                .https_port = server_https_port(s),
                                .broker = s->clients.broker != NULL ? broker_shard(s->clients.broker, index) : NULL,
                                .certificates = s->certificates,
                                .access = s->access,
                                .state_dir = state_directory(s->state),
                                .known = s->known,
                                .look = on_look,
                                .remember = index == 0 ? on_remember : NULL,
                                .drained = on_drained,
                                .ctx = s,
                            },
                            &failure);
    s->fronts[index] = p->front;
    return p->front != NULL || server_failed(err, "public port", failure);
}

bool server_fronts_create(struct server *s, struct config_error *err)
{
    struct sockets plain = {.count = 0}, tls = {.count = 0};
    bool ok = open_port(s, &s->ports.http, &plain, err) && open_port(s, &s->ports.tls, &tls, err);

    for (unsigned i = 0; i < s->count && ok; i++)
        ok = create_front(s, i, &plain, &tls, err);
    for (unsigned i = s->count; i < plain.count && ok; i++)
        tcp_port_join(s->fronts[i % s->count], socket_give(&plain, i), false);
    for (unsigned i = s->count; i < tls.count && ok; i++)
        tcp_port_join(s->fronts[i % s->count], socket_give(&tls, i), true);
    sockets_close(&plain);
    sockets_close(&tls);
    return ok;
}
