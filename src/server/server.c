/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the parts together, and takes them apart in the right order. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "hook/chain.h"
#include "hook/plugin.h"
#include "link/link.h"
#include "mdm-tunnel/limits.h"
#include "server/certificates.h"
#include "server/passthrough.h"
#include "server/server_inner.h"
#include "server/uplink.h"

#define IDLE_US (10 * US_PER_S) /* keep-alive of sessions and of an MQTT session at another broker */

static bool has_own_broker(const struct server *s) { return s->settings->broker.url == NULL; }

void server_wake(struct server *s)
{
    uint64_t one = 1;

    if (write(s->wake_fd, &one, sizeof(one)) < 0)
        log_debug("server", "eventfd: %s", strerror(errno));
}

/* -- news for the log ---------------------------------------------------------------------------------------------- */

static void on_client_up(void *ctx, struct hub_shard *shard, const char *id, bool first)
{
    struct server *s = ctx;
    unsigned index = hub_shard_index(shard);

    if (first && index == 0)
        log_info(id, "client is there");
    front_client_up(s->part[index].front, id);
    if (index == 0)
        port_keeper_up(s->keeper, shard, id);
}

static void on_client_down(void *ctx, struct hub_shard *shard, const char *id, bool last)
{
    struct server *s = ctx;
    unsigned index = hub_shard_index(shard);

    if (last && index == 0)
        log_info(id, "client is gone");
    front_client_down(s->part[index].front, id, last);
    if (index == 0)
        port_keeper_down(s->keeper, shard, id);
}

static void on_client_offers(void *ctx, struct hub_shard *shard, const char *id, const char *instance,
                             const struct offering *o)
{
    struct server *s = ctx;
    unsigned index = hub_shard_index(shard);

    passthrough_remember(s->part[index].front, id, o);
    if (index == 0) {
        port_keeper_offers(s->keeper, shard, id, instance, o);
        proof_keeper_offers(s->proofs, id, instance, o);
    }
}

static void on_session_up(void *ctx, const char *peer)
{
    (void)ctx;
    log_info(peer, "session is up");
}

static void on_session_ended(void *ctx, const char *peer, const struct error *reason)
{
    (void)ctx;
    log_info(peer, "session has ended: %s", reason->text);
}

/* Nobody opens streams to a server. */
static void on_opened(void *ctx, struct hub_shard *shard, struct conduit *c, const struct open_head *head)
{
    (void)ctx, (void)shard, (void)head;
    conduit_refuse(&c, &error_unknown_service);
}

static void on_link_up(void *ctx, struct hub_shard *shard, const char *note)
{
    struct server *s = ctx;

    (void)shard;
    atomic_store(&s->link_is_up, true);
    atomic_fetch_add(&s->links_up, 1);
    server_wake(s);
    if (s->clients.broker == NULL)
        log_info("broker", "connected to %s", note);
}

static void on_link_down(void *ctx, struct hub_shard *shard, const char *why, uint64_t retry_us)
{
    struct server *s = ctx;

    (void)shard;
    if (s->clients.broker == NULL) /* the one link is worker 0's */
        snprintf(s->link_why, sizeof(s->link_why), "%s", why);
    atomic_store(&s->link_is_up, false);
    if (s->clients.broker == NULL && retry_us != CLOCK_NEVER)
        log_info("broker", "no connection: %s; trying again in %" PRIu64 " ms", why, retry_us / US_PER_MS);
}

static const struct hub_events hub_events = {
    .link_up = on_link_up,
    .link_down = on_link_down,
    .client_up = on_client_up,
    .client_down = on_client_down,
    .client_offers = on_client_offers,
    .session_up = on_session_up,
    .session_ended = on_session_ended,
    .opened = on_opened,
};

/* -- mail to the workers, news from them --------------------------------------------------------------------------- */

static void drain_deliver(struct worker *self, struct mail *m)
{
    (void)self;
    front_drain(CONTAINER_OF(m, struct server_part, drain)->front);
}

static void stop_deliver(struct worker *self, struct mail *m)
{
    struct server_part *p = CONTAINER_OF(m, struct server_part, stop);

    (void)self;
    front_stop(p->front);
    atomic_fetch_add(&p->server->stopped, 1);
    server_wake(p->server);
}

static void mail_discard(struct mail *m) { (void)m; }

static void on_remember_ports(void *ctx, struct port_note *note)
{
    struct server *s = ctx;

    port_note_free(atomic_exchange(&s->remember_ports, note));
    server_wake(s);
}

/* -- who may be whom ----------------------------------------------------------------------------------------------- */

static void on_admission_due(void *ctx) { server_wake(ctx); }

static void on_admission_changed(void *ctx)
{
    struct server *s = ctx;

    hub_review(s->hub);
    proof_keeper_review(s->proofs);
}

static const struct admission_events admission_events = {.due = on_admission_due, .changed = on_admission_changed};

/* As the worker has them that asks. */
static const struct server_settings *settings_here(const struct server *s)
{
    return &s->part[worker_index(worker_self())].edition->settings;
}

