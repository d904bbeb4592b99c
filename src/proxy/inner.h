/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this layer share. A *pair* is a client and its one connection to the broker; each of the two is a *side*.
 * All of a pair belongs to one worker. It is never freed from inside one of its own functions: an ended one is swept at the
 * end of the turn.
 */
#ifndef PROXY_INNER_H
#define PROXY_INNER_H

#include <event2/event_struct.h>

#include "base/counters.h"
#include "base/line_fields.h"
#include "base/line_log.h"
#include "base/object.h"
#include "base/tcp.h"
#include "dial/dial.h"
#include "gate/crowd.h"
#include "gate/listener.h"
#include "gate/transport.h"
#include "hook/chain.h"
#include "mdm-tunnel/limits.h"
#include "proxy/door.h"

#define PAIR_MAGIC 0x70616972u
#define POST_MAGIC 0x706f7374u

/* -- a worker's part -------------------------------------------------------------------------------------------------- */

struct post_entry;

struct proxy_post {
    OBJECT_MAGIC;
    const struct proxy_common *common;
    struct worker *worker;
    unsigned index;
    struct chunk *input; /* what sockets are read into; NULL: not made yet */
    size_t input_at;
    struct list entries, pairs, ended, gateways, ended_gateways;
    struct turn sweep;
    struct passage *passage; /* memory for the next packet that is looked at; NULL: none */
    struct question_store questions;
    struct line_tap access, packets;
    bool draining;
};

/* What all posts share; constant while workers run. */
struct proxy_common {
    const struct hook_chain *hooks;
    const struct hook_wants *wants;
    struct lookups *lookups;
    struct crowd *clients;
    struct rates *rates; /* of connections, by address */
    uint32_t connect_rate, connect_burst; /* in 1000 s; at once; 0: any */
    struct line_log *access, *packets;    /* NULL: none */
    enum line_format access_format, packet_format;
    uint32_t packet_payload;
    uint32_t packet_max;
    uint64_t connect_us; /* from accept to CONNECT, and again from there to CONNACK */
    uint64_t answer_us;  /* a target of HTTP that neither takes nor gives anything */
    bool drop_denied;    /* a denied message of MQTT 3 is dropped; otherwise its client is disconnected */
    void (*emptied)(void *ctx); /* a draining post has no pair any more */
    void *ctx;
};

struct proxy_post *post_create(const struct proxy_common *common, struct worker *w, unsigned index);
/* `fd`: a listening socket of the door, taken over. False: no memory. */
bool post_listen(struct proxy_post *p, const struct proxy_door *door, int fd);
/* On the worker: no new clients; those there are told, and `emptied` follows. */
void post_drain(struct proxy_post *p);
/* After the workers have stopped. */
void post_free(struct proxy_post **p);

/* -- a side ----------------------------------------------------------------------------------------------------------- */

struct pair;

struct side {
    struct transport way;
    struct pair *pair;
    bool open;     /* handshakes are over (of the broker's side: only then is it read, and are packets queued) */
    bool closed;   /* there is no socket, or no longer */
    bool over;     /* its input has ended */
    bool finished; /* we have said that nothing follows */
    bool held;     /* its packets wait for the answer to a question */
    struct chunk *part; /* the first `part_len` bytes of a packet of the chunk's size, or of held input */
    uint32_t part_len;
    uint8_t head[MQTT_HEADER_MAX]; /* a header that is not complete */
    uint8_t head_len;
    /* packets that go on as they came, one behind the other in `run_chunk` (borrowed: while it is taken apart) */
    struct chunk *run_chunk;
    size_t run_at, run_len;
    struct slice_queue out;
    struct turn flush;
};

void side_init(struct side *s, struct pair *p);
/* Reads where there is a reason to, and room for what comes. */
void side_update(struct side *s);
/* Takes up what was held. */
void side_resume(struct side *s);
/* The packet at `at` of the chunk goes to the other side as it is. */
void side_pass(struct side *s, struct chunk *chunk, size_t at, size_t size);
/* What side_pass() was given is queued; before anything else is. */
void side_pass_done(struct side *s);
/* Queue for this side; the pair ends when there is no room or no memory. Takes the reference. */
void side_send_bytes(struct side *s, struct slice packet);
void side_send(struct side *s, const struct mqtt_packet *p);
/* After what is queued: FIN. Then input is dropped until the other end has finished, too. */
void side_finish(struct side *s);
/* At once; idempotent. */
void side_close(struct side *s);
void side_done(struct side *s);
extern const struct transport_events side_events;

/* -- a pair ----------------------------------------------------------------------------------------------------------- */

