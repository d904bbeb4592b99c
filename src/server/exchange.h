/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchange: one request of a visitor and its answer. Made when the request line is there, given back to its worker's
 * spares when libmicrohttpd says that the request is over. Everything is the worker's own.
 *
 *   HEAD ──▶ CONTINUE ──▶ BODY ──▶ WAIT ──▶ ANSWER ──▶ OVER        CONTINUE only with Expect: 100-continue;
 *     └────────────────────▲ └───────────────▶ any state ──▶ OVER   a refusal may answer straight from HEAD or CONTINUE
 *
 * The answer may be known (`answer`) long before libmicrohttpd takes it: only between HEAD and BODY, or in WAIT.
 * Split by role: request.c reads the request, dispatch.c finds its way, body_up.c sends its body, answer.c reads
 * the service's answer, replay.c moves a refused request to another machine, reply.c hands it to libmicrohttpd, body_down.c gives its body to the visitor, page_reply.c
 * answers with our own pages.
 */
#ifndef SERVER_EXCHANGE_H
#define SERVER_EXCHANGE_H

#include <microhttpd.h>

#include "base/chunk.h"
#include "gate/accept_key.h"
#include "peer/hub.h"
#include "server/access.h"
#include "server/deadline.h"
#include "server/gate.h"
#include "server/page.h"
#include "server/route.h"
#include "server/upstream.h"
#include "wire/http.h"

struct front;
struct visitor;

#define EXCHANGE_MAGIC 0x65786368

enum exchange_state {
    EXCHANGE_HEAD,     /* the request's head is arriving */
    EXCHANGE_CONTINUE, /* the service was asked whether it wants the body */
    EXCHANGE_BODY,     /* the request's body is arriving */
    EXCHANGE_WAIT,     /* the request is complete, the answer is not there */
    EXCHANGE_ANSWER,   /* libmicrohttpd has the answer's head */
    EXCHANGE_OVER,
};

enum answer_kind {
    ANSWER_NONE,
    ANSWER_PAGE,    /* one of our own: `response` is ready */
    ANSWER_SERVICE, /* the service's head was parsed: `input` holds it */
    ANSWER_UPGRADE, /* the same, and it is a 101 */
    ANSWER_CUT,     /* none: the visitor's connection is to be closed */
};

/* What it says about a WebSocket with MQTT at client-path (mqtt_entry.c). */
struct mqtt_entry {
    bool wanted;
    const char *why; /* it cannot be had; NULL: it can */
    char accept[WEBSOCKET_ACCEPT_BYTES + 1];
};

/* What the request's head said. */
struct request {
    char *target; /* as it came, byte for byte; `target_inline` or heap */
    char target_inline[256];
    struct http_text path; /* in `target`, with its query */
    char method[24]; /* for the log: cut if longer */
    char host[256];  /* as it came, for the stream's OPEN and for links */
    enum http_framing framing; /* NONE, LENGTH or CHUNKED */
    uint64_t content_length;
    size_t field_count;
    bool to_head;     /* HEAD */
    bool repeatable;  /* no body and an idempotent method (RFC 9110 9.2.2): may take a kept stream */
    bool old;         /* HTTP/1.0 */
    bool upgrade, websocket;
    bool secure;      /* the visitor's end has TLS: ours, or of a proxy that we believe */
    bool expects;     /* Expect: 100-continue */
    enum page_format format;
    struct mqtt_entry mqtt;
};

/* The service's answer as far as it was read. `input` holds its head, then the first bytes of its body. */
struct answer {
    char *input; /* heap, kept for the next exchange */
    size_t input_len, input_size, scanned, head_len;
    size_t body_at, body_len; /* body bytes inside `input` that were not taken yet */
    struct slice_queue body;  /* the body bytes after those, without framing */
    enum http_framing framing;
    uint64_t content_length; /* of the head; valid with has_length */
    uint64_t left;           /* LENGTH: still to come from the service */
    struct http_chunked chunked;
    char *trailer; /* heap of HTTP_TRAILER_MAX bytes, kept for the next exchange */
    unsigned status;
    bool has_length, keep_alive;
    bool complete; /* all of it is here */
    bool cut;      /* it will never be complete */
};

struct exchange {
    OBJECT_MAGIC;
    enum exchange_state state;
    struct front *front;
    struct visitor *visitor;
    struct list spare_node;
    struct deadline deadline;
    uint64_t began_us;
    struct access_times times;
    struct access_words *words; /* heap; NULL: no access log */
    struct request request;
    struct route route;
    size_t strip; /* bytes of the path that the service does not get */

    /* towards the service */
    struct hub_choice at;    /* the instance whose turn it is */
    struct gate gate;        /* the rules of the service */
    struct upstream *upstream;
    struct hub_query *query; /* what does the client offer? */
    struct list held_node;   /* waits for the client to come back */
    struct slice head;       /* the request's head, as long as it may have to be sent (again) */
    struct slice_queue out;  /* the request's body: what the stream had no room for yet */
    struct slice_queue replay; /* what the stream has taken and its service not yet */
    bool replay_lost;          /* that is not all of it any more */
    unsigned moves;            /* to other machines of the client */
    uint64_t received;       /* bytes of the request's body */
    uint64_t dropped;        /* of these, not forwarded */
    bool dropping;           /* the rest of the body is not forwarded */
    bool retried;
    unsigned number; /* of the stream, for the log; 0: none was opened */