static void *on_offered(void *ctx, const char *id, const struct fingerprint *key, const struct service_entry *list, size_t count)
{
    struct server *s = ctx;
    const struct server_settings *here = settings_here(s);
    const struct edge_terms terms = {.each = &here->each, .reserved = here->reserved};

    return edge_offered(s->edge, &terms, id, key, list, count);
}

static const struct error *on_admit(void *ctx, const char *id, const struct seal_peer *peer, bool again)
{
    struct server *s = ctx;

    if (peer->other)
        return &error_key_not_allowed;
    if (id != NULL && reserved_has(settings_here(s)->reserved, id))
        return &error_name_reserved;
    return admission_ask(s->admission, id, peer, again);
}

/* -- making -------------------------------------------------------------------------------------------------------- */

bool server_failed(struct config_error *err, const char *what, int failure)
{
    config_error_set(err, "%s: %s", what, strerror(failure));
    return false;
}

static bool create_workers(struct server *s, struct config_error *err)
{
    for (unsigned i = 0; i < s->settings->workers; i++) {
        struct server_part *p = &s->part[i];
        p->server = s;
        p->drain = (struct mail){.deliver = drain_deliver, .discard = mail_discard};
        p->stop = (struct mail){.deliver = stop_deliver, .discard = mail_discard};
        p->worker = s->workers[i] = worker_create("worker", i);
        if (p->worker == NULL)
            return server_failed(err, "worker", ENOMEM);
        s->count++;
    }
    return true;
}

static bool create_certificates(struct server *s, struct config_error *err)
{
    bool failed = false;

    s->certificates = certificates_create(s->settings, TLS_CLIENTS_ANY, s->workers, s->count, &failed, err);
    return !failed;
}

static bool create_admission(struct server *s, struct config_error *err)
{
    char text[FINGERPRINT_TEXT_BYTES + 1];

    if (s->settings->no_encryption) {
        log_warning("server", "sessions are not encrypted, and client ids are anybody's (--no-encryption)");
        return true;
    }
    s->admission = admission_create(s->state, s->settings->auth, &s->settings->credentials, &admission_events, s, err);
    if (s->admission == NULL)
        return false;
    if (!admission_watch(s->admission, s->workers[0]))
        return server_failed(err, AUTHORIZED_FILE, errno);
    fingerprint_text(seal_context_fingerprint(admission_seal(s->admission)), text);
    log_info("server", "our key is %s; client ids: %s", text, s->settings->auth_text);
    return true;
}

static bool create_hooks(struct server *s, struct config_error *err)
{
    char why[512];

    if (s->settings->hooks == NULL)
        return true;
    s->hooks = hook_chain_create();
    if (s->hooks == NULL)
        return server_failed(err, "hooks", ENOMEM);
    if (hook_plugins_add(s->hooks, s->settings->hooks, why, sizeof(why)))
        return true;
    config_error_set(err, "hook: %s", why);
    return false;
}

static bool create_broker(struct server *s, struct config_error *err)
{
    return broker_side_create(&s->clients, s->settings, s->workers, s->count, s->certificates, s->hooks, s->shelf, &s->ports,
                              err);
}

/* A line of each worker into our own broker. */
static struct link *create_line(struct server *s, unsigned index)
{
    struct link_config config = {0};

    hub_link_config(s->hub, index, &config);
    return link_direct_create(&config, broker_shard(s->clients.broker, index));
}

static bool create_links(struct server *s, struct config_error *err)
{
    unsigned count = has_own_broker(s) ? s->count : 1;

    for (unsigned i = 0; i < count; i++) {
        struct link *l = has_own_broker(s) ? create_line(s, i) : uplink_create(s->hub, s->settings, s->instance, IDLE_US);
        if (l == NULL)
            return server_failed(err, "link", ENOMEM);
        hub_set_link(s->hub, i, l);
    }
    return true;
}

static bool create_hub(struct server *s, struct config_error *err)
{
    bool own = has_own_broker(s);

    s->edge->admission = s->admission;
    s->hub = hub_create(&(struct hub_config){
        .workers = s->workers,
        .worker_count = s->count,
        .prefix = s->settings->broker.prefix,
        .instance = s->instance,
        .watch_presence = true,
        .events = &hub_events,
        .ctx = s,
        .seal = s->admission != NULL ? admission_seal(s->admission) : NULL,
        .admit = s->admission != NULL ? on_admit : NULL,
        .offered = on_offered,
        .offered_free = edge_offer_free,
        .offered_ctx = s,
        .max_envelope = own ? ENVELOPE_MAX_EMBEDDED : s->settings->broker.max_payload,
        .window_max = own ? SESSION_WINDOW_MAX : SESSION_WINDOW_BROKER,
        .envelopes_max = own ? 0 : SESSION_ENVELOPES_BROKER,
        .opens_max = OPENS_OF_CLIENT_PER_SECOND_MAX,
        .grace_us = s->settings->grace_us,
        .idle_us = IDLE_US,
    });
    return s->hub != NULL ? create_links(s, err) : server_failed(err, "hub", ENOMEM);
}

