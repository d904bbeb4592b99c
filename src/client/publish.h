/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publish: services that a workstation has made public for a while. As long as that lasts each stands in the offer once more, as
 * a service of kind tcp that wants a port of the server; the workstation is told the address and may go. Worker 0's.
 */
#ifndef CLIENT_PUBLISH_H
#define CLIENT_PUBLISH_H

#include <event2/event_struct.h>
#include <stdbool.h>

#include "base/list.h"
#include "config/services.h"
#include "peer/conduit.h"

struct client;

struct publish {
    struct list all; /* struct publication */
    struct list leaving; /* workstations that have had an answer without an address */
    unsigned count, asking;
    struct client *client; /* NULL: nothing was ever published */
    struct event timer;
};

void publish_init(struct publish *p);
/* Cuts who waits, and forgets all. Idempotent. */
void publish_end(struct publish *p);

/* A workstation wants it (STREAM_KIND_PUBLISH): takes the conduit over. */
void publish_open(struct client *c, struct conduit *conduit, const struct open_head *head);
/* Who may has changed: ends what the workstation that asked for it may not have any more. */
void publish_review(struct client *c);
/* A server has said what has become of the wish of a service. */
void publish_heard(struct client *c, const struct public_port *port);
/* Says of each service whether it is public for a while. */
void publish_mark(const struct publish *p, struct services *services);

/* The rules of a published service for its entry of kind tcp; at most PUBLISH_RULES_MAX bytes are written. */
#define PUBLISH_RULES_MAX(service) (5 + (service)->rules_len)
size_t publish_rules(const struct service *s, uint8_t *out);

#endif
