/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's part on one worker, private to this layer. Everything in a shard belongs to its worker; what one shard
 * wants of another is a mail. The hub itself is constant after the start, but for its two flags.
 */
#ifndef PEER_SHARD_H
#define PEER_SHARD_H

#include <event2/event_struct.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/object.h"
#include "mdm-tunnel/limits.h"
#include "peer/claim.h"
#include "peer/directory.h"
#include "peer/hub.h"
#include "peer/parcel.h"
#include "peer/roll.h"
#include "peer/routes.h"

struct hub_shard {
    OBJECT_MAGIC;
    unsigned index;
    struct hub *hub;
    struct worker *worker;
    struct link *link; /* NULL: this worker has none; after the start only hub_change_link() changes it */
    struct link *given;  /* by hub_change_link(), the worker's with the mail; NULL: none */
    struct link *next;   /* the link when that one is closed; NULL: no other */
    struct link *former; /* was closed for another one; NULL: none */
    bool link_up;
    bool changed; /* the link is another one than at the start: only what has begun goes on */
    bool closing; /* no new streams, no new sessions */
    bool stopped; /* the workers have ended: nothing is posted any more */

    struct directory *directory;
    struct claims claims;
    unsigned proofs; /* sessions of ours whose peer has proven nothing yet */
    struct routes routes;
    struct list sessions; /* owned here */
    struct list waiting;  /* sessions that wait for room in the link */
    unsigned session_count, session_max;

    struct list conduits, taps, queries;
    struct post_office office;
    unsigned numbers;       /* conduits so far */
    uint64_t query_numbers; /* queries so far */

    struct offering *offer; /* what we offer; NULL: nothing */

    uint64_t goodbyes_from_us; /* start of the second that `goodbyes` counts in */
    unsigned goodbyes;         /* BYEs to strangers in that second */
    struct roll roll;
    struct mail start, close, end, change;
};
#define SHARD_MAGIC 0x6d687368

/* The payload of presence, and of the question for it. */
#define PRESENCE_TEXT "{\"v\":1}"

struct hub {
    OBJECT_MAGIC;
    struct hub_config config;
    char prefix[TOPIC_PREFIX_MAX + 1];
    char instance[INSTANCE_TEXT_BYTES + 1];
    char id[NAME_MAX_BYTES + 1]; /* "": none */
    char *to_own, *at;           /* "PREFIX/to/OWN/", "PREFIX/at/" */
    char *to_filter, *presence_topic;
    char *at_filters[HUB_IDS_MAX + 1]; /* heap, NULL-terminated */
    char *who; /* "PREFIX/who": where it is asked who is there */
    const char *filters[4], *everywhere_filters[HUB_IDS_MAX + 1];
    unsigned presence_index; /* the worker whose link says that we are there */
    unsigned feeder;         /* the first worker with a link: tells those without what it hears */
    atomic_uint ended;       /* shards that have done what hub_end() asks */
    atomic_bool close_asked, end_asked;
    unsigned shard_count;
    struct hub_shard *shards[];
};
#define HUB_MAGIC 0x6d687562

/* The worker that owns sessions with a peer near `origin`: one with a link. */
unsigned hub_owner(const struct hub *h, unsigned origin);

/* The shard that owns (or will own) the session with an instance. */
struct hub_shard *shard_owner(const struct hub_shard *s, const struct directory_instance *to);

/* Calls a member of hub_config.events, if it is there. */
#define shard_tell(s, event, ...)                                   \
    do {                                                            \
        const struct hub_config *config_ = &(s)->hub->config;       \
        if (config_->events->event != NULL)                         \
            config_->events->event(config_->ctx, (s), __VA_ARGS__); \
    } while (0)

/* NULL without memory. */
struct hub_shard *hub_shard_create(struct hub *h, unsigned index, const uint64_t key[static 2]);
/* After the worker has stopped. */
void hub_shard_free(struct hub_shard **s);
extern const struct link_events shard_link_events;

/* A session with `instance` was made here or ended: every shard gets to know. */
bool shard_route_add(struct hub_shard *s, const char *instance, uint32_t session, struct peer_session *ps)
    __attribute__((warn_unused_result));
void shard_route_remove(struct hub_shard *s, const char *instance, uint32_t session);
/* New streams go to other instances of the id until then, or (leave) for ever, if there are any; every shard gets to
 * know. */
void shard_avoid(struct hub_shard *s, const char *instance, uint64_t until_us);
void shard_leaving(struct hub_shard *s, const char *instance);
/* The instance has said its share in this session; every shard gets to know. */
void shard_weigh(struct hub_shard *s, const char *instance, uint32_t session, unsigned weight);

/* What the instance offers; every shard gets to know. */
void shard_offering(struct hub_shard *s, const char *instance, struct offering *o);
/* Whether presence is a claim only, until a session has proven the key. */
bool shard_wants_proof(const struct hub_shard *s);
/* The instance has proven to be `id`: every shard gets to know. */
void shard_proven(struct hub_shard *s, const char *id, const char *instance);
/* It is not any more, or has turned out not to be: the same. It is claimed again. */
void shard_disproven(struct hub_shard *s, const char *id, const char *instance);
/* hub_review() for one shard; any thread. */
void shard_review(struct hub_shard *s);

/* Says BYE for a session that has no object here. Bounded by GOODBYES_PER_SECOND_MAX. */
void shard_goodbye(struct hub_shard *s, const char *instance, uint32_t session, const struct error *reason);

#endif
