/* SPDX-License-Identifier: Apache-2.0 */
/* libmicrohttpd in a worker's loop. */
#include "server/front.h"

#include <errno.h>
#include <event2/event.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "server/arrival.h"
#include "server/bridge.h"
#include "server/exchange.h"
#include "server/proven.h"
#include "server/tcp_port.h"
#include "server/upgrade.h"
#include "server/visitor.h"

#define FIRST_BYTES_MAX_US (10 * US_PER_S) /* a front proxy's head, the first TLS message, the handshake: no person is waited for */
#define KNOWN_SAID_US (2 * US_PER_S)
#define FRONT_RUNS 16 /* of libmicrohttpd, before mail gets its turn */

/* -- libmicrohttpd's callbacks ------------------------------------------------------------------------------------- */

static void __attribute__((format(printf, 2, 0))) front_log(void *ctx, const char *format, va_list ap)
{
    char line[512];

    (void)ctx;
    if (!log_wanted(LOG_LEVEL_DEBUG))
        return;
    int len = vsnprintf(line, sizeof(line), format, ap);
    if (len > 0 && (size_t)len < sizeof(line) && line[len - 1] == '\n')
        line[len - 1] = '\0';
    log_debug("http", "%s", line);
}

static void front_connection(void *ctx, struct MHD_Connection *c, void **visitor,
                             enum MHD_ConnectionNotificationCode code)
{
    struct visitor *v = *visitor;

    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        v = visitor_create(ctx, c);
    else if (v != NULL)
        visitor_free(&v);
    *visitor = v;
}

/* The request line is there: the only place where its target is as it came. */
static void *front_target(void *ctx, const char *target, struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct visitor *v = info->socket_context;

    (void)ctx;
    if (v == NULL)
        return NULL;
    CHECK_OBJECT(v, VISITOR_MAGIC);
    visitor_hurry(v);
    return exchange_create(v, target);
}

static enum MHD_Result front_handle(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
                                    const char *version, const char *upload, size_t *upload_size, void **exchange)
{
    struct exchange *ex = *exchange;

    (void)ctx, (void)url;
    if (ex == NULL)
        return MHD_NO;
    CHECK_OBJECT(ex, EXCHANGE_MAGIC);
    return exchange_handle(ex, c, method, version, upload, upload_size);
}

static void front_completed(void *ctx, struct MHD_Connection *c, void **exchange, enum MHD_RequestTerminationCode code)
{
    (void)ctx, (void)c;
    if (*exchange != NULL)
        exchange_end(*exchange, code);
    *exchange = NULL;
}

/* -- the loop ------------------------------------------------------------------------------------------------------ */

/*
 * libmicrohttpd works on what it knew when it was called: as long as it says that it would not wait, it has more to do.
 */
static void front_run(struct turn *t)
{
    struct front *f = CONTAINER_OF(t, struct front, turn);
    MHD_UNSIGNED_LONG_LONG wait_ms;

    CHECK_OBJECT(f, FRONT_MAGIC);
    for (int i = 0; i < FRONT_RUNS && !f->stopped; i++) {
        MHD_run(f->daemon);
        if (MHD_get_timeout(f->daemon, &wait_ms) != MHD_YES || wait_ms > 0)
            return;
    }
    front_due(f);
}

void front_due(struct front *f)
{
    if (!f->stopped)
        worker_at_turn(f->worker, TURN_WORK, &f->turn);
}

static void front_ready(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    front_due(ctx);
}

uint32_t front_enter(struct front *f, const struct sockaddr *address)
{
    const struct server_settings *s = f->config.settings;
    uint8_t bytes[CIDR_ADDRESS_BYTES];

    cidr_address(address, bytes);
    bool proxy = cidr_list_has(&s->trusted_proxies, bytes) || cidr_list_has(&s->proxy_protocol_from, bytes);
    uint32_t place = crowd_enter(f->config.edge->visitors, proxy ? NULL : address);
    if (place == 0)
        counter_add(counters_self(), COUNTER_visitors_refused, 1);
    return place;
}

void front_leave(struct front *f, uint32_t *place) { crowd_leave(f->config.edge->visitors, place); }

bool front_add(struct front *f, int fd, const struct sockaddr *address, socklen_t len, uint32_t place, struct bridge *bridge)
{
    f->arriving = bridge;
    f->arriving_place = place;
    bool added = MHD_add_connection(f->daemon, fd, address, len) == MHD_YES; /* else it has closed the descriptor */
    f->arriving = NULL;
    front_leave(f, &f->arriving_place); /* nobody has taken it */
    if (!added)
        counter_add(counters_self(), COUNTER_limits_hit, 1);
    front_due(f);
    return added;
}

