/* SPDX-License-Identifier: Apache-2.0 */
/* Questions of workstations about tunnels, and the answers (mdm-tunnel-protocol(7)). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/object.h"
#include "client/guest.h"
#include "peer/hub.h"

/* An answer on its way. */
struct control {
    OBJECT_MAGIC;
    struct list node; /* in its shard's */
    struct conduit *conduit;
};
#define CONTROL_MAGIC 0x636f6e74

static void control_end(struct control *k, const struct error *reason)
{
    conduit_close(&k->conduit, reason);
    list_remove(&k->node);
    FREE_OBJECT(k);
}

static void on_ended(void *ctx, const struct error *reason)
{
    struct control *k = ctx;
    CHECK_OBJECT(k, CONTROL_MAGIC);
    control_end(k, reason);
}

static void on_readable(void *ctx)
{
    struct control *k = ctx;
    CHECK_OBJECT(k, CONTROL_MAGIC);
    struct slice_queue *q = conduit_input(k->conduit);
    size_t n = q->bytes;
    slice_queue_skip(q, n);
    conduit_consumed(k->conduit, n);
}

static const struct conduit_events control_conduit_events = {.readable = on_readable, .ended = on_ended};

/* -- news ---------------------------------------------------------------------------------------------------------- */

static void on_told(void *ctx)
{
    struct control *k = ctx;
    CHECK_OBJECT(k, CONTROL_MAGIC);
    control_end(k, &error_none);
}

static const struct conduit_events news_conduit_events = {.accepted = on_told, .readable = on_readable, .ended = on_ended};

void control_tell(struct client_shard *shard, const struct conduit_peer *to, const char *who)
{
    struct open_head head = {.kind = STREAM_KIND_CONTROL, .service = "disconnect"};
    const struct error *why;
    struct control *k;
    snprintf(head.visitor, sizeof(head.visitor), "%.63s", who);
    ALLOC_OBJECT(k, CONTROL_MAGIC);
    if (k == NULL)
        return;
    k->conduit = hub_open_back(shard->hub, to, &head, &news_conduit_events, k, &why);
    if (k->conduit == NULL) {
        FREE_OBJECT(k);
        return;
    }
    list_append(&shard->controls, &k->node);
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

void controls_cut(struct client_shard *shard, const struct error *reason)
{
    LIST_FOREACH_SAFE (node, next, &shard->controls)
        control_end(CONTAINER_OF(node, struct control, node), reason);
}

/* Takes the conduit over, and the text, which may be NULL. */
static void answer(struct client_shard *shard, struct conduit *c, struct chunk *text, size_t len)
{
    struct control *k;
    ALLOC_OBJECT(k, CONTROL_MAGIC);
    if (k == NULL || text == NULL) {
        free(k);
        chunk_unref(text);
        conduit_refuse(&c, &error_no_memory);
        return;
    }
    k->conduit = c;
    list_append(&shard->controls, &k->node);
    conduit_set_events(c, &control_conduit_events, k);
    conduit_accept(c);
    conduit_write(c, slice_of(text, 0, len), true);
}

/* -- the questions ------------------------------------------------------------------------------------------------- */

static size_t status_write(struct client_shard *shard, const struct tunnel_owner *whose, char *out)
{
    unsigned count;
    size_t len = (size_t)snprintf(out, CONTROL_ANSWER_MAX, "since\t%lld\n", (long long)shard->since_s);
    return len + ledger_lines(shard->ledger, whose, out + len, CONTROL_ANSWER_MAX - len, &count);
}

static size_t disconnect_write(struct client_shard *shard, const struct conduit_peer *asker, const char *who,
                               const struct tunnel_owner *whose, char *out)
{
    unsigned count;
    ledger_lines(shard->ledger, whose, out, CONTROL_ANSWER_MAX, &count);
    log_info(shard->id, "%s ends %s tunnels: %u", who, whose->everybody ? "all" : "its own", count);
    shard->disconnect(shard->ctx, whose, asker, who);
    return (size_t)snprintf(out, CONTROL_ANSWER_MAX, "ended\t%u\n", count);
}

void guest_control(struct client_shard *shard, struct conduit *c, const struct open_head *head)
{
    const struct conduit_peer *peer = conduit_peer(c);
    struct gate_who who = {.name = ""}, ignored;
    struct config_error why = {.text = ""};
    bool status = strcmp(head->service, "status") == 0, disconnect = strcmp(head->service, "disconnect") == 0;
    const struct tunnel_start start = {.peer = peer, .who = &who, .kind = "control", .what = head->service, .from = ""};
    const struct error *error = gate_ask(shard->gate, peer, &who, &why);
    if (error == NULL && !status && !disconnect)
        error = &error_unknown_service;
    if (error != NULL) {
        guest_refuse(shard, &c, &start, error, why.text);
        return;
    }
    const struct tunnel_owner whose = tunnel_owner_of(peer, gate_may_end(shard->gate, peer, &ignored));
    struct chunk *text = chunk_create(CONTROL_ANSWER_MAX);
    size_t len = 0;
    if (text != NULL && status)
        len = status_write(shard, &whose, (char *)text->data);
    else if (text != NULL)
        len = disconnect_write(shard, peer, who.name, &whose, (char *)text->data);
    answer(shard, c, text, len);
}
