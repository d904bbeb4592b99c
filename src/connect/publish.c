/* SPDX-License-Identifier: Apache-2.0 */
/* Services that a device makes public: a question with one answer, the address. All on worker 0. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "connect/hint.h"
#include "connect/inner.h"
#include "connect/say.h"
#include "config/number.h"

/* "HOST:PORT" and the end of the line. */
#define ADDRESS_MAX 300

struct question {
    OBJECT_MAGIC;
    struct connect *connect;
    unsigned index; /* of the wish */
    struct conduit *conduit;
    size_t len;
    char text[ADDRESS_MAX];
};
#define QUESTION_MAGIC 0x71756573

static const struct wish *wish_of(const struct question *q) { return &q->connect->config.wishes->list[q->index]; }

static bool is_answered(const struct connect *c, unsigned index)
{
    const struct wish *w = &c->config.wishes->list[index];
    for (unsigned i = 0; i < c->device_count; i++)
        if (strcmp(c->devices[i].id, w->device) == 0 && c->devices[i].state == DEVICE_FAILED)
            return true;
    return w->kind != WISH_PUBLIC || c->published[index] != PUBLIC_NOT_YET;
}

void connect_publish_look(struct connect *c)
{
    bool all = true;
    for (unsigned i = 0; i < c->config.wishes->count; i++) {
        if (!is_answered(c, i))
            return;
        all &= c->published[i] == PUBLIC_YES;
    }
    connect_say_over(c, all ? CONNECT_DONE : CONNECT_FAILED);
}

static void question_end(struct question *q, enum connect_public answer, const struct error *reason)
{
    struct connect *c = q->connect;
    c->published[q->index] = answer;
    conduit_close(&q->conduit, reason);
    FREE_OBJECT(q);
    connect_publish_look(c);
}

/* What stands in the answer is a device's, which has proven its key; it is printed, so it is looked at. */
static bool address_valid(const char *text)
{
    const char *colon = strrchr(text, ':');
    struct config_error why;
    unsigned port;
    for (const char *at = text; *at != '\0'; at++)
        if (*at <= ' ' || *at > '~')
            return false;
    return colon != NULL && colon != text && number_parse(colon + 1, 1, UINT16_MAX, &port, &why) == 0;
}

static void question_answered(struct question *q)
{
    const struct wish *w = wish_of(q);
    char subject[160];
    if (q->len > 0 && q->text[q->len - 1] == '\n')
        q->text[--q->len] = '\0';
    wish_text(w, subject, sizeof(subject));
    if (w->public_s == 0) {
        say("%s is not public any more", subject);
        question_end(q, PUBLIC_YES, &error_none);
        return;
    }
    if (!address_valid(q->text)) {
        log_fatal(PROGRAM, "%s: %s does not say where it is public", subject, w->device);
        question_end(q, PUBLIC_NO, &error_protocol_error);
        return;
    }
    say("%s is at %s for everybody, for %u s", subject, q->text, w->public_s);
    hint_public(w, q->text);
    question_end(q, PUBLIC_YES, &error_none);
}

static struct question *question_of(void *ctx)
{
    struct question *q = ctx;
    CHECK_OBJECT(q, QUESTION_MAGIC);
    return q;
}

static void on_readable(void *ctx)
{
    struct question *q = question_of(ctx);
    struct slice_queue *in = conduit_input(q->conduit);
    size_t len = in->bytes;
    q->len += slice_queue_take(in, q->text + q->len, sizeof(q->text) - 1 - q->len);
    slice_queue_skip(in, in->bytes);
    conduit_consumed(q->conduit, len);
    if (conduit_read_finished(q->conduit))
        question_answered(q);
}

static void on_ended(void *ctx, const struct error *reason)
{
    struct question *q = question_of(ctx);
    char subject[160];
    wish_text(wish_of(q), subject, sizeof(subject));
    const char *deed = reason == &error_public_not_allowed
                           ? ". The workstation's line in authorized_peers on the device needs the option \"public\""
                       : reason == &error_ports_not_given ? ". The server needs --tcp-ports"
                                                          : "";
    log_fatal(PROGRAM, "%s is not made public: %s (%s)%s", subject, reason->text, reason->name, deed);
    question_end(q, PUBLIC_NO, reason);
}

static const struct conduit_events question_conduit_events = {.readable = on_readable, .ended = on_ended};

void connect_publish(struct connect *c, unsigned index)
{
    const struct wish *w = &c->config.wishes->list[index];
    struct open_head head = {.kind = STREAM_KIND_PUBLISH, .seconds = w->public_s};
    struct hub_shard *shard = c->shards[0].visits.hub;
    const struct error *why = &error_no_memory;
    struct hub_choice choice;
    struct question *q;
    snprintf(head.service, sizeof(head.service), "%s", w->service);
    ALLOC_OBJECT(q, QUESTION_MAGIC);
    if (q != NULL) {
        q->connect = c;
        q->index = index;
    }
    if (q != NULL && hub_choose(shard, w->device, w->service, &choice, &why))
        q->conduit = hub_open(shard, &choice, &head, &question_conduit_events, q, &why);
    if (q != NULL && q->conduit != NULL)
        return;
    log_fatal(PROGRAM, "%s/%s is not made public: %s", w->device, w->service, why->text);
    free(q);
    c->published[index] = PUBLIC_NO;
    connect_publish_look(c);
}
