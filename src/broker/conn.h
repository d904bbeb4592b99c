/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One MQTT connection. It belongs to its shard's worker. It is never freed from inside one of its own functions: an
 * ended one is swept at the end of the turn.
 */
#ifndef BROKER_CONN_H
#define BROKER_CONN_H

#include "base/tcp.h"
#include "broker/shard.h"

struct sockaddr;
struct claim;

#define CONN_MAGIC 0x7c40e9b5u

enum conn_state {
    CONN_OPENING,   /* accepted, no CONNECT yet */
    CONN_CLAIMING,  /* waits for its client id; input is held */
    CONN_OPEN,      /* CONNACK is sent */
    CONN_LINGERING, /* out of service; the last output leaves, input is dropped */
    CONN_ENDED,     /* closed, waits for the sweep */
};

/* Names for the topic aliases that the client has set (MQTT 5 3.3.2.3.4). */
struct conn_aliases {
    char *name[MQTT_TOPIC_ALIASES_MAX];
};

/* Packet identifiers of QoS 2 messages that were taken and not released: a bit each. */
struct conn_received {
    uint64_t bits[65536 / 64];
};

struct conn {
    OBJECT_MAGIC;
    struct transport way;
    uint8_t state; /* enum conn_state */
    uint8_t version; /* enum mqtt_version */
    bool finished;   /* lingering: our end is shut down */
    bool id_assigned;
    bool asking; /* the guard has not answered yet: input is held, with the packet that it is about */
    struct broker_shard *shard;
    uint64_t handle;
    struct list at_shard; /* conns or ended */
    struct event timer;
    uint32_t stranger; /* a place among the strangers, until CONNECT is taken; 0: none */
    char address[TCP_ADDRESS_TEXT];

    /* what CONNECT said */
    struct claim *claim; /* has the client id; NULL unless open */
    char *username;      /* NULL: none */
    char *certificate;   /* NULL: none was shown */
    struct message *will;
    uint32_t will_expiry_s; /* counted from its publication; UINT32_MAX: never */
    uint64_t keep_alive_us, last_packet_us; /* keep alive with its half on top; 0: none */
    uint16_t keep_alive_s;                  /* what CONNACK says if it is not what CONNECT said; 0: nothing */
    uint16_t receive_max;                   /* QoS 1 messages in flight to it */
    uint32_t packet_max;                    /* largest packet that it takes */
    bool expiry_wanted;                     /* asked for a session that outlives the connection */

    void *guarded; /* the guard's; NULL: there is none, or it is not asked any more */

    /* input */
    struct chunk *part; /* the first `part_len` bytes of a packet of the chunk's size, or of held input */
    uint32_t part_len;
    uint8_t head[MQTT_HEADER_MAX]; /* a header that is not complete */
    uint8_t head_len;
    uint16_t receiving; /* QoS 1 messages whose PUBACK waits for other shards */
    struct conn_aliases *aliases;
    struct conn_received *received;

    /* output */
    struct slice_queue out;
    struct turn flush;
    const char *doom; /* closed at the end of the turn with this reason; NULL: not */
    uint64_t inflight; /* a bit for each packet identifier from 1 on */
    struct list pending; /* QoS 1 messages that wait for the window */
    size_t pending_bytes;

    struct list subscriptions;
    unsigned subscription_count;

    /* while one message is matched */
    struct list at_route;
    uint8_t route_qos;
    bool route_retain;
};

/* -- conn.c: life */

/* Takes over a connected socket. Without memory, or when there are too many, it is closed. */
void conn_accept(struct broker_shard *s, const struct transport_kind *kind, int fd, const struct sockaddr *peer);
/* The same for a WebSocket that is open. */
void conn_adopt(struct broker_shard *s, int fd, const struct sockaddr *peer, const void *early, size_t len);
/* It has said who it is, or it is over. */
void conn_is_no_stranger(struct conn *c);
/* Closes at once. */
void conn_end(struct conn *c, const char *why);
/* Closes after what is queued has left. */
void conn_linger(struct conn *c, const char *why);
/* Closes, and tells the client the reason where its version can. Counted as a protocol error if it is one. */
void conn_fail(struct conn *c, enum mqtt_reason reason, const char *words);
/* Closes; another process takes the client. */
void conn_dismiss(struct conn *c);
/* The same with MQTT_QUOTA_EXCEEDED at the end of the turn: while messages are being delivered. */
void conn_doom(struct conn *c, const char *words);
/* After the workers have stopped. */
void conn_free(struct conn *c);
/* (Re)starts the one timer. */
void conn_timer_set(struct conn *c, uint64_t us);
struct broker_client conn_client(const struct conn *c);
const char *conn_client_id(const struct conn *c);

/* -- conn_io.c: bytes */
extern const struct transport_events conn_transport_events;
void conn_flush(struct turn *t);
/* Goes on with input that was held while the client id was claimed. */
void conn_resume(struct conn *c);
/* Queues a packet; dooms the connection when it does not fit. */
void conn_send(struct conn *c, const struct mqtt_packet *p);
/* Queues a PUBLISH; false: it does not fit. */
bool conn_send_publish(struct conn *c, const struct mqtt_publish *p, const struct slice *payload);

/* -- conn_packet.c: what a packet asks for */
/* `chunk` holds the packet, also a PUBLISH's payload. */
void conn_packet(struct conn *c, struct chunk *chunk, size_t at, const struct mqtt_header *h);
void conn_send_ack(struct conn *c, enum mqtt_type type, uint16_t packet_id, enum mqtt_reason reason);

/* -- conn_connect.c */
void conn_on_connect(struct conn *c, const struct mqtt_connect *p);
/* The answer about the client id. True: the claim is the connection's now. */
bool conn_claimed(struct conn *c, struct claim *claim);
/* Answers a CONNECT with a refusal and lingers. */
void conn_refuse(struct conn *c, enum mqtt_reason reason, const char *words);

/* -- conn_guard.c: what the guard says. Of these false: the packet waits, or was refused */
bool conn_guard_connect(struct conn *c, struct mqtt_connect *p);
/* A refusal is left to the caller. */
enum broker_verdict conn_guard_publish(struct conn *c, struct mqtt_publish *p, struct slice *payload, struct broker_denial *d);
enum broker_verdict conn_guard_subscribe(struct conn *c, size_t n, struct mqtt_filter *f, struct broker_denial *d);
/* No answer came in time. */
void conn_guard_late(struct conn *c);
void conn_guard_over(struct conn *c);
void conn_guard_leave(struct conn *c, const char *why);

/* -- conn_publish.c: messages from the client */
void conn_on_publish(struct conn *c, const struct mqtt_publish *p, const struct slice *payload);
void conn_on_pubrel(struct conn *c, const struct mqtt_ack *p);
/* A retained message has reached all shards: answers. */
void conn_published(struct conn *c, enum mqtt_type answer, uint16_t packet_id);

/* -- conn_deliver.c: messages to the client */
void conn_deliver(struct conn *c, const struct message *m, unsigned qos, bool retain);
void conn_on_puback(struct conn *c, const struct mqtt_ack *p);
void conn_forget_pending(struct conn *c);

/* -- conn_subscribe.c */
void conn_on_subscribe(struct conn *c, const struct mqtt_subscribe *p);
void conn_on_unsubscribe(struct conn *c, const struct mqtt_subscribe *p);
void conn_unsubscribe_all(struct conn *c);

#endif
