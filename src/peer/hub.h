/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hub: who is there, and a session with a mux to each peer that is talked to. One hub a program, one shard a worker.
 *
 * Presence (mdm/at/ID/INSTANCE) is known to every shard. A session is made when the first stream to an instance is
 * opened here, or when the other end says HELLO; its owner is the worker nearest to the peer's MQTT connection (the
 * `origin` of its messages; a program with one MQTT session: that session's worker). Envelopes that arrive elsewhere go
 * on as mail.
 *
 * With `seal` sessions are encrypted, and nothing that a program says of itself counts until its key has been proven and
 * admitted: a session is made with every instance that comes, and only then do streams go there and is client_up called.
 */
#ifndef PEER_HUB_H
#define PEER_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/worker.h"
#include "link/link.h"
#include "mdm-tunnel/limits.h"
#include "peer/conduit.h"
#include "peer/offering.h"
#include "seal/context.h"
#include "wire/error.h"
#include "wire/frame.h"

struct hub;
struct hub_shard;

/* Called on the worker named. NULL members are skipped. */
struct hub_events {
    /* Presence: an instance of `id` came or went. On every worker. `first`/`last`: it is the id's only one. */
    void (*client_up)(void *ctx, struct hub_shard *s, const char *id, bool first);
    void (*client_down)(void *ctx, struct hub_shard *s, const char *id, bool last);
    /* What this instance of `id` offers from now on; valid during the call. On every worker. */
    void (*client_offers)(void *ctx, struct hub_shard *s, const char *id, const char *instance, const struct offering *o);
    /* A server (by its instance) says what has become of the wish of a service of ours for a public port; valid during the
     * call. On the session's owner. */
    void (*public_port)(void *ctx, struct hub_shard *s, const char *server, const struct public_port *p);
    /* The link's news, on the link's worker. */
    void (*link_up)(void *ctx, struct hub_shard *s, const char *note);
    void (*link_down)(void *ctx, struct hub_shard *s, const char *why, uint64_t retry_us);
    /* A peer opens a stream to us: on the worker that hub_config.place chose (NULL: the session's owner). The callee
     * sets the events (conduit_set_events) before it returns, then accepts or refuses at any time. */
    void (*opened)(void *ctx, struct hub_shard *s, struct conduit *c, const struct open_head *head);
    /* A session began or ended, on its owner: for the log. `peer`: client id or instance. */
    void (*session_up)(void *ctx, const char *peer);
    void (*session_ended)(void *ctx, const char *peer, const struct error *reason);
};

#define HUB_IDS_MAX 32
/* As one of watch_ids: everybody, where the broker allows that. */
#define HUB_EVERYBODY "+"

struct hub_config {
    struct worker *const *workers; /* not running yet */
    unsigned worker_count;
    const char *prefix;   /* topics' first level(s), "mdm" */
    const char *instance; /* INSTANCE_TEXT_BYTES hexadecimal digits: ours */
    const char *id;       /* client id whose presence this program publishes; NULL: none (a server) */
    bool watch_presence;  /* know who is there (a server) */
    const char *const *watch_ids; /* know of these ids only (a workstation), NULL-terminated, at most HUB_IDS_MAX; NULL: none */
    bool asks;            /* who is there, whatever the broker remembers (peer/roll.h); with watch_presence it always does */
    bool guest;           /* comes as a guest wherever it says HELLO: it wants services and is no server (a workstation) */
    unsigned weight;      /* our share of the streams of `id`, WEIGHT_MAX at most; 0: only where no other is there */
    const struct hub_events *events;
    void *ctx;
    /* Which worker gets a stream that a peer opens to us; NULL: the session's owner. Called on the owner. */
    unsigned (*place)(void *ctx, const struct open_head *head);
    /* Our key; NULL: sessions are not encrypted, and the other end has to agree to that. */
    const struct seal_context *seal;
    /*
     * What the peer has proven: may it be the client `id` (NULL: it is none)? NULL, or why its session ends. `again`: it
     * was admitted before, and hub_review() asks. On the session's owner; NULL: all may.
     */
    const struct error *(*admit)(void *ctx, const char *id, const struct seal_peer *peer, bool again);
    /*
     * The client `id` (which has proven `key`, zero with a pre-shared key; NULL: sessions are not encrypted) says what it
     * offers: what the program makes of it goes along to all workers as offering.made. On the session's owner, again after hub_review(). NULL: nothing.
     */
    void *(*offered)(void *ctx, const char *id, const struct fingerprint *key, const struct service_entry *list,
                     size_t count);
    void (*offered_free)(void *made); /* any thread */
    void *offered_ctx;
    size_t max_envelope;
    size_t window_max;
    unsigned envelopes_max;
    unsigned opens_max; /* streams that one session's peer may open in a second; 0: any number */
    uint64_t grace_us, idle_us;
    uint64_t up_us; /* how long a session may take to come up; 0: 10 s */
    uint64_t linger_us; /* a session that was begun here ends (session_idle) after so long without a stream, and comes again
                           with the next one; 0: never */
};