/* -- names --------------------------------------------------------------------------------------------------------- */

struct wanted {
    struct front *front;
    struct http_text host;
    const struct name *name;
};

static bool offer_has(void *ctx, const struct offering *o)
{
    const struct wanted *w = ctx;
    const struct edge_offer *made = o->made;

    return made != NULL && edge_offer_has(made, w->host) && (!w->name->keyed || fingerprint_equal(&made->key, &w->name->key));
}

static bool name_serves(void *ctx, const struct name *name)
{
    struct wanted *w = ctx;

    w->name = name;
    return hub_presence(w->front->shard, name->client) == HUB_PRESENT && hub_offers(w->front->shard, name->client, offer_has, w);
}

/* What the list gives goes first. What was proven is of a key: while another one has the client's id it leads nowhere. */
static const struct name *name_of(struct front *f, struct wanted *w, bool tls)
{
    const struct names *given = &f->config.settings->names;
    struct proven *p = f->config.settings->domain_proof_us > 0 ? f->proven : NULL;
    const struct name *name = names_pick(given, w->host, f->domain_credit + (tls ? given->count : 0), name_serves, w);

    if (name != NULL || p == NULL)
        return name;
    name = names_pick(&p->names, w->host, p->credit + (tls ? p->names.count : 0), name_serves, w);
    return name != NULL && (hub_presence(f->shard, name->client) != HUB_PRESENT || name_serves(w, name)) ? name : NULL;
}

void front_route(struct front *f, struct http_text host, bool tls, struct route *out)
{
    const struct server_settings *s = f->config.settings;
    char lower[DOMAIN_TEXT_MAX + 1];

    if ((s->names.count > 0 || f->proven != NULL) && domain_lower(host, lower)) {
        struct wanted w = {f, http_text_of(lower), NULL};
        const struct name *name = name_of(f, &w, tls);
        if (name != NULL) {
            *out = (struct route){.kind = ROUTE_CLIENT};
            strcpy(out->client, name->client);
            strcpy(out->domain, lower);
            return;
        }
    }
    route_host(host, s->domain, out);
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

static void front_set_deadlines(struct front *f)
{
    const struct server_settings *s = f->config.settings;
    const uint64_t first_us = s->limits.head_us < FIRST_BYTES_MAX_US ? s->limits.head_us : FIRST_BYTES_MAX_US;

    /* An idle connection is looked at as often as a head may take: what has begun meanwhile is no rest. */
    f->rests = (unsigned)((s->limits.idle_us + s->limits.head_us - 1) / s->limits.head_us);
    deadlines_kind(&f->deadlines, DEADLINE_HEAD, s->limits.head_us, visitor_expired);
    deadlines_kind(&f->deadlines, DEADLINE_IDLE, s->limits.idle_us / f->rests, visitor_expired);
    deadlines_kind(&f->deadlines, DEADLINE_CONTINUE, 250 * US_PER_MS, exchange_expired);
    deadlines_kind(&f->deadlines, DEADLINE_ANSWER, s->service_timeout_us, exchange_expired);
    deadlines_kind(&f->deadlines, DEADLINE_STALL, s->limits.stall_us, exchange_expired);
    deadlines_kind(&f->deadlines, DEADLINE_SILENCE, 24 * 3600 * US_PER_S, exchange_expired);
    deadlines_kind(&f->deadlines, DEADLINE_HOLD, s->hold_us, exchange_hold_expired);
    deadlines_kind(&f->deadlines, DEADLINE_UPGRADE, 30 * US_PER_S, upgrade_expired);
    deadlines_kind(&f->deadlines, DEADLINE_STREAM, 30 * US_PER_S, upstream_expired);
    deadlines_kind(&f->deadlines, DEADLINE_ARRIVAL, first_us, arrival_expired);
    deadlines_kind(&f->deadlines, DEADLINE_ACCEPT, 100 * US_PER_MS, acceptor_expired);
    deadlines_kind(&f->deadlines, DEADLINE_HANDSHAKE, first_us, bridge_expired);
    deadlines_kind(&f->deadlines, DEADLINE_LINGER, 2 * US_PER_S, bridge_expired);
}

static int64_t *credit_create(const struct server_settings *settings)
{
    return calloc(2 * settings->names.count + 1, sizeof(int64_t));
}

bool front_reload(struct front *f, const struct server_settings *settings)
{
    int64_t *credit = credit_create(settings);

    if (credit == NULL)
        return false;
    free(f->domain_credit);
    f->domain_credit = credit;
    f->config.settings = settings;
    templates_done(&f->templates);
    templates_init(&f->templates, settings->pages);
    if (!f->stopped)
        front_set_deadlines(f);
    return true;
}

static int front_start_daemon(struct front *f)
{
    f->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_TURBO | MHD_USE_ERROR_LOG,
        0, NULL, NULL, front_handle, f, MHD_OPTION_EXTERNAL_LOGGER, front_log, f, MHD_OPTION_URI_LOG_CALLBACK,
        front_target, f, MHD_OPTION_NOTIFY_COMPLETED, front_completed, f, MHD_OPTION_NOTIFY_CONNECTION, front_connection, f,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)VISITORS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)f->config.settings->limits.head, MHD_OPTION_END);
    if (f->daemon == NULL)
        return errno != 0 ? errno : ENOMEM;
    acceptor_init(&f->plain, f, f->config.listen_fd, false, NULL);
    acceptor_init(&f->tls, f, f->config.tls_listen_fd, true, NULL);
    f->config.listen_fd = f->config.tls_listen_fd = -1; /* the acceptors' now */
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(f->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    f->ready = event_new(worker_events(f->worker), info->epoll_fd, EV_READ | EV_PERSIST, front_ready, f);
    return f->ready == NULL || event_add(f->ready, NULL) != 0 ? ENOMEM : 0;
}

