/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Link: one program's way into an MQTT broker. Three kinds behind one interface: an MQTT session of its own (paho,
 * link_mqtt_create), a direct line into the embedded broker (link_direct_create), or an MQTT session with the embedded broker of
 * another process of ours (link_local_create). Payloads are opaque.
 *
 * A link belongs to one worker: all calls below and all callbacks are on it. Nothing here blocks the worker:
 * connecting, resolving and paho's waiting happen on threads of the link.
 */
#ifndef LINK_LINK_H
#define LINK_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/chunk.h"
#include "base/worker.h"
#include "link/url.h"

struct link;
struct link_proxy;
struct broker_shard;

struct link_events {
    /* The way is open: subscriptions are in place, the presence is published. `note`: "127.0.0.1:8001" for the log. */
    void (*up)(void *ctx, const char *note);
    /* The way is gone, with the reason for the log; a new attempt is made in `retry_us` (CLOCK_NEVER: never again). */
    void (*down)(void *ctx, const char *why, uint64_t retry_us);
    /* `payload` is valid during the call (take references). `origin`: the worker index nearest to the sender. */
    void (*message)(void *ctx, const char *topic, const struct slice *payload, bool retained, unsigned origin);
    /* link_room() was too small and has grown. */
    void (*writable)(void *ctx);
};

struct link_config {
    struct worker *worker;
    const struct link_events *events;
    void *ctx;
    /* Subscribed before `up`, again after every reconnect. NULL-terminated; copied. `everywhere`: presence, on every worker.
     * QoS 0: a queue that RabbitMQ keeps for QoS 1 cannot be had again while its node is down. */
    const char *const *filters;
    const char *const *everywhere_filters;
    /* Published retained with QoS 1 before `up`, cleared (empty retained message) at the end, also by the will; or
     * NULL. */
    const char *presence_topic;
    const char *presence;
};

struct link_mqtt_config {
    /* Tried in turn, each host's addresses in the resolver's order; with TLS the certificate must be the host's. After a
     * loss the one that was connected is tried first. */
    const struct link_url *urls;
    unsigned url_count;
    const char *client_id;  /* MQTT client identifier */
    const char *ca_file, *cert_file, *key_file; /* PEM; NULL: the system's authorities, no certificate, `cert_file` */
    const char *alpn;       /* NULL: none */
    const struct link_proxy *proxy; /* through it; copied; NULL: none */
    const char *username, *password; /* NULL: none */
    uint64_t keep_alive_us;
    unsigned max_attempts;  /* consecutive failures of all of them before it gives up; 0: never */
    size_t max_payload;
};

/* NULL without memory (strings are copied). Connecting starts with link_start(). One link_mqtt a process is open at a
 * time: the library below has one set of threads and locks for all. */
struct link *link_mqtt_create(const struct link_config *config, const struct link_mqtt_config *mqtt);
struct link *link_direct_create(const struct link_config *config, struct broker_shard *shard);
/* To the broker of another process of this user, at its socket (broker_listen_at()); for programs without presence. It is tried
 * for ever. `origin`: what messages are told with. */
struct sockaddr_un;
struct link *link_local_create(const struct link_config *config, const struct sockaddr_un *address, unsigned address_len,
                               const char *client_id, unsigned origin);

void link_start(struct link *l);
/* Replaces the presence text; published at once when up. */
void link_set_presence(struct link *l, const char *presence);
/* Bytes of payload that one link_publish() can take now without waiting; 0: wait for `writable`. */
size_t link_room(struct link *l, const char *topic);
size_t link_max_payload(const struct link *l);
/* QoS 0. Takes the payload's reference, whatever happens. Never blocks; without room or way the message is lost. */
void link_publish(struct link *l, const char *topic, struct slice payload);
/* Ends the way politely (presence cleared, DISCONNECT); no callbacks after `down`. Never blocks, idempotent. */
void link_close(struct link *l);
/* Waits for the link's threads (some seconds at most), then frees. Not on the worker; after the worker has stopped and
 * before it is freed. */
void link_free(struct link **l);

#endif