static bool create_keepers(struct server *s, struct config_error *err)
{
    bool tls = s->ports.tls != 0;

    s->keeper = port_keeper_create(&(struct port_keeper_config){.settings = s->settings,
                                                                .workers = s->workers,
                                                                .fronts = s->fronts,
                                                                .count = s->count,
                                                                .rates = s->edge->rates,
                                                                .web_scheme = tls ? PUBLIC_HTTPS : PUBLIC_HTTP,
                                                                .web_port = tls ? server_https_port(s) : s->ports.http,
                                                                .state = s->state,
                                                                .shelf = s->shelf,
                                                                .remember = on_remember_ports,
                                                                .ctx = s},
                                   err);
    if (s->keeper != NULL)
        s->proofs = proof_keeper_create(&(struct proof_keeper_config){.workers = s->workers,
                                                                      .fronts = s->fronts,
                                                                      .count = s->count,
                                                                      .shard = hub_shard(s->hub, 0),
                                                                      .rates = s->edge->rates,
                                                                      .admission = s->admission,
                                                                      .resolvers = s->settings->resolver},
                                        err);
    return s->proofs != NULL;
}

static bool server_init(struct server *s, struct config_error *err)
{
    char left[SHELF_NAME_MAX + 32];

    struct epoll_event readable = {.events = EPOLLIN};

    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->wait_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->wake_fd < 0 || s->wait_fd < 0 || epoll_ctl(s->wait_fd, EPOLL_CTL_ADD, s->wake_fd, &readable) != 0)
        return server_failed(err, "eventfd", errno);
    if (state_open(s->settings->state_dir, &s->state, err) != 0)
        return false;
    s->known = state_read(s->state, CLIENTS_FILE);
    int failure = instance_claim(s->state, s->instance);
    if (failure != 0)
        return server_failed(err, "random numbers", failure);
    const struct server_limits *limits = &s->settings->limits;
    s->edge = edge_create(&(struct edge_limits){limits->visitors, limits->visitors_per_address});
    if (s->edge == NULL)
        return server_failed(err, "rules", ENOMEM);
    const struct line_log_config access = {
        .name = "access-log", .where = s->settings->access_log, .program = "mdm-tunnel-server", .lost = COUNTER_access_lines_lost};
    if (!log_settings_lines(&access, &s->access, err))
        return false;
    if (!create_workers(s, err) || !create_certificates(s, err) || !create_admission(s, err) || !create_hooks(s, err) ||
        (has_own_broker(s) && !create_broker(s, err)) || !server_elders_take(s, s->predecessor, err) || !create_hub(s, err))
        return false;
    server_handover_init(s);
    if (!server_fronts_create(s, err) || !create_keepers(s, err))
        return false;
    server_control_open(s);
    if (s->settings->admin_count > 0)
        s->admin = admin_create(s, err);
    if (s->settings->admin_count > 0 && s->admin == NULL)
        return false;
    if (s->predecessor->fd < 0 && shelf_left(s->shelf, left, sizeof(left)))
        log_warning("server", "a socket was passed that is for no listener of ours: %s", left);
    return true;
}

struct server *server_create(struct server_settings *settings, struct shelf *shelf, struct predecessor *p, struct config_error *err)
{
    struct server *s;

    process_raise_descriptor_limit();
    ALLOC_OBJECT(s, SERVER_MAGIC);
    if (s == NULL) {
        server_failed(err, "server", ENOMEM);
        return NULL;
    }
    s->settings = settings;
    s->shelf = shelf;
    s->predecessor = p;
    s->wake_fd = s->wait_fd = s->elders = -1;
    s->started_s = time(NULL);
    s->started_us = clock_now_us();
    if (!server_init(s, err))
        server_free(&s);
    return s;
}

void server_free(struct server **sp)
{
    struct server *s;

    TAKE_OBJECT(s, sp, SERVER_MAGIC);
    if (s->admin != NULL)
        admin_free(&s->admin);
    control_socket_free(&s->control);
    if (s->keeper != NULL)
        port_keeper_free(&s->keeper);
    proof_keeper_free(&s->proofs);
    for (unsigned i = 0; i < s->count; i++)
        front_free(&s->part[i].front);
    for (unsigned i = 0; i < s->count; i++)
        edition_unref(s->part[i].edition);
    if (s->hub != NULL)
        hub_free(&s->hub);
    if (s->edge != NULL)
        edge_free(&s->edge);
    broker_side_free(&s->clients);
    if (s->admission != NULL)
        admission_free(&s->admission);
    hook_chain_free(&s->hooks);
    if (s->certificates != NULL)
        tls_store_free(&s->certificates);
    for (unsigned i = 0; i < s->count; i++)
        worker_free(&s->workers[i]);
    line_log_free(&s->access);
    server_handover_done(s);
    if (s->state != NULL)
        state_free(&s->state);
    if (s->wake_fd >= 0)
        close(s->wake_fd);
    if (s->wait_fd >= 0)
        close(s->wait_fd);
    free(s->known);
    free(atomic_exchange(&s->remember, NULL));
    port_note_free(atomic_exchange(&s->remember_ports, NULL));
    FREE_OBJECT(s);
}