static int front_init(struct front *f)
{
    int failure = tally_init(&f->tally, f->config.edge->key) ? 0 : ENOMEM;

    if (failure == 0)
        failure = deadlines_init(&f->deadlines, f->worker);

    if (failure == 0)
        failure = hangup_set_init(&f->hangups, f->worker);
    if (failure == 0)
        failure = front_start_daemon(f);
    if (failure == 0)
        failure = acceptor_start(&f->plain);
    if (failure == 0)
        failure = acceptor_start(&f->tls);
    return failure;
}

struct front *front_create(const struct front_config *config, int *failure)
{
    struct front *f;

    ALLOC_OBJECT(f, FRONT_MAGIC);
    if (f == NULL) {
        close(config->listen_fd);
        if (config->tls_listen_fd >= 0)
            close(config->tls_listen_fd);
        *failure = ENOMEM;
        return NULL;
    }
    f->config = *config;
    f->worker = config->worker;
    f->shard = config->shard;
    f->hangups.epoll_fd = -1;
    list_init(&f->visitors);
    list_init(&f->upgrades);
    list_init(&f->held);
    list_init(&f->spares);
    list_init(&f->arrivals);
    list_init(&f->bridges);
    list_init(&f->ports);
    acceptor_init(&f->plain, f, -1, false, NULL);
    acceptor_init(&f->tls, f, -1, true, NULL);
    turn_init(&f->turn, front_run);
    line_tap_init(&f->access, config->access, f->worker);
    pool_init(&f->pool);
    known_init(&f->known, CLIENTS_KNOWN_MAX);
    templates_init(&f->templates, config->settings->pages);
    kept_file_init(&f->maintenance, config->state_dir, MAINTENANCE_FILE);
    known_init(&f->passed, SERVICES_PASSED_MAX);
    if (config->known != NULL)
        known_read(&f->known, config->known);
    f->domain_credit = credit_create(config->settings);
    *failure = front_init(f);
    if (*failure == 0 && f->domain_credit == NULL)
        *failure = ENOMEM;
    if (*failure == 0)
        front_set_deadlines(f);
    else
        front_free(&f);
    return f;
}

/* When they were last there is not written for each that goes: what is left is written with the next one, or at the end. */
static void front_remember(struct front *f, bool now)
{
    uint64_t now_us = worker_now_us(f->worker);

    if (f->config.remember == NULL || !f->known_dirty || (!now && now_us - f->known_said_us < KNOWN_SAID_US))
        return;
    f->config.remember(f->config.ctx, known_write(&f->known));
    f->known_dirty = false;
    f->known_said_us = now_us;
}

void front_client_up(struct front *f, const char *id)
{
    if (known_add(&f->known, id)) {
        f->known_dirty = true;
        front_remember(f, true);
    }
    LIST_FOREACH_SAFE(node, next, &f->held) {
        struct exchange *ex = CONTAINER_OF(node, struct exchange, held_node);
        if (strcmp(ex->route.client, id) == 0)
            exchange_release_held(ex);
    }
}

