/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One MQTT connection made with paho.mqtt.c (its synchronous API with callbacks). paho.c is the only file that knows
 * paho. Everything but paho_publish() may block and is for the link's thread; a process has one connection at a time
 * (paho's threads and locks are the process's own, and a handle must not be freed beside another one's callbacks).
 */
#ifndef LINK_PAHO_H
#define LINK_PAHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct paho;

/* On threads of paho, one after the other for each kind; must return at once. */
struct paho_events {
    /* All arguments are valid during the call only. */
    void (*message)(void *ctx, const char *topic, const void *payload, size_t len, bool retained);
    /* The connection ended without our doing; at most once. */
    void (*lost)(void *ctx, const char *why);
};

struct paho_config {
    const char *client_id;
    const char *host;                /* for TLS and WebSocket: tried by name, which the other end wants to know */
    uint16_t port;
    bool tls;
    const char *path;                /* WebSocket; NULL: none */
    const char *ca_file, *cert_file, *key_file, *alpn;
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

/*
 * Connects with a clean start to an IPv4 or IPv6 address; with TLS or WebSocket to the configuration's host. NULL and
 * *err when not. `config` is not kept; `ctx` is.
 */
struct paho *paho_connect(const struct paho_config *config, enum paho_version version, const struct sockaddr *address,
                          socklen_t address_len, const struct paho_events *events, void *ctx, struct paho_error *err);
/* Subscribes to filters (NULL-terminated). False and *err when the broker refuses one, or is gone. */
bool paho_subscribe(struct paho *p, char *const *filters, int qos, struct paho_error *err);
/* Retained, QoS 1; waits for the broker's acknowledgment. */
bool paho_retain(struct paho *p, const char *topic, const char *text, unsigned timeout_ms);
/* QoS 0. Returns at once as long as the packet fits into the socket's buffer; any thread. */
void paho_publish(struct paho *p, const char *topic, const void *payload, size_t len);
/* The largest packet that the broker takes (MQTT 5 3.2.2.3.6); SIZE_MAX when it did not say. */
size_t paho_packet_max(const struct paho *p);
/* Says DISCONNECT when still connected. No callback comes any more, and publishing does nothing. */
void paho_disconnect(struct paho *p);
/* After paho_disconnect(), when nobody publishes any more. */
void paho_free(struct paho **p);

/* "127.0.0.1:8001", "[::1]:8001" */
void paho_address_text(const struct sockaddr *address, socklen_t len, char *out, size_t size);

#endif