enum pair_state {
    PAIR_OPENING,  /* no CONNECT yet */
    PAIR_ASKING,   /* may it connect? */
    PAIR_DIALLING, /* the broker's side is not open yet */
    PAIR_WAITING,  /* CONNECT is sent */
    PAIR_OPEN,     /* CONNACK has passed */
    PAIR_CLOSING,  /* the last output leaves, input is dropped */
    PAIR_ENDED,    /* waits for the sweep */
};

struct passage;
struct aliases;

/* A SUBSCRIBE with denied filters, whose SUBACK is to be completed. */
struct partial {
    struct list node;
    uint16_t packet_id;
    size_t count;
    uint8_t codes[]; /* 0: the broker's */
};

/* Packet identifiers of denied QoS 2 messages of MQTT 3 whose PUBREL is to come: a bit each. */
struct refused_ids {
    uint64_t bits[65536 / 64];
};

/* Answers to denied messages, of which those of one QoS have to come in the order of the messages (MQTT 5 4.6). */
struct denials {
    uint64_t sent, answered; /* messages that went to the broker, and its answers to them */
    struct list waiting;     /* for answers to what was sent before */
    unsigned count;
};

struct pair {
    OBJECT_MAGIC;
    struct proxy_post *post;
    const struct proxy_door *door;
    struct list at_post; /* pairs or ended */
    uint8_t state;       /* enum pair_state */
    uint8_t version;     /* enum mqtt_version */
    bool told;           /* hooks have heard `connect` */
    bool said_goodbye;   /* a DISCONNECT has passed, either way */
    bool answered;       /* a CONNACK has gone to the client, with this code */
    uint8_t code;
    struct side client, broker;
    uint32_t place; /* in the crowd */
    char address[TCP_ADDRESS_TEXT];
    struct event timer;
    uint64_t last_us, keep_alive_us; /* the latter with its half on top; 0: none */
    uint64_t asked_us; /* `up` and `down` since then */
    struct dial *dial;
    struct slice connect; /* waits for the broker's side to open */
    struct hook_session *session;
    struct passage *up, *down; /* a packet whose question is asked; NULL: none */
    struct aliases *up_aliases, *down_aliases;
    struct refused_ids *refused;
    struct denials denials[2]; /* QoS 1, QoS 2 */
    struct list partials;
    unsigned partial_count;
    const char *why;    /* it closes for */
    char words[128];    /* where `why` is not constant */
    uint64_t began_us, up_bytes, down_bytes, up_packets, down_packets, up_messages, down_messages;
};

/* Takes over a connected socket. Without memory, or when there are too many, it is closed. */
void pair_accept(struct proxy_post *post, const struct proxy_door *door, int fd, const struct sockaddr *peer);
/* After the workers have stopped, or from the sweep. */
void pair_free(struct pair *p);
/* Both sides finish; `why` is constant, or in p->words. */
void pair_close(struct pair *p, const char *why);
/* The same; a client of MQTT 5 is told the reason where its session is open. */
void pair_fail(struct pair *p, enum mqtt_reason reason, const char *why);
/* Answers CONNECT with a refusal and closes. */
void pair_refuse(struct pair *p, enum mqtt_reason reason, const char *why);
/* CONNECT may go to the broker: dials. Takes the packet. */
void pair_dial(struct pair *p, struct slice connect);
/* One of its sides is closed, or has nothing to say any more. */
void pair_side_closed(struct pair *p);
/* Hooks hear of it, once. */
void pair_tell_connect(struct pair *p);
/* (Re)starts its one timer for keep-alive. */
void pair_watch(struct pair *p);
struct hook_session *pair_session(struct pair *p);

/* -- packets ---------------------------------------------------------------------------------------------------------- */

/* A whole packet of a side, in `chunk` from `at`. Where its question is asked the side is held. */
void packet_arrived(struct side *from, struct chunk *chunk, size_t at, const struct mqtt_header *h);
/* Questions that are asked are forgotten. */
void packet_forget(struct pair *p);
/* Memory that was kept for the next one. */
void packet_memory_free(struct proxy_post *p);

/* -- denials.c: on its way to the client, in order -- */
void denials_init(struct pair *p);
void denials_done(struct pair *p);
/* A message went to the broker. */
void denials_sent(struct pair *p, unsigned qos);
/* The broker's PUBACK or PUBREC to one of them has passed, or was dropped: what waited for it follows. */
void denials_answered(struct pair *p, enum mqtt_type type);
/* The answer to a denied message: now, or as soon as its turn comes. */
void denials_answer(struct pair *p, enum mqtt_type type, const struct mqtt_ack *ack);
/* Whether the client has to wait before it sends more. */
bool denials_full(const struct pair *p);

#endif