void front_client_down(struct front *f, const char *id, bool last)
{
    if (last) {
        known_see(&f->known, id, time(NULL));
        f->known_dirty = true;
        front_remember(f, false);
    }
    pool_drop(&f->pool, id, &error_cancelled);
    LIST_FOREACH(node, &f->visitors) {
        struct exchange *ex = CONTAINER_OF(node, struct visitor, node)->exchange;
        if (ex != NULL && strcmp(ex->route.client, id) == 0)
            exchange_machine_gone(ex);
    }
}

/* -- the end ------------------------------------------------------------------------------------------------------- */

void front_check_drained(struct front *f)
{
    unsigned busy = f->visitor_count + f->upgrade_count + f->arrival_count + f->bridge_count;

    if (!f->draining || f->drained || busy > 0)
        return;
    f->drained = true;
    f->config.drained(f->config.ctx);
}

void front_sockets(struct front *f, shelf_show_fn *show, void *ctx)
{
    if (f->plain.fd >= 0)
        show(ctx, SHELF_HTTP, f->plain.fd);
    if (f->tls.fd >= 0)
        show(ctx, SHELF_HTTPS, f->tls.fd);
    tcp_ports_show(f, show, ctx);
}

static void front_close_ports(struct front *f)
{
    acceptor_close(&f->plain); /* whoever is in the queues is let in */
    acceptor_close(&f->tls);
    tcp_ports_close(f);
    MHD_run(f->daemon);
    f->draining = true;
}

void front_leave_ports(struct front *f)
{
    if (f->draining)
        return;
    front_close_ports(f);
    f->patient = true;
    front_due(f);
    front_check_drained(f);
}

void front_drain(struct front *f)
{
    if (f->draining)
        return;
    front_close_ports(f);
    arrivals_close(f, false);
    bridges_close(f, false);
    pool_drop(&f->pool, NULL, &error_shutting_down);
    LIST_FOREACH_SAFE(held, next_held, &f->held)
        exchange_fail(CONTAINER_OF(held, struct exchange, held_node), &error_client_offline, NULL);
    LIST_FOREACH(node, &f->visitors) {
        struct visitor *v = CONTAINER_OF(node, struct visitor, node);
        if (v->exchange == NULL)
            visitor_cut(v);
    }
    front_due(f);
    front_check_drained(f);
}

static bool is_present(void *ctx, const char *id) { return hub_presence(ctx, id) == HUB_PRESENT; }

void front_stop(struct front *f)
{
    if (f->stopped)
        return;
    front_drain(f);
    LIST_FOREACH(node, &f->visitors) {
        struct visitor *v = CONTAINER_OF(node, struct visitor, node);
        if (v->exchange != NULL)
            exchange_abort(v->exchange, &error_shutting_down);
        visitor_resume(v); /* libmicrohttpd does not stop while one is suspended */
    }
    f->stopped = true;
    known_see_all(&f->known, is_present, f->shard, time(NULL));
    f->known_dirty = true;
    front_remember(f, true);
    turn_cancel(&f->turn);
    event_free(f->ready);
    f->ready = NULL;
    MHD_stop_daemon(f->daemon);
    f->daemon = NULL;
    upgrades_stop(f);
    arrivals_close(f, true);
    bridges_close(f, true);
    pool_drop(&f->pool, NULL, &error_shutting_down);
    deadlines_done(&f->deadlines);
    hangup_set_done(&f->hangups);
    line_tap_done(&f->access);
}

void front_free(struct front **fp)
{
    struct front *f = *fp;

    *fp = NULL;
    if (f == NULL)
        return;
    CHECK_OBJECT(f, FRONT_MAGIC);
    turn_cancel(&f->turn);
    line_tap_done(&f->access);
    if (f->ready != NULL)
        event_free(f->ready);
    if (f->daemon != NULL)
        MHD_stop_daemon(f->daemon);
    acceptor_close(&f->plain);
    acceptor_close(&f->tls);
    tcp_ports_close(f);
    if (f->config.listen_fd >= 0)
        close(f->config.listen_fd);
    if (f->config.tls_listen_fd >= 0)
        close(f->config.tls_listen_fd);
    bridges_free(f);
    hangup_set_done(&f->hangups);
    deadlines_done(&f->deadlines);
    known_done(&f->known);
    templates_done(&f->templates);
    kept_file_done(&f->maintenance);
    known_done(&f->passed);
    free(f->domain_credit);
    proven_free(&f->proven);
    for (struct list *node; (node = list_shift(&f->spares)) != NULL;) {
        struct exchange *ex = CONTAINER_OF(node, struct exchange, spare_node);
        exchange_free(&ex);
    }
    tally_done(&f->tally);
    FREE_OBJECT(f);
}
