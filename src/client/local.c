/* SPDX-License-Identifier: Apache-2.0 */
/* A stream's connection to its service. */
#include "client/local.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/object.h"
#include "client/greeting.h"
#include "client/guest.h"
#include "client/inspector.h"
#include "config/target.h"
#include "dial/dial.h"
#include "relay/pump.h"

/* A connection whose answer has been silent for so long waits for the next request. */
#define QUIET_US US_PER_S
#define SWEEP_US (250 * US_PER_MS)
/* A service that takes no more: an HTTP answer may still be on its way to the visitor, other protocols cut as TCP does. */
#define HTTP_LINGER_US (10 * US_PER_S)
#define TCP_LINGER_US (250 * US_PER_MS)

#define LOCAL_MAGIC 0x4c4f4341

struct local {
    OBJECT_MAGIC;
    enum stream_kind kind;
    struct list node; /* shard->locals */
    struct client_shard *shard;
    struct pump pump;
    struct dial *dial;       /* until connected */
    unsigned number;         /* for log lines */
    uint64_t opened_us;
    struct capture *capture; /* the inspector's; NULL: it does not look at this one */
    struct tunnel *tunnel;   /* a workstation's; NULL: a server has opened it */
    unsigned proxy_protocol; /* version of the head that the service gets first; 0: none */
    char visitor[64];
    char service[64];
};

static void subject_text(char *out, size_t size, const char *id, const char *service, unsigned number)
{
    snprintf(out, size, "%s/%s#%u", id, service, number);
}

static void local_say(const struct local *l, const char *text, const char *detail)
{
    char subject[192];
    if (!log_wanted(LOG_LEVEL_INFO))
        return;
    subject_text(subject, sizeof(subject), l->shard->id, l->service, l->number);
    log_info(subject, "%s%s%s%s%s", text, l->tunnel != NULL ? " by " : "", l->tunnel != NULL ? l->tunnel->who.name : "",
             detail[0] != '\0' ? ": " : "", detail);
}

/* -- the end ------------------------------------------------------------------------------------------------------- */

static void local_free(struct local *l, const char *why)
{
    struct client_shard *shard = l->shard;
    list_remove(&l->node);
    dial_cancel(&l->dial);
    capture_end(&l->capture, why);
    tunnel_end(&l->tunnel, why);
    FREE_OBJECT(l);
    if (atomic_fetch_sub_explicit(shard->streams, 1, memory_order_acq_rel) == 1)
        shard->idle(shard->ctx);
}

static void on_done(void *ctx, const struct error *reason)
{
    struct local *l = ctx;
    char text[192], lasted[32] = "";
    CHECK_OBJECT(l, LOCAL_MAGIC);
    if (l->tunnel != NULL)
        snprintf(lasted, sizeof(lasted), " in %.1f s", (double)(worker_now_us(l->shard->worker) - l->opened_us) / US_PER_S);
    snprintf(text, sizeof(text), "%" PRIu64 " bytes to the service, %" PRIu64 " from it%s%s%s", l->pump.bytes_to,
             l->pump.bytes_from, lasted, reason != &error_none ? ": " : "", reason != &error_none ? reason->text : "");
    local_say(l, "ended", text);
    local_free(l, reason->text);
}

static void on_ended(void *ctx, const struct error *reason)
{
    struct local *l = ctx;
    CHECK_OBJECT(l, LOCAL_MAGIC);
    pump_ended(&l->pump, reason);
}

static void on_readable(void *ctx)
{
    struct local *l = ctx;
    CHECK_OBJECT(l, LOCAL_MAGIC);
    pump_readable(&l->pump);
}

static void on_writable(void *ctx)
{
    struct local *l = ctx;
    CHECK_OBJECT(l, LOCAL_MAGIC);
    pump_writable(&l->pump);
}

static const struct conduit_events local_conduit_events = {
    .readable = on_readable, .writable = on_writable, .ended = on_ended};

/* -- the inspector ------------------------------------------------------------------------------------------------- */

static void on_tap_to(void *ctx, const void *bytes, size_t len) { capture_request(ctx, bytes, len); }
static void on_tap_from(void *ctx, const void *bytes, size_t len) { capture_response(ctx, bytes, len); }
static void on_tap_finished(void *ctx) { capture_finished(ctx); }

static const struct pump_tap local_tap = {.to = on_tap_to, .from = on_tap_from, .from_finished = on_tap_finished};

