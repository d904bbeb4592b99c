/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP listeners: a *web* is a client's connection and its one connection to the target; each of the two is an *end*. All of a
 * web belongs to one worker. It is freed at the end of the turn only. Requests of one connection follow each other: the next one
 * is looked at when the answer to the last has passed.
 */
#ifndef PROXY_HTTP_H
#define PROXY_HTTP_H

#include "link/url.h"
#include "proxy/inner.h"
#include "wire/http_request.h"

#define WEB_MAGIC 0x77656273u

struct web;

struct web_end {
    struct transport way;
    struct web *web;
    bool closed, open;       /* there is no socket; handshakes are over */
    bool over, clean;        /* its input has ended, and rightly */
    uint8_t *in;             /* PROXY_HTTP_INPUT bytes, while there are some */
    size_t at, len;
    size_t scanned; /* of a head */
    struct slice_queue out;
    struct turn flush;
};

/* A body on its way, in either direction. */
struct web_body {
    enum http_framing framing, written; /* as it comes, as it goes on */
    uint64_t left; /* HTTP_FRAMING_LENGTH */
    struct http_chunked chunked;
    bool done;
};

/* A request, from its head on. What it says points into `head`. */
struct web_request {
    struct http_request request;
    struct http_request_facts facts;
    struct http_field fields[WEBSOCKET_REQUEST_FIELDS_MAX];
    char *path; /* instead of the one that it came with: heap */
    bool to_head, asks, collects;
    size_t len;
    char head[];
};

enum web_state {
    WEB_HEAD,     /* of a request; nothing of it may have come */
    WEB_ASKING,   /* hooks think */
    WEB_BODY,     /* is collected for the hooks */
    WEB_DIALLING, /* the target's end is not open yet */
    WEB_PASSING,  /* request and answer pass */
    WEB_CLOSING,  /* the last output leaves, input is dropped */
    WEB_ENDED,    /* waits for the sweep */
};

struct web {
    OBJECT_MAGIC;
    struct proxy_post *post;
    const struct proxy_door *door;
    struct list at_post; /* webs or ended_webs */
    uint8_t state;       /* enum web_state */
    bool last;           /* no request follows this one */
    bool served;         /* one has gone to the target */
    bool reused;         /* the target's end has served a request before */
    bool answered;       /* the final head has gone to the client */
    bool finished;       /* closing: we have said that nothing follows */
    uint32_t place;      /* in the crowd */
    char address[TCP_ADDRESS_TEXT];
    struct event timer;
    uint64_t last_us; /* of what the timer looks at */
    struct web_end client, server;
    struct dial *dial;
    struct web_request *request;
    struct hook_session *session;
    struct mdm_question *q;
    bool asks_publish;
    struct web_body up, down;
    struct slice body; /* collected */
    size_t body_size;  /* of its chunk */
    unsigned status;   /* answered */
    bool server_keeps;
};

/* Takes over a connected socket. Without memory, or when there are too many, it is closed. */
void web_accept(struct proxy_post *post, const struct proxy_door *door, int fd, const struct sockaddr *peer);
/* The one under way is answered, no other one follows. */
void web_drain(struct web *w);
/* After the workers have stopped, or from the sweep. */
void web_free(struct web *w);

/* -- http_web.c: for the other files */
/* Goes on as far as it can. Not from inside a step. */
void web_run(struct web *w);
void web_state_set(struct web *w, enum web_state state);
/* What is queued leaves, then FIN. */
void web_close(struct web *w, const char *why);
/* At once. */
void web_end(struct web *w, const char *why);
void web_dial(struct web *w);
/* Queues; takes the reference. Without memory the web ends. */
void web_push(struct web_end *e, struct slice piece);
void web_push_copy(struct web_end *e, const void *bytes, size_t len);
void web_skip(struct web_end *e, size_t len);
void web_server_close(struct web *w);

/* -- http_body.c */
void web_body_init(struct web_body *b, enum http_framing framing, uint64_t length);
/*
 * Takes what is there: *part of the body (may be empty). False: it is not valid. Nothing is eaten when nothing came.
 */
bool web_body_take(struct web_body *b, struct web_end *from, struct http_text *part, size_t *eaten);
/* Queues a part of a body in its framing; the end too, when it is done. */
void web_body_put(const struct web_body *b, struct web_end *to, struct http_text part);

/* -- http_ask.c: a request, until it may go on. Steps: true: something was done. */
bool web_head_step(struct web *w);
bool web_collect_step(struct web *w);
void web_forget(struct web *w); /* the request */

/* -- http_pass.c: request and answer */
/* To a target's end that is open. */
void web_request_send(struct web *w);
bool web_up_step(struct web *w);
bool web_down_step(struct web *w);
/* The target's end has ended. */
void web_server_ended(struct web *w, bool clean);

/* -- http_reply.c */
/* Our own answer; `words` for the client. The connection goes on where the request was read to its end. */
void web_reply(struct web *w, unsigned status, const char *words);

/* -- http_url.c: http://HOST[:PORT][/PREFIX], https://; path "" or a prefix without a slash at its end. NULL, or what is wrong. */
const char *web_target_parse(const char *text, struct link_url *out);

#endif
