/* SPDX-License-Identifier: Apache-2.0 */
/* A port where this device listens for a workstation, and the connections that come there. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/object.h"
#include "client/guest.h"
#include "config/target.h"
#include "peer/hub.h"
#include "relay/local_port.h"

/* The connection takes no more: its own bytes are still passed on for so long. */
#define LINGER_US (250 * US_PER_MS)

struct listener {
    OBJECT_MAGIC;
    struct client_shard *shard;
    struct conduit *conduit; /* lives as long as it */
    struct tunnel *tunnel;
    struct local_port port;
    struct local_acceptor acceptor;
    unsigned number;
    char service[64]; /* what streams back are for, as the workstation calls it */
};
#define LISTENER_MAGIC 0x6c697374

/* -- a connection -------------------------------------------------------------------------------------------------- */

struct caller {
    OBJECT_MAGIC;
    struct client_shard *shard;
    struct tunnel *tunnel;
    struct pump pump;
    unsigned number;
};
#define CALLER_MAGIC 0x63616c6c

static struct caller *caller_of(void *ctx)
{
    struct caller *k = ctx;
    CHECK_OBJECT(k, CALLER_MAGIC);
    return k;
}

static void on_readable(void *ctx) { pump_readable(&caller_of(ctx)->pump); }
static void on_writable(void *ctx) { pump_writable(&caller_of(ctx)->pump); }
static void on_ended(void *ctx, const struct error *reason) { pump_ended(&caller_of(ctx)->pump, reason); }

static const struct conduit_events caller_conduit_events = {
    .readable = on_readable, .writable = on_writable, .ended = on_ended};

static void caller_done(void *ctx, const struct error *reason)
{
    struct caller *k = caller_of(ctx);
    char text[128];
    snprintf(text, sizeof(text), "%" PRIu64 " bytes there, %" PRIu64 " back%s%s", k->pump.bytes_from, k->pump.bytes_to,
             reason != &error_none ? ": " : "", reason != &error_none ? reason->text : "");
    guest_say(k->shard, k->tunnel, k->number, "ended", text);
    tunnel_end(&k->tunnel, reason->text);
    FREE_OBJECT(k);
}

static void caller_cut(void *ctx, const struct error *reason) { pump_cut(&caller_of(ctx)->pump, reason); }

static void on_taken(void *ctx, int fd, const char *from)
{
    struct listener *l = ctx;
    struct caller *k;
    const struct error *why = &error_no_memory;
    CHECK_OBJECT(l, LISTENER_MAGIC);
    struct open_head head = {.kind = STREAM_KIND_TCP};
    memcpy(head.service, l->service, sizeof(head.service));
    snprintf(head.visitor, sizeof(head.visitor), "%.63s", from);
    ALLOC_OBJECT(k, CALLER_MAGIC);
    const struct tunnel_start start = {.peer = &l->tunnel->peer, .who = &l->tunnel->who, .kind = "back", .what = l->tunnel->what,
                                       .from = head.visitor, .cut = caller_cut, .ctx = k};
    struct conduit *c = k == NULL ? NULL : hub_open_back(l->shard->hub, &l->tunnel->peer, &head, &caller_conduit_events, k, &why);
    struct tunnel *t = c == NULL ? NULL : tunnel_create(l->shard->ledger, &l->shard->tunnels, &start);
    if (t == NULL) {
        guest_say(l->shard, l->tunnel, l->number, "cannot pass a connection on", why->text);
        if (c != NULL)
            conduit_close(&c, &error_no_memory);
        free(k);
        close(fd);
        return;
    }
    k->shard = l->shard;
    k->tunnel = t;
    k->number = conduit_number(c);
    guest_say(k->shard, t, k->number, "opened", from);
    pump_init(&k->pump, &l->shard->room, c, &error_visitor_gone, LINGER_US, caller_done, k);
    k->pump.meter = &t->meter;
    pump_start(&k->pump, fd);
}

