/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passthrough: connections go to a service as they are, and the server sees nothing of the content: TLS to services of kind
 * `tls`, by the name in the first message, and what comes to the port of a service of kind `tcp`. The worker's own.
 */
#ifndef SERVER_PASSTHROUGH_H
#define SERVER_PASSTHROUGH_H

#include "peer/hub.h"
#include "server/address.h"
#include "server/route.h"

struct front;

enum passthrough_answer {
    PASSTHROUGH_NO,      /* it is no such service: TLS ends here */
    PASSTHROUGH_YES,
    PASSTHROUGH_OFFLINE, /* it is, or may be, but its client is not there */
};

/* A question for where a name goes; embedded in the connection that asks. */
struct passthrough {
    struct front *front;
    struct route route;
    enum stream_kind kind;   /* that the service has to be of */
    uint64_t asked_us;       /* by the worker's clock */
    struct hub_choice at;    /* the instance whose turn it is */
    struct hub_query *query; /* while it is open */
    void (*answered)(void *ctx, enum passthrough_answer answer);
    void *ctx;
};

/* What a client offers; what is of kind tls stays remembered while it is away. */
void passthrough_remember(struct front *f, const char *client, const struct offering *o);
/* `answered` comes once, maybe from inside this call. `name`: "" when none was said. */
void passthrough_ask(struct passthrough *p, struct front *f, const char *name,
                     void (*answered)(void *ctx, enum passthrough_answer answer), void *ctx);
/* The same for a service of kind tcp that is known (ROUTE_SERVICE). */
void passthrough_ask_service(struct passthrough *p, struct front *f, const struct route *route,
                             void (*answered)(void *ctx, enum passthrough_answer answer), void *ctx);
/* No answer any more. */
void passthrough_cancel(struct passthrough *p);
/* After YES: joins the connection (taken, with its place in the crowd) and a stream to the service, from the first byte on, as
 * its rules allow. */
void passthrough_open(struct passthrough *p, int fd, uint32_t place, const struct address *visitor);
/* After another answer, where the connection leads nowhere else: the access log's line. */
void passthrough_turned_away(const struct passthrough *p, const struct address *visitor, const struct error *why);

#endif
