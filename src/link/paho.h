/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One MQTT connection made with paho.mqtt.c, its synchronous API without callbacks: so it starts no threads, and does
 * something only inside a call. paho.c is the only file that knows paho. A connection belongs to one thread at a time,
 * and a process has one: paho's tables are the process's own.
 */
#ifndef LINK_PAHO_H
#define LINK_PAHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct paho;
struct link_proxy;

struct paho_config {
    const char *client_id;
    const char *host;                /* with TLS, WebSocket or a proxy: tried by name, which the other end wants to know */
    uint16_t port;
    bool tls;
    const char *path;                /* WebSocket; NULL: none */
    const char *ca_file, *cert_file, *key_file, *alpn;
    const struct link_proxy *proxy;  /* NULL: none */
    const char *username, *password; /* NULL: none */
    const char *will_topic;          /* the will: an empty retained message, QoS 1; NULL: none */
    unsigned keep_alive_s;
    unsigned timeout_s;              /* for each answer of the broker */
    size_t max_payload;              /* the broker is told not to send much larger packets (MQTT 5 3.1.2.11.4) */
};

struct paho_error {
    char text[128];
    bool version; /* it is the protocol version that the broker does not take */
    bool silent;  /* there was no answer, which may be for the same reason */
};

enum paho_version { PAHO_MQTT_3_1_1 = 4, PAHO_MQTT_5 = 5 };

/* -- what may block ------------------------------------------------------------------------------------------------ */

/*
 * Connects with a clean start to an IPv4 or IPv6 address; with TLS, WebSocket or a proxy to the configuration's host. NULL and
 * *err when not. `config` is not kept.
 */
struct paho *paho_connect(const struct paho_config *config, enum paho_version version, const struct sockaddr *address,
                          socklen_t address_len, struct paho_error *err);
/* Subscribes to filters (NULL-terminated). False and *err when the broker refuses one, or is gone. */
bool paho_subscribe(struct paho *p, char *const *filters, int qos, struct paho_error *err);
/* Waits for the acknowledgment of all that was retained; messages that come meanwhile are dropped. */
void paho_settle(struct paho *p, unsigned timeout_ms);
/* Says DISCONNECT when still connected. */
void paho_free(struct paho **p);

/* -- what does not, as long as the packet fits into the socket's buffer -------------------------------------------- */

/* Retained, QoS 1. False when it was not sent: gone, or too many are not acknowledged. */
bool paho_retain(struct paho *p, const char *topic, const char *text);
/* QoS 0. False when the connection is gone. */
bool paho_publish(struct paho *p, const char *topic, const void *payload, size_t len);

struct paho_message {
    const char *topic;
    const void *payload;
    size_t len;
    bool retained;
    void *memory[2]; /* paho's */
};

enum paho_got { PAHO_NOTHING, PAHO_MESSAGE, PAHO_LOST };

/*
 * Takes one packet from the socket where there is one, keeps the connection alive, and hands out the oldest message
 * that is not handed out yet. PAHO_NOTHING also when the packet was another one, or is not complete, or when the
 * socket is not writable, in which state paho does not read. It drops a DISCONNECT, and loses its memory: where that
 * can be seen coming it is better not read.
 */
enum paho_got paho_receive(struct paho *p, struct paho_message *out);
void paho_message_done(struct paho_message *m);
/* What the broker has said of itself (MQTT 5 3.2.2.3). */
struct paho_limits {
    size_t packet_max; /* the largest packet that it takes; SIZE_MAX when it did not say */
    bool retain, wildcards; /* it has retained messages, subscriptions with wildcards; true when it did not say */
};
const struct paho_limits *paho_limits(const struct paho *p);

/* "127.0.0.1:8001", "[::1]:8001" */
void paho_address_text(const struct sockaddr *address, socklen_t len, char *out, size_t size);

#endif