    /* towards the visitor */
    bool paused; /* suspended since the request was complete */
    enum answer_kind answer;
    const struct error *error; /* why the answer is a page, or was cut; NULL: none */
    unsigned status;
    struct answer from_service;
    struct MHD_Response *response; /* a reference of our own */
    uint64_t sent;                 /* bytes of the answer's body */
};

/* -- life (exchange.c) --------------------------------------------------------------------------------------------- */

/* A new or a spare one; NULL without memory. `target` is copied. */
struct exchange *exchange_create(struct visitor *v, const char *target);
/* libmicrohttpd is done with the request. */
void exchange_end(struct exchange *ex, enum MHD_RequestTerminationCode code);
/* Frees for good: a spare one. */
void exchange_free(struct exchange **ex);
/* The only door between states: sets the deadline of the new one. */
void exchange_change_state(struct exchange *ex, enum exchange_state state);
/* A body has moved: its deadline begins again. */
void exchange_progress(struct exchange *ex);
/* The visitor has all that the service has said so far. */
void exchange_silence(struct exchange *ex);
/* libmicrohttpd's handler: the head, a part of the body, the end of the request, or again after a resume. */
enum MHD_Result exchange_handle(struct exchange *ex, struct MHD_Connection *c, const char *method, const char *version,
                                const char *upload, size_t *upload_size);
/* Something changed that libmicrohttpd's handler or reader waits for. */
void exchange_wake(struct exchange *ex);
/* The visitor is gone, or must go: the stream is reset and the connection closed. */
void exchange_abort(struct exchange *ex, const struct error *reason);
void exchange_expired(struct deadline *d);
/* Its connection takes no request after it. */
bool exchange_is_last(const struct exchange *ex);
/* "tim/hello-world#17" */
void exchange_subject(const struct exchange *ex, char out[static 160]);

/* -- where it goes (dispatch.c) ------------------------------------------------------------------------------------ */

/* The head is there and valid: status, listing, or a service. */
void exchange_dispatch(struct exchange *ex);
/* Picks an instance of the client and goes to the service there, with a new stream when this is a repetition. */
void exchange_connect(struct exchange *ex);
/* The instance refused with `why`: true when the request is on its way to another one that may have the service. */
bool exchange_move(struct exchange *ex, const struct error *why);
/* A machine of the request's client has gone: if it was this one, and nothing was answered, another gets what may be asked twice. */
void exchange_machine_gone(struct exchange *ex);
/* The gate has its answer: goes on to where it was going. */
void exchange_go_on(struct exchange *ex);
/* The client that the exchange was held for is back. */
void exchange_release_held(struct exchange *ex);
void exchange_hold_expired(struct deadline *d);

/* -- the request's body (body_up.c) -------------------------------------------------------------------------------- */

/* Takes all of `data`; false: the connection must be closed. */
bool body_up_take(struct exchange *ex, const char *data, size_t len);
/* The body is complete; its trailer fields are with `c`. */
bool body_up_finish(struct exchange *ex, struct MHD_Connection *c);
/* Sends what there is room for. */
void body_up_flush(struct exchange *ex);
/* The service takes no more of it: drops what waits and what comes. */
void body_up_drop(struct exchange *ex);

/* -- another machine with the same id (replay.c) ------------------------------------------------------------------- */

/* Sends a part of the request on the stream (takes the reference), and keeps another until the service has accepted. */
void replay_send(struct exchange *ex, struct slice s);
/* The service has accepted, or the exchange is over. */
void replay_forget(struct exchange *ex);
/* What was sent is to be sent again, before what waits. False: it is not all there any more. */
bool replay_rewind(struct exchange *ex);

/* -- the service's answer (answer.c) ------------------------------------------------------------------------------- */

void answer_init(struct answer *a);
void answer_reset(struct answer *a); /* keeps the buffers */
void answer_done(struct answer *a);
/* From the stream's callbacks. */
void exchange_upstream_readable(struct exchange *ex);
void exchange_upstream_writable(struct exchange *ex);
/* Reads what has arrived: the head, then as much of the body as may wait here. */
void answer_read(struct exchange *ex);
/* Parses the complete head in `input` again, into the worker's scratch. */
bool answer_fields(struct exchange *ex, struct http_response *out);
/* Body bytes that can be given to the visitor now. */
size_t answer_available(const struct answer *a);
/* Moves body bytes out; credit goes back to the service. */
size_t answer_take(struct exchange *ex, char *dst, size_t max);
/* The stream is not needed any more: kept for the next request if it can be. */
void answer_release_upstream(struct exchange *ex);

/* -- to libmicrohttpd (reply.c, page_reply.c, body_down.c) --------------------------------------------------------- */

/* Queues the answer that `answer` says. MHD_NO closes the connection. */
enum MHD_Result exchange_reply(struct exchange *ex, struct MHD_Connection *c);
/* The reader of a body that was not complete when its head went out. */
ssize_t body_down_read(void *ctx, uint64_t at, char *dst, size_t max);
/* Our own pages; the stream, if any, is closed. */
void exchange_fail(struct exchange *ex, const struct error *e, const char *detail);
/* One without a page. */
void exchange_reply_own(struct exchange *ex, unsigned status, const char *body, size_t len);
void exchange_reply_status(struct exchange *ex);
void exchange_reply_listing(struct exchange *ex, const struct edge_offer *offer);

#endif
