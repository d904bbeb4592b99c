/* SPDX-License-Identifier: Apache-2.0 */
/* Hub: the whole of one program's peers; what is said here goes to the shards as mail. */
#include "peer/hub.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "peer/peer_session.h"

unsigned hub_owner(const struct hub *h, unsigned origin)
{
    return origin < h->shard_count && h->shards[origin]->link != NULL ? origin : h->feeder;
}

/* -- create and free ----------------------------------------------------------------------------------------------- */

static bool topics_make(struct hub *h)
{
    const char *p = h->prefix;
    if (asprintf(&h->to_own, "%s/to/%s/", p, h->instance) < 0)
        h->to_own = NULL;
    if (asprintf(&h->to_filter, "%s/to/%s/+", p, h->instance) < 0)
        h->to_filter = NULL;
    if (asprintf(&h->at, "%s/at/", p) < 0)
        h->at = NULL;
    if (asprintf(&h->presence_topic, "%s/at/%s/%s", p, h->id, h->instance) < 0)
        h->presence_topic = NULL;
    if (asprintf(&h->who, "%s/who", p) < 0)
        h->who = NULL;
    h->filters[0] = h->to_filter;
    h->filters[1] = h->id[0] != '\0' ? h->who : NULL;
    h->filters[2] = h->id[0] != '\0' ? h->presence_topic : NULL;
    return h->to_own != NULL && h->to_filter != NULL && h->at != NULL && h->presence_topic != NULL &&
           h->who != NULL;
}

/* Whose presence is subscribed to: everybody's, or that of the ids that are named. */
static bool watches_make(struct hub *h)
{
    static const char *const everybody[] = {"+", NULL};
    const char *const *ids = h->config.watch_presence ? everybody : h->config.watch_ids;
    for (unsigned i = 0; ids != NULL && ids[i] != NULL; i++) {
        assert(i < HUB_IDS_MAX);
        if (asprintf(&h->at_filters[i], "%s/at/%s/+", h->prefix, ids[i]) < 0) {
            h->at_filters[i] = NULL;
            return false;
        }
        h->everywhere_filters[i] = h->at_filters[i];
    }
    return true;
}

static bool shards_make(struct hub *h)
{
    uint64_t key[2];
    if (getrandom(key, sizeof(key), 0) != sizeof(key))
        return false;
    for (unsigned i = 0; i < h->shard_count; i++) {
        h->shards[i] = hub_shard_create(h, i, key);
        if (h->shards[i] == NULL)
            return false;
    }
    return true;
}

struct hub *hub_create(const struct hub_config *config)
{
    assert(strlen(config->instance) == INSTANCE_TEXT_BYTES && strlen(config->prefix) <= TOPIC_PREFIX_MAX);
    assert(config->id == NULL || strlen(config->id) <= NAME_MAX_BYTES);
    struct hub *h = calloc(1, sizeof(*h) + config->worker_count * sizeof(h->shards[0]));
    if (h == NULL)
        return NULL;
    h->magic = HUB_MAGIC;
    h->config = *config;
    h->shard_count = config->worker_count;
    h->feeder = h->presence_index = WORKERS_MAX;
    snprintf(h->prefix, sizeof(h->prefix), "%s", config->prefix);
    snprintf(h->instance, sizeof(h->instance), "%s", config->instance);
    snprintf(h->id, sizeof(h->id), "%s", config->id != NULL ? config->id : "");
    if (!topics_make(h) || !watches_make(h) || !shards_make(h))
        hub_free(&h);
    return h;
}

void hub_free(struct hub **hp)
{
    struct hub *h;
    if (*hp == NULL)
        return;
    TAKE_OBJECT(h, hp, HUB_MAGIC);
    for (unsigned i = 0; i < h->shard_count; i++)
        hub_shard_free(&h->shards[i]);
    free(h->to_own);
    free(h->to_filter);
    free(h->at);
    for (unsigned i = 0; h->at_filters[i] != NULL; i++)
        free(h->at_filters[i]);
    free(h->presence_topic);
    free(h->who);
    FREE_OBJECT(h);
}

/* -- links --------------------------------------------------------------------------------------------------------- */

void hub_link_config(struct hub *h, unsigned index, struct link_config *out)
{
    CHECK_OBJECT(h, HUB_MAGIC);
    if (h->presence_index == WORKERS_MAX)
        h->presence_index = index;
    bool says_presence = h->id[0] != '\0' && h->presence_index == index;
    *out = (struct link_config){
        .worker = h->shards[index]->worker,
        .events = &shard_link_events,
        .ctx = h->shards[index],
        .filters = h->filters,
        .everywhere_filters = h->everywhere_filters,
        .presence_topic = says_presence ? h->presence_topic : NULL,
        .presence = says_presence ? PRESENCE_TEXT : NULL,
    };
}

