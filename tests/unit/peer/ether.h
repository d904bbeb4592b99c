/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link layer for tests: link.h on an ether inside the process, so that the wire can be cut, scattered or narrow at
 * will. Includes the functions of link.h: the link library is then not linked.
 */
#ifndef TESTS_PEER_ETHER_H
#define TESTS_PEER_ETHER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/object.h"
#include "link/link.h"
#include "mdm-tunnel/limits.h"

#define ETHER_LINKS    16
#define ETHER_RETAINED 64

struct link {
    OBJECT_MAGIC;
    struct worker *worker;
    const struct link_events *events;
    void *ctx;
    char filters[6][256]; /* from [3] on: everywhere */
    char presence_topic[256], presence[64];
    bool up, closed; /* the worker's own */
    /* under the ether's lock */
    bool attached;
    size_t room; /* bytes on their way at most */
    size_t on_way;
    bool told_full;
};
#define ETHER_LINK_MAGIC 0x6c696e6b

struct ether_mail {
    struct mail mail;
    struct link *to, *from;
    struct slice payload;
    bool retained, writable;
    unsigned origin;
    char topic[256];
};

static struct ether {
    pthread_mutex_t lock;
    struct link *links[ETHER_LINKS];
    struct {
        char topic[256], text[64];
        unsigned origin;
    } retained[ETHER_RETAINED];
    bool scatter; /* to any of the links with a filter in turn, not to the nearest */
    bool silent;  /* envelopes are lost */
    bool forgets; /* retained messages are given to nobody */
    unsigned turn;
    unsigned lose; /* of a hundred */
    unsigned published, lost;
} ether = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void ether_discard(struct mail *m)
{
    struct ether_mail *e = CONTAINER_OF(m, struct ether_mail, mail);
    slice_done(&e->payload);
    free(e);
}

static void ether_post(struct link *from, struct link *to, const char *topic, const struct slice *payload,
                       bool retained, unsigned origin);

static void ether_writable(struct worker *self, struct mail *m)
{
    struct ether_mail *e = CONTAINER_OF(m, struct ether_mail, mail);
    (void)self;
    if (e->to->up)
        e->to->events->writable(e->to->ctx);
    ether_discard(m);
}

/* Bytes have arrived: the sender has room again. */
static void ether_arrived(struct link *from, size_t len)
{
    pthread_mutex_lock(&ether.lock);
    bool attached = false;
    for (unsigned i = 0; i < ETHER_LINKS; i++)
        attached |= ether.links[i] == from;
    bool tell = attached && from->told_full;
    if (attached)
        from->on_way -= len;
    if (tell) {
        struct ether_mail *e = calloc(1, sizeof(*e));
        from->told_full = false;
        e->mail = (struct mail){.deliver = ether_writable, .discard = ether_discard};
        list_init(&e->mail.node);
        e->to = from;
        worker_post(from->worker, &e->mail);
    }
    pthread_mutex_unlock(&ether.lock);
}

static void ether_deliver(struct worker *self, struct mail *m)
{
    struct ether_mail *e = CONTAINER_OF(m, struct ether_mail, mail);
    (void)self;
    CHECK_OBJECT(e->to, ETHER_LINK_MAGIC);
    if (e->from != NULL)
        ether_arrived(e->from, e->payload.len);
    if (e->to->up)
        e->to->events->message(e->to->ctx, e->topic, &e->payload, e->retained, e->origin);
    ether_discard(m);
}

static void ether_post(struct link *from, struct link *to, const char *topic, const struct slice *payload,
                       bool retained, unsigned origin)
{
    struct ether_mail *e = calloc(1, sizeof(*e));
    e->mail = (struct mail){.deliver = ether_deliver, .discard = ether_discard};
    list_init(&e->mail.node);
    e->to = to;
    e->from = from;
    e->payload = slice_ref(payload);
    e->retained = retained;
    e->origin = origin;
    snprintf(e->topic, sizeof(e->topic), "%s", topic);
    if (from != NULL)
        from->on_way += payload->len;
    worker_post(to->worker, &e->mail);
}

