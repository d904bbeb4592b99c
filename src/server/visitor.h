/* SPDX-License-Identifier: Apache-2.0 */
/* Visitor: one connection to the public port, as long as libmicrohttpd has it. */
#ifndef SERVER_VISITOR_H
#define SERVER_VISITOR_H

#include <microhttpd.h>

#include "server/address.h"
#include "server/bridge.h"
#include "server/deadline.h"
#include "server/hangup.h"
#include "server/page.h"

struct exchange;
struct front;

#define VISITOR_MAGIC 0x76697369

struct visitor {
    OBJECT_MAGIC;
    struct front *front;
    struct MHD_Connection *connection;
    struct exchange *exchange; /* the request that it is busy with; NULL between two */
    struct list node;
    struct deadline deadline;
    struct hangup hangup;
    uint64_t quiet_us; /* since when there is no request that we know of */
    unsigned rests;    /* looks at the idle connection that are left */
    unsigned requests; /* so far */
    uint32_t place;    /* in the crowd; 0: none, or its bridge's */
    bool hurried;      /* a head has begun to come, and its time runs */
    bool told;         /* had our last word: its end is orderly */
    bool suspended;
    bool finished; /* has finished sending */
    bool left;    /* finished sending after its answer had begun: nobody is there */
    bool trusted; /* a proxy whose forwarding fields are believed */
    bool secure;  /* came with TLS */
    int fd;
    struct bridge_end end; /* of a secure one */
    struct address address;
};

/* NULL without memory (the connection then gets no exchange and is closed at its first request). */
struct visitor *visitor_create(struct front *f, struct MHD_Connection *c);
void visitor_free(struct visitor **v);
/* Until visitor_resume(). */
void visitor_suspend(struct visitor *v);
/* Any time; nothing happens when it is not suspended. */
void visitor_resume(struct visitor *v);
/* Its request's body cannot become complete: fewer bytes are left to read than are missing. While suspended, or about
 * to be: then libmicrohttpd holds none back. */
bool visitor_cannot_finish(const struct visitor *v);
/* Shuts the connection down, whatever it is doing. */
void visitor_cut(struct visitor *v);
/* The next close sends a reset: a body that ends with the connection must not look complete. */
void visitor_reset_at_close(struct visitor *v);
/* A reader is about to end the connection: libmicrohttpd closes it, but would not look at it again to free it. */
void visitor_closing(struct visitor *v);
/* The first line of a request is there: the rest has to follow in time. */
void visitor_hurry(struct visitor *v);
/* The head is there. */
void visitor_asks(struct visitor *v);
/* The request is over, and the next one may come. */
void visitor_rests(struct visitor *v);
/* The request that it is busy with is its last one. */
bool visitor_used_up(const struct visitor *v);
/* Its request cannot be answered by libmicrohttpd: says why not, and shuts the connection down. */
void visitor_turn_out(struct visitor *v, const struct error *why, enum page_format format);
void visitor_expired(struct deadline *d);
/* "192.0.2.1:4711", "[2001:db8::1]:4711" */
void visitor_text(const struct visitor *v, char out[static 64]);

#endif
