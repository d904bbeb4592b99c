/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded MQTT broker (MQTT 3.1.1 and 5), one shard on each worker. A shard owns the MQTT connections that its own
 * SO_REUSEPORT listener accepted; subscriptions, retained messages and client ids are known to every shard by message.
 * What a connection may do is asked of the policy given at creation, and of the guard. Nothing here knows tunnels.
 */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/chunk.h"
#include "base/worker.h"
#include "gate/shelf.h"
#include "gate/transport.h"
#include "mqtt/packet.h"

struct broker;
struct broker_shard;

/* Who asks; strings are valid during the call. */
struct broker_client {
    const char *client_id;
    const char *username; /* NULL when none */
    const uint8_t *password; /* only for `connect`; NULL when none */
    size_t password_len;
    const char *address;  /* "192.0.2.1:4711" */
    const char *listener; /* "mqtts": the name of its kind */
    const char *certificate; /* whom the client's certificate names ("CN=tim"); NULL when none was shown */
    unsigned version;     /* 4 (3.1.1) or 5 */
};

/* Rules. Called on the connection's worker, with no lock held; must not block. NULL members allow. */
struct broker_policy {
    void *ctx; /* given to each */
    bool (*connect)(void *ctx, const struct broker_client *who);
    bool (*publish)(void *ctx, const struct broker_client *who, const char *topic, bool retain);
    bool (*subscribe)(void *ctx, const struct broker_client *who, const char *filter);
};

enum broker_verdict { BROKER_DENY, BROKER_ALLOW, BROKER_LATER };

/* With BROKER_DENY: what MQTT 5 has for it, and words. */
struct broker_denial {
    enum mqtt_reason reason;
    const char *words;
};

/*
 * Who is asked in addition to the policy, which stays in force for what the guard has changed, and may take time: after BROKER_LATER the
 * connection takes nothing more; the guard calls broker_go_on(), and is asked the same again. `guarded` is what arrive() returned. What
 * the guard puts in a packet stays until over(). All on the connection's worker. NULL members allow, or are not told; arrive and
 * leave are there.
 */
struct broker_guard {
    void *ctx;
    /* A CONNECT has come. NULL: no memory. */
    void *(*arrive)(void *ctx, struct broker_shard *s, uint64_t conn, struct transport *way, const struct broker_client *who);
    enum broker_verdict (*connect)(void *guarded, struct mqtt_connect *p, struct broker_denial *d);
    enum broker_verdict (*publish)(void *guarded, struct mqtt_publish *p, struct slice *payload, struct broker_denial *d);
    /* Filter `n` of a SUBSCRIBE, from 0: about each of them, and, when none answers later, about each again. */
    enum broker_verdict (*subscribe)(void *guarded, size_t n, struct mqtt_filter *f, struct broker_denial *d);
    /* The packet has been dealt with. */
    void (*over)(void *guarded);
    /* News, after the fact. */
    void (*connected)(void *guarded, const char *client_id);
    void (*published)(void *guarded, const struct mqtt_publish *p);
    void (*subscribed)(void *guarded, const struct mqtt_filter *f);
    void (*unsubscribed)(void *guarded, struct mqtt_span filter);
    /* The end, and the last call. */
    void (*leave)(void *guarded, const char *why);
};

/* News for the program's log; called on the shard's worker. NULL members are skipped. */
struct broker_events {
    void (*connected)(void *ctx, const struct broker_client *who);
    void (*disconnected)(void *ctx, const struct broker_client *who, const char *why);
    /* A handshake (TLS, WebSocket) at the listener of this name has failed. */
    void (*failed)(void *ctx, const char *address, const char *listener, const char *why);
};