struct hub *hub_create(const struct hub_config *config);
/* Gives worker `index` a link of its own; hub_link_config() fills what the hub needs (events, filters, presence). */
struct link_config;
void hub_link_config(struct hub *h, unsigned index, struct link_config *out);
void hub_set_link(struct hub *h, unsigned index, struct link *l); /* the hub owns it now */
void hub_start(struct hub *h);
/*
 * Worker `index`, which has a link, goes on with `l`, which the hub owns now: the link that it had is closed, its sessions wait
 * for the new one and resume. From then on no sessions are begun with those who come. Once a worker; any thread.
 */
void hub_change_link(struct hub *h, unsigned index, struct link *l);
/* GOAWAY on every session, no new ones; any thread. */
void hub_close(struct hub *h);
/* The end: BYE on every session (their streams end), presence cleared, links closed. Any thread, never blocks; what
 * hub_close() does comes with it. hub_ended(): all has been said; then the workers may be closed. */
void hub_end(struct hub *h);
bool hub_ended(const struct hub *h);
/* After the workers have stopped, before they are freed. Conduits that are still open are freed too. */
void hub_free(struct hub **h);

/* Who is admitted has changed: asks for all sessions again, and tries those that were refused. Any thread. */
void hub_review(struct hub *h);

struct hub_shard *hub_shard(struct hub *h, unsigned worker_index);
void *hub_ctx(struct hub_shard *s);
unsigned hub_shard_index(const struct hub_shard *s);

/* What we offer: said on every session, now and later. Any thread; copied. False without memory. */
bool hub_offer(struct hub *h, const struct service_entry *list, size_t count);

/* -- by name, on the calling worker ------------------------------------------------------------------------------- */

enum hub_presence { HUB_UNKNOWN, HUB_OFFLINE, HUB_PRESENT };
/* UNKNOWN: never seen (lately); OFFLINE: seen, not there now. */
enum hub_presence hub_presence(struct hub_shard *s, const char *id);
unsigned hub_client_count(struct hub_shard *s);

/* An instance of a client. A stream that was opened under another edition may lead to a target that is no longer the
 * service's. */
struct hub_choice {
    char instance[INSTANCE_TEXT_BYTES + 1];
    unsigned edition;
    bool sound; /* nothing speaks against it; false: it is only the best there is */
};

/*
 * The instance of `id` whose turn it is: each as often as its weight says, without those that refused the service lately,
 * do not answer or are about to leave, as long as there are others. `service` NULL: any. False and *why: unknown_client,
 * client_offline, shutting_down.
 */
bool hub_choose(struct hub_shard *s, const char *id, const char *service, struct hub_choice *out,
                const struct error **why);
