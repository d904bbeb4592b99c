/* SPDX-License-Identifier: Apache-2.0 */
/* Ports of devices that lead here. The streams that keep them open are worker 0's. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "connect/inner.h"
#include "connect/say.h"
#include "relay/local_port.h"

/* What streams back are for: the wish by its place on the command line. */
#define SERVICE_FORM "back-%u"

struct back {
    OBJECT_MAGIC;
    struct connect *connect;
    unsigned index; /* of the wish */
    struct conduit *conduit;
    size_t len;
    char text[LOCAL_ADDRESS_TEXT + 1]; /* where it listens, and the end of the line */
    bool said;
};
#define BACK_MAGIC 0x6261636b

static const struct wish *wish_of(const struct back *b) { return &b->connect->config.wishes->list[b->index]; }

static struct back *back_of(void *ctx)
{
    struct back *b = ctx;
    CHECK_OBJECT(b, BACK_MAGIC);
    return b;
}

static void back_end(struct back *b, const struct error *reason)
{
    b->connect->backs[b->index] = NULL;
    conduit_close(&b->conduit, reason);
    FREE_OBJECT(b);
}

/* -- the stream ---------------------------------------------------------------------------------------------------- */

/* What stands there is a device's; it is printed, so it is looked at. */
static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

static void on_readable(void *ctx)
{
    struct back *b = back_of(ctx);
    struct slice_queue *in = conduit_input(b->conduit);
    size_t len = in->bytes;
    b->len += slice_queue_take(in, b->text + b->len, sizeof(b->text) - 1 - b->len);
    slice_queue_skip(in, in->bytes);
    conduit_consumed(b->conduit, len);
    char *end = memchr(b->text, '\n', b->len);
    if (b->said || end == NULL)
        return;
    *end = '\0';
    b->said = true;
    say("%s: its port at %s leads to %s", wish_of(b)->device, is_printable(b->text) ? b->text : wish_of(b)->target,
        wish_of(b)->here);
}

static void on_ended(void *ctx, const struct error *reason)
{
    struct back *b = back_of(ctx);
    struct connect *c = b->connect;
    const struct wish *w = wish_of(b);
    bool refused = !b->said && reason->scope == ERROR_SCOPE_STREAM;
    const char *deed = reason != &error_listen_not_allowed ? ""
                       : ". The device has to allow it: --allow-listen there, and listen= in authorized_peers where that is said";
    back_end(b, reason);
    if (atomic_load(&c->ending))
        return;
    if (refused) {
        log_fatal(PROGRAM, "%s does not listen at %s: %s%s", w->device, w->target, reason->text, deed);
        connect_say_over(c, CONNECT_FAILED);
        return;
    }
    say("%s: its port at %s is closed: %s", w->device, w->target, reason->text);
    if (reason->scope == ERROR_SCOPE_SESSION)
        connect_back_again(c, w->device);
}

static const struct conduit_events back_conduit_events = {.readable = on_readable, .ended = on_ended};

void connect_back(struct connect *c, unsigned index)
{
    const struct wish *w = &c->config.wishes->list[index];
    struct open_head head = {.kind = STREAM_KIND_LISTEN};
    struct hub_shard *shard = c->shards[0].visits.hub;
    const struct error *why = &error_no_memory;
    struct hub_choice choice;
    struct back *b;
    snprintf(head.service, sizeof(head.service), SERVICE_FORM, index);
    snprintf(head.target, sizeof(head.target), "%s", w->target);
    ALLOC_OBJECT(b, BACK_MAGIC);
    if (b != NULL) {
        b->connect = c;
        b->index = index;
    }
    if (b != NULL && hub_choose(shard, w->device, NULL, &choice, &why))
        b->conduit = hub_open(shard, &choice, &head, &back_conduit_events, b, &why);
    if (b != NULL && b->conduit != NULL) {
        c->backs[index] = b;
        return;
    }
    log_warning(w->device, "does not listen at %s: %s", w->target, why->text);
    free(b);
}

void connect_back_again(struct connect *c, const char *device)
{
    if (!connect_is_ready(c, device))
        return;
    for (unsigned i = 0; i < c->config.wishes->count; i++) {
        const struct wish *w = &c->config.wishes->list[i];
        if (w->kind == WISH_BACK && c->backs[i] == NULL && strcmp(w->device, device) == 0)
            connect_back(c, i);
    }
}

void connect_backs_end(struct connect *c)
{
    for (unsigned i = 0; i < WISHES_MAX; i++)
        if (c->backs[i] != NULL)
            back_end(c->backs[i], &error_shutting_down);
}

/* -- connections --------------------------------------------------------------------------------------------------- */

void connect_back_open(struct connect *c, unsigned worker, struct conduit *conduit, const struct open_head *head)
{
    for (unsigned i = 0; i < c->config.wishes->count; i++) {
        const struct wish *w = &c->config.wishes->list[i];
        char service[NAME_MAX_BYTES + 1];
        snprintf(service, sizeof(service), SERVICE_FORM, i);
        if (w->kind == WISH_BACK && strcmp(service, head->service) == 0 &&
            strcmp(w->device, conduit_peer(conduit)->name) == 0) {
            visit_open_back(&c->shards[worker].visits, w, conduit, head, c->lookups);
            return;
        }
    }
    conduit_refuse(&conduit, &error_unknown_service);
}
