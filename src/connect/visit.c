/* SPDX-License-Identifier: Apache-2.0 */
/* Local connections. */
#include "connect/visit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/object.h"
#include "config/target.h"
#include "dial/dial.h"

/* The local end takes no more: what comes is of no use to anybody, but its own bytes may still be under way. */
#define LINGER_US (250 * US_PER_MS)

struct visit {
    OBJECT_MAGIC;
    struct list node;
    struct visits *home;
    const struct wish *wish;
    struct pump pump;
    unsigned number; /* for log lines */
    bool accepted;   /* the target was reached */
    struct dial *dial; /* of a way back, until connected */
    void (*done)(void *ctx, const struct error *reason);
    void *ctx;
};
#define VISIT_MAGIC 0x76697369

static void subject_text(char *out, size_t size, const struct wish *wish, unsigned number)
{
    char text[400];
    wish_text(wish, text, sizeof(text));
    snprintf(out, size, "%s#%u", text, number);
}

/* -- the end ------------------------------------------------------------------------------------------------------- */

/* What was refused, or cut from afar, the user wants to know; that a connection has ended, only with -v. */
static void ended_say(const struct visit *v, const struct error *reason)
{
    char subject[440];
    bool expected = reason == &error_none || reason == &error_visitor_gone || reason == &error_shutting_down;
    subject_text(subject, sizeof(subject), v->wish, v->number);
    if (!expected && !v->accepted)
        log_warning(subject, "refused: %s", reason->text);
    else if (!expected)
        log_warning(subject, "cut after %" PRIu64 " bytes there and %" PRIu64 " back: %s", v->pump.bytes_from, v->pump.bytes_to,
                    reason->text);
    else
        log_info(subject, "ended: %" PRIu64 " bytes there, %" PRIu64 " back", v->pump.bytes_from, v->pump.bytes_to);
}

static void visit_free(struct visit *v)
{
    dial_cancel(&v->dial);
    list_remove(&v->node);
    v->home->count--;
    FREE_OBJECT(v);
}

static void on_done(void *ctx, const struct error *reason)
{
    struct visit *v = ctx;
    CHECK_OBJECT(v, VISIT_MAGIC);
    void (*done)(void *ctx, const struct error *reason) = v->done;
    void *done_ctx = v->ctx;
    ended_say(v, reason);
    visit_free(v);
    if (done != NULL)
        done(done_ctx, reason);
}

/* -- the conduit --------------------------------------------------------------------------------------------------- */

static struct visit *visit_of(void *ctx)
{
    struct visit *v = ctx;
    CHECK_OBJECT(v, VISIT_MAGIC);
    return v;
}

static void on_accepted(void *ctx) { visit_of(ctx)->accepted = true; }
static void on_readable(void *ctx) { pump_readable(&visit_of(ctx)->pump); }
static void on_writable(void *ctx) { pump_writable(&visit_of(ctx)->pump); }
static void on_ended(void *ctx, const struct error *reason) { pump_ended(&visit_of(ctx)->pump, reason); }

static const struct conduit_events visit_conduit_events = {
    .accepted = on_accepted, .readable = on_readable, .writable = on_writable, .ended = on_ended};

/* -- the beginning ------------------------------------------------------------------------------------------------- */

/* A service's name has to stand in every OPEN. */
#define NO_SERVICE "target"

static struct conduit *stream_open(struct visits *home, const struct wish *wish, const char *from, struct visit *v,
                                   const struct error **why)
{
    struct hub_choice choice;
    struct open_head head = {.kind = STREAM_KIND_TCP};
    if (home->count >= VISITS_PER_WORKER_MAX) {
        *why = &error_limit;
        return NULL;
    }
    if (!hub_choose(home->hub, wish->device, wish->target[0] != '\0' ? NULL : wish->service, &choice, why))
        return NULL;
    snprintf(head.service, sizeof(head.service), "%s", wish->target[0] != '\0' ? NO_SERVICE : wish->service);
    snprintf(head.target, sizeof(head.target), "%s", wish->target);
    snprintf(head.visitor, sizeof(head.visitor), "%s", from);
    return hub_open(home->hub, &choice, &head, &visit_conduit_events, v, why);
}

static void socket_cut(int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
}

static void visit_begin(struct visit *v, struct visits *home, const struct wish *wish, struct conduit *c)
{
    v->home = home;
    v->wish = wish;
    v->number = conduit_number(c);
    list_append(&home->all, &v->node);
    home->count++;
    pump_init(&v->pump, &home->room, c, &error_visitor_gone, LINGER_US, on_done, v);
}

void visit_open(struct visits *home, const struct wish *wish, int fd, const char *from,
                void (*done)(void *ctx, const struct error *reason), void *ctx)
{
    struct visit *v;
    const struct error *why = &error_no_memory;
    ALLOC_OBJECT(v, VISIT_MAGIC);
    struct conduit *c = v == NULL ? NULL : stream_open(home, wish, from, v, &why);
    if (c == NULL) {
        char text[400];
        wish_text(wish, text, sizeof(text));
        log_warning(text, "refused: %s", why->text);
        free(v);
        socket_cut(fd);
        if (done != NULL)
            done(ctx, why);
        return;
    }
    visit_begin(v, home, wish, c);
    v->done = done;
    v->ctx = ctx;
    pump_start(&v->pump, fd);
}

/* -- the way back -------------------------------------------------------------------------------------------------- */

static void on_dialled(void *ctx, int fd, const struct error *error, const char *why)
{
    struct visit *v = visit_of(ctx);
    char subject[440];
    if (fd >= 0) {
        v->accepted = true;
        conduit_accept(v->pump.conduit);
        pump_start(&v->pump, fd);
        return;
    }
    subject_text(subject, sizeof(subject), v->wish, v->number);
    log_warning(subject, "refused: %s: %s", v->wish->here, why);
    conduit_refuse(&v->pump.conduit, error);
    visit_free(v);
}

void visit_open_back(struct visits *home, const struct wish *wish, struct conduit *c, const struct open_head *head,
                     struct lookups *lookups)
{
    struct target target;
    struct config_error why;
    struct visit *v;
    ALLOC_OBJECT(v, VISIT_MAGIC);
    if (v == NULL || home->count >= VISITS_PER_WORKER_MAX || target_parse(wish->here, &target, &why) != 0) {
        free(v);
        conduit_refuse(&c, &error_limit);
        return;
    }
    conduit_set_events(c, &visit_conduit_events, v);
    visit_begin(v, home, wish, c);
    char subject[440];
    subject_text(subject, sizeof(subject), wish, v->number);
    log_info(subject, "opened there by %s", head->visitor);
    dial_start(&v->dial, home->room.worker, lookups, &target, on_dialled, v);
}

/* -- all of a worker ----------------------------------------------------------------------------------------------- */

void visits_init(struct visits *v, struct worker *worker)
{
    list_init(&v->all);
    v->room = (struct pump_room){.worker = worker};
}

void visits_cut(struct visits *home, const struct error *reason)
{
    LIST_FOREACH_SAFE (node, next, &home->all)
        pump_cut(&CONTAINER_OF(node, struct visit, node)->pump, reason);
}