/* "mdm/to/X/+" or "mdm/at/+/+": the literal start decides. */
static bool ether_matches(const char *filter, const char *topic)
{
    size_t plain = strcspn(filter, "+");
    return plain > 0 && strncmp(filter, topic, plain) == 0;
}

static bool ether_wants(const struct link *l, const char *topic, bool everywhere)
{
    const unsigned first = everywhere ? 3 : 0;
    bool wanted = false;
    for (unsigned i = first; i < first + 3; i++)
        wanted |= l != NULL && l->attached && ether_matches(l->filters[i], topic);
    return wanted;
}

static void ether_envelope(struct link *from, const char *topic, const struct slice *payload)
{
    struct link *wanting[ETHER_LINKS], *nearest = NULL;
    unsigned count = 0;
    ether.published++;
    for (unsigned i = 0; i < ETHER_LINKS; i++)
        if (ether_wants(ether.links[i], topic, false))
            wanting[count++] = ether.links[i];
    if (strcmp(topic, "mdm/who") == 0) { /* for all */
        for (unsigned i = 0; i < count; i++)
            ether_post(from, wanting[i], topic, payload, false, worker_index(from->worker));
        return;
    }
    if (count == 0 || ether.silent || (ether.lose > 0 && ether.turn++ % 100 < ether.lose)) {
        ether.lost++;
        return;
    }
    for (unsigned i = 0; i < count; i++)
        if (worker_index(wanting[i]->worker) == worker_index(from->worker))
            nearest = wanting[i];
    if (ether.scatter || nearest == NULL)
        nearest = wanting[ether.turn++ % count];
    ether_post(from, nearest, topic, payload, false, worker_index(from->worker));
}

static void ether_retain(unsigned origin, const char *topic, const char *text)
{
    unsigned at = ETHER_RETAINED;
    struct slice payload = slice_copy(text, strlen(text));
    for (unsigned i = 0; i < ETHER_RETAINED; i++)
        if (strcmp(ether.retained[i].topic, topic) == 0 || (at == ETHER_RETAINED && ether.retained[i].topic[0] == '\0'))
            at = i;
    snprintf(ether.retained[at].topic, sizeof(ether.retained[at].topic), "%s", text[0] != '\0' ? topic : "");
    snprintf(ether.retained[at].text, sizeof(ether.retained[at].text), "%s", text);
    ether.retained[at].origin = origin;
    for (unsigned i = 0; i < ETHER_LINKS; i++)
        if (ether_wants(ether.links[i], topic, true) || ether_wants(ether.links[i], topic, false))
            ether_post(NULL, ether.links[i], topic, &payload, false, origin);
    slice_done(&payload);
}

static void ether_attach(struct link *l)
{
    pthread_mutex_lock(&ether.lock);
    l->attached = true;
    for (unsigned i = 0; i < ETHER_RETAINED; i++)
        if (!ether.forgets && ether_wants(l, ether.retained[i].topic, true)) {
            struct slice payload = slice_copy(ether.retained[i].text, strlen(ether.retained[i].text));
            ether_post(NULL, l, ether.retained[i].topic, &payload, true, ether.retained[i].origin);
            slice_done(&payload);
        }
    if (l->presence_topic[0] != '\0')
        ether_retain(worker_index(l->worker), l->presence_topic, l->presence);
    pthread_mutex_unlock(&ether.lock);
    l->up = true;
    l->events->up(l->ctx, "ether");
}

static void ether_detach(struct link *l, const char *why)
{
    if (!l->up)
        return;
    pthread_mutex_lock(&ether.lock);
    l->attached = false;
    if (l->presence_topic[0] != '\0')
        ether_retain(worker_index(l->worker), l->presence_topic, "");
    pthread_mutex_unlock(&ether.lock);
    l->up = false;
    l->events->down(l->ctx, why, 0);
}