void hub_set_link(struct hub *h, unsigned index, struct link *l)
{
    CHECK_OBJECT(h, HUB_MAGIC);
    h->shards[index]->link = l;
    if (index < h->feeder)
        h->feeder = index;
}

void hub_change_link(struct hub *h, unsigned index, struct link *l)
{
    struct hub_shard *s = h->shards[index];
    CHECK_OBJECT(h, HUB_MAGIC);
    s->given = l;
    worker_post(s->worker, &s->change);
}

void hub_start(struct hub *h)
{
    unsigned links = 0;
    CHECK_OBJECT(h, HUB_MAGIC);
    for (unsigned i = 0; i < h->shard_count; i++)
        links += h->shards[i]->link != NULL;
    for (unsigned i = 0; i < h->shard_count; i++) {
        struct hub_shard *s = h->shards[i];
        if (s->link == NULL)
            continue;
        s->session_max = SESSIONS_MAX / links;
        worker_post(s->worker, &s->start);
    }
}

void hub_close(struct hub *h)
{
    CHECK_OBJECT(h, HUB_MAGIC);
    if (atomic_exchange(&h->close_asked, true))
        return;
    for (unsigned i = 0; i < h->shard_count; i++)
        worker_post(h->shards[i]->worker, &h->shards[i]->close);
}

void hub_end(struct hub *h)
{
    CHECK_OBJECT(h, HUB_MAGIC);
    if (atomic_exchange(&h->end_asked, true))
        return;
    for (unsigned i = 0; i < h->shard_count; i++)
        worker_post(h->shards[i]->worker, &h->shards[i]->end);
}

void hub_review(struct hub *h)
{
    CHECK_OBJECT(h, HUB_MAGIC);
    for (unsigned i = 0; i < h->shard_count; i++)
        shard_review(h->shards[i]);
}

bool hub_ended(const struct hub *h)
{
    CHECK_OBJECT(h, HUB_MAGIC);
    return atomic_load_explicit(&h->ended, memory_order_acquire) == h->shard_count;
}

/* -- what we offer ------------------------------------------------------------------------------------------------- */

struct offer {
    struct mail mail;
    struct hub_shard *shard;
    struct offering *offering;
};

static void offer_discard(struct mail *m)
{
    struct offer *o = CONTAINER_OF(m, struct offer, mail);
    offering_unref(o->offering);
    free(o);
}

static void offer_deliver(struct worker *self, struct mail *m)
{
    struct offer *o = CONTAINER_OF(m, struct offer, mail);
    struct hub_shard *s = o->shard;
    (void)self;
    offering_unref(s->offer);
    s->offer = offering_ref(o->offering);
    LIST_FOREACH(n, &s->sessions)
        peer_session_offer(CONTAINER_OF(n, struct peer_session, node));
    offer_discard(m);
}

static struct offer *offer_create(struct hub_shard *s, struct offering *offering)
{
    struct offer *o = calloc(1, sizeof(*o));
    if (o == NULL)
        return NULL;
    o->mail = (struct mail){.deliver = offer_deliver, .discard = offer_discard};
    list_init(&o->mail.node);
    o->shard = s;
    o->offering = offering_ref(offering);
    return o;
}

bool hub_offer(struct hub *h, const struct service_entry *list, size_t count)
{
    CHECK_OBJECT(h, HUB_MAGIC);
    struct offering *offering = offering_create(list, count);
    bool all = offering != NULL;
    for (unsigned i = 0; i < h->shard_count && offering != NULL; i++) {
        struct offer *o = offer_create(h->shards[i], offering);
        if (o == NULL)
            all = false;
        else
            worker_post(h->shards[i]->worker, &o->mail);
    }
    offering_unref(offering);
    return all;
}

/* -- looking ------------------------------------------------------------------------------------------------------- */

struct hub_shard *hub_shard(struct hub *h, unsigned worker_index)
{
    CHECK_OBJECT(h, HUB_MAGIC);
    assert(worker_index < h->shard_count);
    return h->shards[worker_index];
}

void *hub_ctx(struct hub_shard *s)
{
    CHECK_OBJECT(s, SHARD_MAGIC);
    return s->hub->config.ctx;
}

unsigned hub_shard_index(const struct hub_shard *s) { return s->index; }

enum hub_presence hub_presence(struct hub_shard *s, const char *id)
{
    static const enum hub_presence of[] = {
        [DIRECTORY_UNKNOWN] = HUB_UNKNOWN, [DIRECTORY_OFFLINE] = HUB_OFFLINE, [DIRECTORY_PRESENT] = HUB_PRESENT};
    CHECK_OBJECT(s, SHARD_MAGIC);
    return of[directory_presence(s->directory, id)];
}

unsigned hub_client_count(struct hub_shard *s)
{
    CHECK_OBJECT(s, SHARD_MAGIC);
    return directory_id_count(s->directory);
}
