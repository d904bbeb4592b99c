/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the broker: what a shard owns, and which of its parts do what. All on the shard's worker. */
#ifndef BROKER_SHARD_H
#define BROKER_SHARD_H

#include <stdatomic.h>
#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/object.h"
#include "base/worker.h"
#include "broker/broker.h"
#include "broker/index.h"
#include "broker/message.h"
#include "broker/registry.h"
#include "broker/retained.h"
#include "gate/crowd.h"
#include "mdm-tunnel/limits.h"

#define BROKER_MAGIC 0x3b1f6c02u
#define SHARD_MAGIC 0x51d0a7e4u

struct broker {
    OBJECT_MAGIC;
    struct broker_policy policy;
    struct broker_guard guard; /* its members are NULL: there is none */
    struct broker_events events;
    void *ctx;
    uint64_t connect_timeout_us;
    struct shelf *shelf;
    struct crowd *strangers; /* connections without a CONNECT that was taken */
    uint64_t key[2]; /* of the hashes */
    unsigned shard_count;
    struct broker_shard *shards[WORKERS_MAX];
    atomic_bool closed;
    atomic_uint elders; /* connections of broker_elders that are open */
};

/* Where a connection is found by handle: (generation << 32 | slot), so that an old handle finds nothing. */
struct conn_slot {
    struct conn *conn;
    uint32_t generation;
    uint32_t next_free;
};

struct broker_shard {
    OBJECT_MAGIC;
    unsigned index;
    struct worker *worker;
    struct broker *broker;

    struct list entries; /* where it listens */
    struct mail close_mail, dismiss_mail;

    struct list conns; /* of any state but ended */
    struct list ended; /* freed by `sweep` */
    struct turn sweep;
    struct conn_slot *slots;
    uint32_t slot_count, slots_used, free_slot;

    struct index index_of_filters;
    struct retained retained;
    struct registry registry;
    uint64_t stamp; /* Lamport's clock of retained messages */

    struct list lines;
    unsigned line_count;
    struct list backlog; /* messages for lines that are told at `backlog_turn`, not from inside a call */
    struct turn backlog_turn;

    struct chunk *input; /* what sockets are read into */
    size_t input_at;
    struct chunk *output; /* where small packets are written before they are queued */
    atomic_size_t inbound; /* bytes on the way from other shards */
};

/* -- shard.c: creation, listeners, handles */
struct broker_shard *shard_create(struct broker *b, struct worker *w, unsigned index);
void shard_free(struct broker_shard **s);
/* Takes over a listening socket. 0 or an errno. */
int shard_listen(struct broker_shard *s, const struct transport_kind *kind, int fd);
void shard_close_listeners(struct broker_shard *s);
void shard_sockets(struct broker_shard *s, shelf_show_fn *show, void *ctx);
/* A handle for a connection; 0 when there are too many or no memory. */
uint64_t shard_enter(struct broker_shard *s, struct conn *c);
void shard_leave(struct broker_shard *s, uint64_t handle);
struct conn *shard_conn(const struct broker_shard *s, uint64_t handle);

/* -- route.c: messages to their receivers */

/* What is done when every shard has a retained message. */
struct receipt {
    uint64_t handle;       /* of the connection that wants an answer; 0: none */
    enum mqtt_type answer; /* PUBACK or PUBREC */
    uint16_t packet_id;
    struct claim *claim; /* released; NULL: none */
};

/*
 * Publishes `m` (usually on the caller's stack; `stamp` is set here) from this shard to everybody. `from`: the
 * connection (for No Local), NULL: a line or a will. Anything but MQTT_SUCCESS: not published, or not everywhere; the
 * receipt stays the caller's.
 */
enum mqtt_reason route_publish(struct broker_shard *s, struct message *m, const struct conn *from,
                               const struct receipt *receipt);
/* As that, for lines of this shard only: what a line published. `any`: also lines of the kind INDEX_ANY. */
void route_to_lines(struct broker_shard *s, const struct message *m, bool any);

/* -- line.c: direct lines */
void line_deliver(struct broker_line *l, const struct message *m, bool retained);
/* Tells the lines later in this turn: `line` alone about a retained message, or (NULL) all that `m` is for. */
void lines_defer(struct broker_shard *s, struct broker_line *line, const struct message *m, bool any);
void lines_init(struct broker_shard *s);
void lines_done(struct broker_shard *s);

/* -- marks.c: which shards have subscriptions for a filter */

/* Filters as in the payload of a SUBSCRIBE. */
struct filter_list {
    uint8_t *data;
    size_t len, size;
};

bool filter_list_add(struct filter_list *l, const struct mqtt_filter *f);
void filter_list_free(struct filter_list *l);
/* Applies the marks of another shard. */
void marks_apply(struct broker_shard *at, struct mqtt_span filters, enum index_kind kind, unsigned shard, bool on);
/* Tells all other shards; takes the list over. */
void marks_send(struct broker_shard *s, struct filter_list *filters, enum index_kind kind, bool on);
/* Removes a subscription from the index and adds its filter to `gone` if nobody else of this shard has it. */
void marks_remove(struct broker_shard *s, struct subscription *sub, struct filter_list *gone);

#endif