/* Without memory it goes on unseen. */
static void local_inspect(struct local *l)
{
    l->capture = capture_create(inspector_book(l->shard->inspector), l->service, l->visitor);
    l->pump.tap = l->capture != NULL ? &local_tap : NULL;
    l->pump.tap_ctx = l->capture;
}

/* The service was not reached: what it would have got is still to be seen. */
static void local_unsent(struct local *l, const struct error *error, const char *why)
{
    char text[160];
    struct iovec iov[16];
    if (l->capture == NULL)
        return;
    int count = slice_queue_iovec(conduit_input(l->pump.conduit), iov, 16);
    for (int i = 0; i < count; i++)
        capture_request(l->capture, iov[i].iov_base, iov[i].iov_len);
    snprintf(text, sizeof(text), "%s%s%s", error->text, why[0] != '\0' ? ": " : "", why);
    capture_refused(l->capture, text);
}

/* -- the beginning ------------------------------------------------------------------------------------------------- */

static void refuse(const struct client_shard *shard, struct conduit **c, const char *service, const struct error *error,
                   const char *why)
{
    char subject[192];
    subject_text(subject, sizeof(subject), shard->id, service, conduit_number(*c));
    log_info(subject, "%s%s%s", error->text, why[0] != '\0' ? ": " : "", why);
    conduit_refuse(c, error);
}

static void on_dialled(void *ctx, int fd, const struct error *error, const char *why)
{
    struct local *l = ctx;
    CHECK_OBJECT(l, LOCAL_MAGIC);
    if (fd < 0) {
        local_unsent(l, error, why);
        refuse(l->shard, &l->pump.conduit, l->service, error, why);
        local_free(l, error->text);
        return;
    }
    if (l->proxy_protocol != 0 && !greeting_send(fd, l->proxy_protocol, l->visitor)) {
        close(fd);
        refuse(l->shard, &l->pump.conduit, l->service, &error_service_refused, strerror(errno));
        local_free(l, error_service_refused.text);
        return;
    }
    conduit_accept(l->pump.conduit);
    pump_start(&l->pump, fd);
}

/* What is to be dialled, and for whom. NULL, or why not and *why. */
static const struct error *target_for_guest(struct client_shard *shard, const struct conduit *c,
                                            const struct open_head *head, const struct service *s, struct target *out,
                                            struct gate_who *who, struct config_error *why)
{
    const struct conduit_peer *peer = conduit_peer(c);
    if (shard->gate == NULL)
        return &error_workstation_refused;
    if (head->kind != STREAM_KIND_TCP)
        return &error_kind_not_offered;
    if (head->target[0] != '\0')
        return target_parse(head->target, out, why) != 0 || out->kind != TARGET_TCP ? &error_port_not_allowed
                                                                                   : gate_port(shard->gate, peer, out, PORT_TCP, who, why);
    if (s == NULL)
        return &error_unknown_service;
    *out = s->target;
    return gate_service(shard->gate, peer, s->name, who, why);
}

/* What a service of kind tls or tcp gets has not been looked into; anything else would not be what it speaks. */
static bool kind_fits(const struct service *s, enum stream_kind kind)
{
    if (s->published && kind == STREAM_KIND_TCP)
        return true;
    return s->kind == SERVICE_TLS   ? kind == STREAM_KIND_TLS
           : s->kind == SERVICE_TCP ? kind == STREAM_KIND_TCP
                                    : kind == STREAM_KIND_HTTP || kind == STREAM_KIND_WS;
}

static const struct error *target_for(struct client_shard *shard, const struct conduit *c, const struct open_head *head,
                                      struct target *out, struct gate_who *who, struct config_error *why)
{
    const struct service *s = services_find(catalog_services(shard->catalog), head->service);
    who->name[0] = why->text[0] = '\0';
    if (conduit_peer(c)->guest)
        return target_for_guest(shard, c, head, s, out, who, why);
    if (head->target[0] != '\0' || s == NULL)
        return &error_unknown_service;
    *out = s->target;
    return kind_fits(s, head->kind) ? NULL : &error_kind_not_offered;
}