static void ether_set(bool scatter, bool silent, unsigned lose)
{
    pthread_mutex_lock(&ether.lock);
    ether.scatter = scatter;
    ether.silent = silent;
    ether.lose = lose;
    pthread_mutex_unlock(&ether.lock);
}

static inline void ether_narrow(struct link *l, size_t room)
{
    pthread_mutex_lock(&ether.lock);
    l->room = room;
    pthread_mutex_unlock(&ether.lock);
}

/* From any participant, as a stranger. */
static inline void ether_inject(struct link *to, const char *topic, const void *data, size_t len)
{
    struct slice payload = slice_copy(data, len);
    pthread_mutex_lock(&ether.lock);
    ether_post(NULL, to, topic, &payload, false, 0);
    pthread_mutex_unlock(&ether.lock);
    slice_done(&payload);
}

/* -- link.h -------------------------------------------------------------------------------------------------------- */

static struct link *ether_link_create(const struct link_config *config)
{
    struct link *l;
    ALLOC_OBJECT(l, ETHER_LINK_MAGIC);
    l->worker = config->worker;
    l->events = config->events;
    l->ctx = config->ctx;
    l->room = 1 * MIB;
    for (unsigned i = 0; i < 3 && config->filters[i] != NULL; i++)
        snprintf(l->filters[i], sizeof(l->filters[i]), "%s", config->filters[i]);
    for (unsigned i = 0; i < 2 && config->everywhere_filters[i] != NULL; i++)
        snprintf(l->filters[3 + i], sizeof(l->filters[i]), "%s", config->everywhere_filters[i]);
    if (config->presence_topic != NULL) {
        snprintf(l->presence_topic, sizeof(l->presence_topic), "%s", config->presence_topic);
        snprintf(l->presence, sizeof(l->presence), "%s", config->presence);
    }
    pthread_mutex_lock(&ether.lock);
    for (unsigned i = 0; i < ETHER_LINKS; i++)
        if (ether.links[i] == NULL) {
            ether.links[i] = l;
            break;
        }
    pthread_mutex_unlock(&ether.lock);
    return l;
}

void link_start(struct link *l) { ether_attach(l); }

void link_set_presence(struct link *l, const char *presence)
{
    pthread_mutex_lock(&ether.lock);
    if (l->attached)
        ether_retain(worker_index(l->worker), l->presence_topic, presence);
    pthread_mutex_unlock(&ether.lock);
}

size_t link_room(struct link *l, const char *topic)
{
    (void)topic;
    pthread_mutex_lock(&ether.lock);
    size_t room = l->attached && l->on_way < l->room ? 128 * KIB : 0;
    l->told_full |= room == 0;
    pthread_mutex_unlock(&ether.lock);
    return room;
}

size_t link_max_payload(const struct link *l)
{
    (void)l;
    return 64 * KIB;
}

void link_publish(struct link *l, const char *topic, struct slice payload)
{
    pthread_mutex_lock(&ether.lock);
    if (l->attached)
        ether_envelope(l, topic, &payload);
    pthread_mutex_unlock(&ether.lock);
    slice_done(&payload);
}

void link_close(struct link *l)
{
    if (!l->closed)
        ether_detach(l, "closed");
    l->closed = true;
}

void link_free(struct link **lp)
{
    if (*lp == NULL)
        return;
    struct link *l;
    TAKE_OBJECT(l, lp, ETHER_LINK_MAGIC);
    pthread_mutex_lock(&ether.lock);
    if (l->attached && l->presence_topic[0] != '\0')
        ether_retain(worker_index(l->worker), l->presence_topic, "");
    for (unsigned i = 0; i < ETHER_LINKS; i++)
        if (ether.links[i] == l)
            ether.links[i] = NULL;
    pthread_mutex_unlock(&ether.lock);
    FREE_OBJECT(l);
}

#endif
