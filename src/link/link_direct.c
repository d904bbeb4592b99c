/* SPDX-License-Identifier: Apache-2.0 */
/* The direct line into the embedded broker: no socket, no thread; everything happens on the worker. */
#include <string.h>

#include "base/clock.h"
#include "broker/broker.h"
#include "link/link_kind.h"
#include "mdm-tunnel/limits.h"

struct link_direct {
    struct link base;
    struct broker_shard *shard;
    struct broker_line *line; /* NULL: not attached */
    struct mail news;         /* says up or down from the mailbox, never from inside a call of the user */
    bool news_posted, up, closed;
};

static struct link_direct *direct_of(struct link *l) { return CONTAINER_OF(l, struct link_direct, base); }

static void direct_presence(struct link_direct *d, const char *text)
{
    if (d->base.presence_topic == NULL || d->line == NULL)
        return;
    if (text == NULL || *text == '\0') {
        broker_line_publish(d->line, d->base.presence_topic, SLICE_NONE, true);
        return;
    }
    struct slice payload = slice_copy(text, strlen(text));
    if (payload.data != NULL)
        broker_line_publish(d->line, d->base.presence_topic, payload, true);
}

static void direct_message(void *ctx, const char *topic, const struct slice *payload, bool retained, unsigned origin)
{
    struct link_direct *d = ctx;
    CHECK_OBJECT(&d->base, LINK_MAGIC);
    link_tell_message(&d->base, topic, payload, retained, origin);
}

static bool direct_subscribe(struct link_direct *d, char *const *filters, enum broker_reach reach)
{
    for (; *filters != NULL; filters++)
        if (!broker_line_subscribe(d->line, *filters, reach))
            return false;
    return true;
}

static bool direct_attach(struct link_direct *d)
{
    d->line = broker_attach(d->shard, direct_message, d);
    if (d->line == NULL)
        return false;
    if (direct_subscribe(d, d->base.filters, BROKER_REACH_LOCAL_FIRST) &&
        direct_subscribe(d, d->base.everywhere_filters, BROKER_REACH_EVERYWHERE))
        return true;
    broker_detach(&d->line);
    return false;
}

static void direct_come_up(struct link_direct *d)
{
    if (!direct_attach(d)) {
        d->closed = true;
        link_tell_down(&d->base, "out of memory", CLOCK_NEVER);
        return;
    }
    d->up = true;
    direct_presence(d, d->base.presence);
    link_tell_up(&d->base, "embedded broker");
}

static void news_deliver(struct worker *self, struct mail *m)
{
    struct link_direct *d = CONTAINER_OF(m, struct link_direct, news);
    CHECK_OBJECT(&d->base, LINK_MAGIC);
    (void)self;
    d->news_posted = false;
    if (!d->closed && !d->up)
        direct_come_up(d);
    else if (d->closed && d->up) {
        d->up = false;
        link_tell_down(&d->base, "closed", CLOCK_NEVER);
    }
}

static void news_discard(struct mail *m) { CONTAINER_OF(m, struct link_direct, news)->news_posted = false; }

static void news_post(struct link_direct *d)
{
    if (d->news_posted)
        return;
    d->news_posted = true;
    worker_post(d->base.worker, &d->news);
}

static void direct_start(struct link *l) { news_post(direct_of(l)); }

static void direct_set_presence(struct link *l, const char *presence)
{
    struct link_direct *d = direct_of(l);
    char *copy = presence == NULL ? NULL : strdup(presence);
    if (presence != NULL && copy == NULL)
        return;
    free(l->presence);
    l->presence = copy;
    if (d->up && !d->closed)
        direct_presence(d, copy);
}

static size_t direct_max_payload(const struct link *l)
{
    (void)l;
    return ENVELOPE_MAX_EMBEDDED;
}

static size_t direct_room(struct link *l, const char *topic)
{
    struct link_direct *d = direct_of(l);
    (void)topic;
    return d->up && !d->closed ? ENVELOPE_MAX_EMBEDDED : 0;
}

static void direct_publish(struct link *l, const char *topic, struct slice payload)
{
    struct link_direct *d = direct_of(l);
    if (d->line != NULL && !d->closed)
        broker_line_publish(d->line, topic, payload, false);
    else
        slice_done(&payload);
}

static void direct_close(struct link *l)
{
    struct link_direct *d = direct_of(l);
    if (d->closed)
        return;
    d->closed = true;
    if (d->line == NULL)
        return;
    direct_presence(d, NULL);
    broker_detach(&d->line);
    news_post(d);
}

static void direct_free(struct link *l)
{
    struct link_direct *d = direct_of(l);
    if (d->line != NULL)
        broker_detach(&d->line);
    link_done(l);
    l->magic = 0;
    free(d);
}

static const struct link_kind direct_kind = {
    .start = direct_start,
    .set_presence = direct_set_presence,
    .room = direct_room,
    .max_payload = direct_max_payload,
    .publish = direct_publish,
    .close = direct_close,
    .free = direct_free,
};

struct link *link_direct_create(const struct link_config *config, struct broker_shard *shard)
{
    struct link_direct *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return NULL;
    d->base.magic = LINK_MAGIC;
    d->shard = shard;
    d->news.deliver = news_deliver;
    d->news.discard = news_discard;
    if (!link_init(&d->base, &direct_kind, config)) {
        direct_free(&d->base);
        return NULL;
    }
    return &d->base;
}
