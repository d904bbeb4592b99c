/* SPDX-License-Identifier: Apache-2.0 */
/* A stream's connection to its service, from the open to the end. The pump is in local_pump.c. */
#include "client/local.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "client/local_pump.h"

/* A connection whose answer has been silent for so long waits for the next request. */
#define QUIET_US US_PER_S
#define SWEEP_US (250 * US_PER_MS)

static void subject_text(char *out, size_t size, const char *id, const char *service, unsigned number)
{
    snprintf(out, size, "%s/%s#%u", id, service, number);
}

void local_say(const struct local *l, const char *text, const char *detail)
{
    char subject[192];
    if (!log_wanted(LOG_LEVEL_INFO))
        return;
    subject_text(subject, sizeof(subject), l->shard->id, l->service, l->number);
    log_info(subject, "%s%s%s", text, detail[0] != '\0' ? ": " : "", detail);
}

/* -- the end ------------------------------------------------------------------------------------------------------- */

void local_close_socket(struct local *l, bool abort)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (l->fd < 0)
        return;
    event_del(&l->readable);
    event_del(&l->writable);
    if (abort)
        setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(l->fd);
    l->fd = -1;
}

static void local_free(struct local *l)
{
    struct client_shard *shard = l->shard;
    list_remove(&l->node);
    dial_cancel(&l->dial);
    FREE_OBJECT(l);
    if (atomic_fetch_sub_explicit(shard->streams, 1, memory_order_acq_rel) == 1)
        shard->idle(shard->idle_ctx);
}

void local_end(struct local *l, const struct error *reason)
{
    char text[160];
    bool cut = reason != &error_none;
    snprintf(text, sizeof(text), "%" PRIu64 " bytes to the service, %" PRIu64 " from it%s%s", l->bytes_to,
             l->bytes_from, cut ? ": " : "", cut ? reason->text : "");
    local_say(l, "ended", text);
    local_close_socket(l, cut);
    if (l->lingering)
        event_del(&l->writable);
    conduit_close(&l->conduit, reason);
    local_free(l);
}

static void on_ended(void *ctx, const struct error *reason)
{
    struct local *l = ctx;
    CHECK_OBJECT(l, LOCAL_MAGIC);
    if (reason != &error_none)
        local_end(l, reason);
    else
        local_pump_settle(l);
}

static void on_readable(void *ctx)
{
    struct local *l = ctx;
    CHECK_OBJECT(l, LOCAL_MAGIC);
    if (l->dial == NULL)
        local_pump_write(l);
}

static void on_writable(void *ctx)
{
    struct local *l = ctx;
    CHECK_OBJECT(l, LOCAL_MAGIC);
    local_pump_resume(l);
}

static const struct conduit_events local_conduit_events = {
    .readable = on_readable, .writable = on_writable, .ended = on_ended};

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
        refuse(l->shard, &l->conduit, l->service, error, why);
        local_free(l);
        return;
    }
    conduit_accept(l->conduit);
    local_pump_start(l, fd);
}

static struct local *local_create(struct client_shard *shard, struct conduit *c, const struct open_head *head)
{
    struct local *l;
    ALLOC_OBJECT(l, LOCAL_MAGIC);
    if (l == NULL)
        return NULL;
    l->shard = shard;
    l->conduit = c;
    l->kind = head->kind;
    l->number = conduit_number(c);
    l->fd = -1;
    snprintf(l->service, sizeof(l->service), "%s", head->service);
    list_append(&shard->locals, &l->node);
    atomic_fetch_add_explicit(shard->streams, 1, memory_order_relaxed);
    conduit_set_events(c, &local_conduit_events, l);
    return l;
}

/* What a TLS service gets has not been looked into; anything else would not be what it speaks. */
static bool kind_fits(const struct service *s, enum stream_kind kind)
{
    return s->kind == SERVICE_TLS ? kind == STREAM_KIND_TLS : kind == STREAM_KIND_HTTP || kind == STREAM_KIND_WS;
}

void local_open(struct client_shard *shard, struct conduit *c, const struct open_head *head)
{
    const struct service *s = services_find(catalog_services(shard->catalog), head->service);
    const struct error *error = s == NULL                      ? &error_unknown_service
                                : !kind_fits(s, head->kind) ? &error_kind_not_offered
                                                            : NULL;
    if (error != NULL) {
        refuse(shard, &c, head->service, error, "");
        return;
    }
    struct local *l = local_create(shard, c, head);
    if (l == NULL) {
        refuse(shard, &c, head->service, &error_no_memory, "");
        return;
    }
    local_say(l, "opened", head->visitor);
    dial_start(&l->dial, shard->worker, shard->lookups, &s->target, on_dialled, l);
}

/* -- all of a worker ----------------------------------------------------------------------------------------------- */

static struct local *local_at(struct list *node) { return CONTAINER_OF(node, struct local, node); }

void locals_cut(struct client_shard *shard, const struct error *reason)
{
    event_del(&shard->sweep);
    LIST_FOREACH_SAFE (node, next, &shard->locals)
        local_end(local_at(node), reason);
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
    struct client_shard *shard = arg;
    (void)fd;
    (void)what;
    uint64_t now_us = worker_now_us(shard->worker);
    LIST_FOREACH_SAFE (node, next, &shard->locals) {
        struct local *l = local_at(node);
        if (l->kind == STREAM_KIND_HTTP && local_pump_is_quiet(l) && now_us - l->moved_us >= QUIET_US)
            local_pump_finish(l);
    }
}

void locals_init(struct client_shard *shard)
{
    list_init(&shard->locals);
    event_assign(&shard->sweep, worker_events(shard->worker), -1, EV_PERSIST, on_sweep, shard);
}

void locals_drain(struct client_shard *shard)
{
    const struct timeval every = {0, SWEEP_US};
    event_add(&shard->sweep, &every);
}