static struct local *local_create(struct client_shard *shard, struct conduit *c, const struct open_head *head)
{
    struct local *l;
    ALLOC_OBJECT(l, LOCAL_MAGIC);
    if (l == NULL)
        return NULL;
    l->shard = shard;
    l->kind = head->kind;
    l->number = conduit_number(c);
    l->opened_us = worker_now_us(shard->worker);
    snprintf(l->service, sizeof(l->service), "%s", head->service);
    list_append(&shard->locals, &l->node);
    atomic_fetch_add_explicit(shard->streams, 1, memory_order_relaxed);
    pump_init(&l->pump, &shard->room, c, &error_service_reset,
              head->kind == STREAM_KIND_HTTP || head->kind == STREAM_KIND_WS ? HTTP_LINGER_US : TCP_LINGER_US, on_done, l);
    conduit_set_events(c, &local_conduit_events, l);
    return l;
}

/* Only a service's own target has asked for it, not a port that a workstation named. */
static unsigned proxy_protocol_for(const struct client_shard *shard, const struct open_head *head)
{
    const struct service *s = services_find(catalog_services(shard->catalog), head->service);
    return s == NULL || head->target[0] != '\0' ? 0 : s->proxy_protocol;
}

static void local_cut(void *ctx, const struct error *reason)
{
    struct local *l = ctx;
    CHECK_OBJECT(l, LOCAL_MAGIC);
    pump_cut(&l->pump, reason);
}

void local_open(struct client_shard *shard, struct conduit *c, const struct open_head *head)
{
    struct target target;
    struct gate_who who;
    struct config_error why;
    bool guest = conduit_peer(c)->guest && shard->gate != NULL;
    const struct error *error = target_for(shard, c, head, &target, &who, &why);
    struct local *l = error != NULL ? NULL : local_create(shard, c, head);
    const struct tunnel_start start = {.peer = conduit_peer(c), .who = &who, .kind = "tcp",
                                       .what = head->target[0] != '\0' ? head->target : head->service, .from = head->visitor,
                                       .cut = local_cut, .ctx = l};
    if (l != NULL && guest && (l->tunnel = tunnel_create(shard->ledger, &shard->tunnels, &start)) == NULL) {
        local_free(l, "");
        l = NULL;
    }
    if (l == NULL) {
        error = error != NULL ? error : &error_no_memory;
        if (guest)
            tunnel_refused(shard->ledger, &start, why.text[0] != '\0' ? why.text : error->text);
        refuse(shard, &c, head->service, error, why.text);
        return;
    }
    l->pump.meter = guest ? &l->tunnel->meter : NULL;
    l->proxy_protocol = proxy_protocol_for(shard, head);
    snprintf(l->visitor, sizeof(l->visitor), "%s", head->visitor);
    if (shard->inspector != NULL && (head->kind == STREAM_KIND_HTTP || head->kind == STREAM_KIND_WS))
        local_inspect(l);
    local_say(l, "opened", head->target[0] != '\0' ? head->target : head->visitor);
    dial_start(&l->dial, shard->worker, shard->lookups, &target, on_dialled, l);
}

/* -- all of a worker ----------------------------------------------------------------------------------------------- */

static struct local *local_at(struct list *node) { return CONTAINER_OF(node, struct local, node); }

void locals_cut(struct client_shard *shard, const struct error *reason)
{
    event_del(&shard->sweep);
    LIST_FOREACH_SAFE (node, next, &shard->locals)
        pump_cut(&local_at(node)->pump, reason);
    tunnels_cut(&shard->tunnels, &(struct tunnel_owner){.everybody = true}, reason);
    controls_cut(shard, reason);
    resends_cut(shard, reason);
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
    struct client_shard *shard = arg;
    (void)fd;
    (void)what;
    uint64_t now_us = worker_now_us(shard->worker);
    LIST_FOREACH_SAFE (node, next, &shard->locals) {
        struct local *l = local_at(node);
        if (l->kind == STREAM_KIND_HTTP && pump_is_quiet(&l->pump) && now_us - l->pump.moved_us >= QUIET_US)
            pump_finish(&l->pump);
    }
}

void locals_init(struct client_shard *shard)
{
    list_init(&shard->locals);
    list_init(&shard->tunnels);
    list_init(&shard->controls);
    list_init(&shard->resends);
    shard->room = (struct pump_room){.worker = shard->worker};
    event_assign(&shard->sweep, worker_events(shard->worker), -1, EV_PERSIST, on_sweep, shard);
}

void locals_drain(struct client_shard *shard)
{
    const struct timeval every = {0, SWEEP_US};
    event_add(&shard->sweep, &every);
}