/* -- the port ------------------------------------------------------------------------------------------------------ */

static void listener_free(struct listener *l, const char *why)
{
    guest_say(l->shard, l->tunnel, l->number, "ended", why);
    local_accept_stop(&l->acceptor);
    local_port_close(&l->port);
    tunnel_end(&l->tunnel, why);
    l->shard->listeners--;
    FREE_OBJECT(l);
}

static void listener_cut(void *ctx, const struct error *reason)
{
    struct listener *l = ctx;
    CHECK_OBJECT(l, LISTENER_MAGIC);
    conduit_close(&l->conduit, reason);
    listener_free(l, reason->text);
}

/* The workstation has nothing to say but the end. */
static void on_listener_readable(void *ctx)
{
    struct listener *l = ctx;
    CHECK_OBJECT(l, LISTENER_MAGIC);
    struct slice_queue *q = conduit_input(l->conduit);
    size_t n = q->bytes;
    slice_queue_skip(q, n);
    conduit_consumed(l->conduit, n);
    if (conduit_read_finished(l->conduit))
        listener_cut(l, &error_none);
}

static const struct conduit_events listener_conduit_events = {.readable = on_listener_readable, .ended = listener_cut};

/* NULL, or why not and *why. */
static const struct error *port_make(struct client_shard *shard, const struct conduit *c, const struct open_head *head,
                                     struct local_port *out, struct gate_who *who, struct config_error *why)
{
    struct target at;
    if (target_parse(head->target, &at, why) != 0 || at.kind != TARGET_TCP)
        return &error_listen_not_allowed;
    const struct error *error = gate_listen(shard->gate, conduit_peer(c), &at, who, why);
    if (error != NULL)
        return error;
    if (shard->listeners >= LISTENERS_PER_WORKER_MAX)
        return &error_limit;
    if (local_port_bind(out, SOCK_STREAM, at.host, at.port, true, why) != 0)
        return &error_listen_failed;
    if (local_port_listen(out))
        return NULL;
    config_error_set(why, "%s", strerror(errno));
    local_port_close(out);
    return &error_listen_failed;
}

static void address_say(struct listener *l)
{
    char line[LOCAL_ADDRESS_TEXT + 2];
    int len = snprintf(line, sizeof(line), "%s\n", l->port.address);
    struct slice text = slice_copy(line, (size_t)len);
    conduit_accept(l->conduit);
    if (text.data != NULL)
        conduit_write(l->conduit, text, false);
}

void guest_listen(struct client_shard *shard, struct conduit *c, const struct open_head *head)
{
    struct gate_who who = {.name = ""};
    struct config_error why = {.text = ""};
    struct local_port port = {.fd = -1};
    struct listener *l = NULL;
    const struct error *error = port_make(shard, c, head, &port, &who, &why);
    struct tunnel_start start = {.peer = conduit_peer(c), .who = &who, .kind = "listen", .what = head->target, .from = "",
                                 .cut = listener_cut};
    if (error == NULL)
        ALLOC_OBJECT(l, LISTENER_MAGIC);
    start.ctx = l;
    struct tunnel *t = l == NULL ? NULL : tunnel_create(shard->ledger, &shard->tunnels, &start);
    if (t == NULL) {
        free(l);
        local_port_close(&port);
        guest_refuse(shard, &c, &start, error != NULL ? error : &error_no_memory, why.text);
        return;
    }
    l->shard = shard;
    l->conduit = c;
    l->tunnel = t;
    l->port = port;
    l->number = conduit_number(c);
    memcpy(l->service, head->service, sizeof(l->service));
    shard->listeners++;
    conduit_set_events(c, &listener_conduit_events, l);
    local_accept_start(&l->acceptor, &l->port, shard->worker, on_taken, l);
    guest_say(shard, t, l->number, "opened", l->port.address);
    address_say(l);
}