/* A stream to that choice was refused with `reason`: the next choice is another for a while. False: the reason says
 * nothing about the instance, another one would do no better. */
bool hub_refused(struct hub_shard *s, const struct hub_choice *choice, const char *service, const struct error *reason);

/*
 * Opens a stream to a service of that instance. Never blocks; returns a conduit at once (data may be written at once), or
 * NULL and *why (client_offline, limit, no_memory, shutting_down).
 */
struct conduit *hub_open(struct hub_shard *s, const struct hub_choice *choice, const struct open_head *head,
                         const struct conduit_events *events, void *ctx, const struct error **why);

/* Says it on the sessions with this instance. Without memory it is not said. */
void hub_say_public(struct hub_shard *s, const char *instance, const struct public_port *p);
/* Whether what some instance of `id` offers `is` so, as far as it is known on this worker. */
bool hub_offers(struct hub_shard *s, const char *id, bool (*is)(void *ctx, const struct offering *o), void *ctx);
/* Opens a stream to the peer that opened another one to us, through the same session. Likewise; `head` has its service. */
struct conduit *hub_open_back(struct hub_shard *s, const struct conduit_peer *to, const struct open_head *head,
                              const struct conduit_events *events, void *ctx, const struct error **why);

/* How a session is that is up, begun by the peer or here. */
struct hub_session {
    struct conduit_peer peer;
    bool encrypted, away; /* away: the way to the peer is lost for now */
    uint64_t since_us;    /* of the worker's clock */
    unsigned streams;
    uint64_t bytes_to, bytes_from; /* of its streams with their frames, sealed or not */
    uint64_t round_trip_us;        /* 0: not known */
    uint64_t window, in_flight;    /* bytes that may be, and are, not acknowledged */
    uint64_t resent;               /* envelopes */
    uint64_t rate;                 /* bytes a second that were acknowledged lately */
    const char *waits;             /* what sending waits for; NULL: nothing */
    const struct offering *offering; /* what the peer offers; NULL: it has not said. As long as the call */
};
/* Calls for each session that this worker owns. */
void hub_sessions(struct hub_shard *s, void (*each)(void *ctx, const struct hub_session *session), void *ctx);
/* A stream that was opened here, and why nothing of it is sent now. */
struct hub_stream {
    const char *client, *service; /* as long as the call */
    uint32_t session, stream;     /* their numbers on the wire */
    bool answered;
    size_t queued;   /* bytes that wait to be sent */
    uint64_t credit; /* bytes that may be sent */
    size_t unread;   /* bytes that wait for the near end to take them */
    const char *waits;
};
/* Calls for each in a session that this worker owns. */
void hub_streams(struct hub_shard *s, void (*each)(void *ctx, const struct hub_stream *stream), void *ctx);
/* Ends the sessions with `id` that this worker owns, with their streams; how many. The client may come again. */
unsigned hub_disconnect(struct hub_shard *s, const char *id);
/* The lowest round-trip time lately of the sessions with `id` that this worker owns; 0: there is none. */
uint64_t hub_round_trip_us(struct hub_shard *s, const char *id);

/* Whether the chosen instance is still there, as far as this worker knows. */
bool hub_is_there(struct hub_shard *s, const struct hub_choice *of);
/* What the instance offers, as long as this turn lasts; NULL: it is not known on this worker yet. */
struct offering *hub_offering(struct hub_shard *s, const struct hub_choice *of);
/* Asks for it. `answer` is called once on this worker, never from inside this call: with the offering (valid during the
 * call), or with `why` (after 5 s: service_timeout); the query is gone then. NULL without memory. */
struct hub_query;
typedef void hub_services_fn(void *ctx, struct offering *o, const struct error *why);
struct hub_query *hub_services(struct hub_shard *s, const struct hub_choice *of, hub_services_fn *answer, void *ctx);
void hub_query_cancel(struct hub_query **q);

#endif