struct broker_config {
    struct worker *const *workers; /* not running yet; outlive the broker */
    unsigned worker_count;
    const struct broker_policy *policy; /* copied; NULL: everything is allowed */
    const struct broker_guard *guard;   /* copied; NULL: none */
    const struct broker_events *events; /* copied; NULL: none */
    void *ctx;                          /* of the events */
    uint64_t connect_timeout_us; /* from accept to CONNECT, handshakes included */
    unsigned strangers_max, strangers_per_address_max; /* connections before that: in all, and from one address */
    struct shelf *shelf; /* where broker_listen() looks for sockets first; NULL: none is there */
};

struct broker *broker_create(const struct broker_config *config);
/* Opens a listener on every shard (SO_REUSEPORT; port 0: the kernel chooses one for all; *port tells), or takes what is on the
 * shelf. 0 or an errno, EADDRINUSE also when another program shares its port.
 * `address` NULL: all interfaces, IPv6 and IPv4. `kind` outlives the broker. May be called several times, before the
 * workers start. */
int broker_listen(struct broker *b, const struct transport_kind *kind, const char *address, uint16_t *port);
/* Plain MQTT over TCP. */
extern const struct transport_kind broker_plain;
/*
 * Listens on every shard at a local socket that listens already, and stays the caller's, too: for other processes of this user,
 * which no policy restricts. Before the workers start. 0 or an errno.
 */
int broker_listen_at(struct broker *b, const struct transport_kind *kind, int fd);
extern const struct transport_kind broker_elders;
/* How many of those are connected. Any thread. */
unsigned broker_elders_there(const struct broker *b);
/*
 * Takes over a socket on which somebody else has opened a WebSocket for MQTT and read `len` bytes of what follows. On the
 * shard's worker. `peer`: who is at the other end.
 */
void broker_adopt(struct broker_shard *s, int fd, const struct sockaddr *peer, const void *early, size_t len);
/* The guard has the answer about connection `conn`, which may be gone. On the shard's worker, not from inside the guard's call. */
void broker_go_on(struct broker_shard *s, uint64_t conn);
/* Refuses new connections; each shard on its own worker; any thread may call. */
void broker_close(struct broker *b);
/* Likewise; and ends those that are there: another process takes them. */
void broker_dismiss(struct broker *b);
/* Shows the sockets that the shard listens at, but for those of broker_elders. On its worker. */
void broker_sockets(struct broker_shard *s, shelf_show_fn *show, void *ctx);
/* After the workers have stopped and before they are freed: closes every connection (no wills are sent) and frees. */
void broker_free(struct broker **b);

/* -- the direct line: the program itself as a participant, without a socket ---------------------------------------- */

struct broker_line;

/* A message for the line's filters, on the shard's worker. `payload` is valid during the call (take a reference).
 * `origin` is the worker whose connection or line published it. What is retained comes once after
 * broker_line_subscribe(), with `retained`. Never called from inside a call below; calling them from it is allowed. */
typedef void broker_message_fn(void *ctx, const char *topic, const struct slice *payload, bool retained,
                               unsigned origin);

struct broker_shard *broker_shard(struct broker *b, unsigned worker_index);
/*
 * Attaches a line to one shard; NULL: no memory, or MQTT_LINES_PER_WORKER_MAX. A message reaches the lines of the shard
 * it was published on if that shard has a line for the topic, else one line of another shard, always the same for a
 * topic (LOCAL_FIRST); or every line of every shard (EVERYWHERE, what presence needs). Like all calls on lines: before
 * the workers start, on the shard's worker, or after the workers have stopped.
 */
enum broker_reach { BROKER_REACH_LOCAL_FIRST, BROKER_REACH_EVERYWHERE };
struct broker_line *broker_attach(struct broker_shard *s, broker_message_fn *message, void *ctx);
/* False: the filter is not valid, or no memory. */
bool broker_line_subscribe(struct broker_line *l, const char *filter, enum broker_reach reach);
/* QoS 0 from the program. Takes the payload's reference. The shard's worker only. No policy applies. */
void broker_line_publish(struct broker_line *l, const char *topic, struct slice payload, bool retain);
void broker_detach(struct broker_line **l);

#endif
