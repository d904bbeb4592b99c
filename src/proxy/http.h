/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP listeners: a *gateway* (RFC 9110 3.7) is a client's connection and its one connection to the target; each of the two is an
 * *end*. All of a gateway belongs to one worker. It is freed at the end of the turn only. Requests of one connection follow each
 * other: the next one is looked at when the answer to the last has passed.
 */
#ifndef PROXY_HTTP_H
#define PROXY_HTTP_H

#include "link/url.h"
#include "proxy/inner.h"
#include "wire/websocket.h"

#define GATEWAY_MAGIC 0x77656273u

struct gateway;

struct gateway_end {
    struct transport way;
    struct gateway *gateway;
    bool closed, open;       /* there is no socket; handshakes are over */
    bool over, clean;        /* its input has ended, and rightly */
    bool finished;           /* closing: we have said that nothing follows */
    uint8_t *in;             /* PROXY_HTTP_INPUT bytes, while there are some */
    size_t at, len;
    size_t scanned; /* of a head */
    struct slice_queue out;
    struct turn flush;
};

/* A body on its way, in either direction. */
struct gateway_body {
    enum http_framing framing, written; /* as it comes, as it goes on */
    uint64_t left; /* HTTP_FRAMING_LENGTH */
    uint64_t passed;
    struct http_chunked chunked;
    bool done;
};

/* A request, from its head on. What it says points into `head`. */
struct gateway_request {
    struct http_request request;
    struct http_request_facts facts;
    struct http_field fields[WEBSOCKET_REQUEST_FIELDS_MAX];
    struct http_text topic; /* the path without its query, as the client says it; then as a hook does */
    char *given, *path;     /* instead of the one that it came with, by a hook; and the target's: heap */
    bool to_head, asks, collects;
    bool upgrade, reads; /* it asks for a WebSocket; whose messages hooks see */
    size_t len;
    char head[];
};

enum gateway_state {
    GATEWAY_HEAD,     /* of a request; nothing of it may have come */
    GATEWAY_ASKING,   /* hooks think */
    GATEWAY_BODY,     /* is collected for the hooks */
    GATEWAY_DIALLING, /* the target's end is not open yet */
    GATEWAY_PASSING,  /* request and answer pass */
    GATEWAY_FRAMES,   /* of a WebSocket pass */
    GATEWAY_CLOSING,  /* the last output leaves, input is dropped */
    GATEWAY_ENDED,    /* waits for the sweep */
};

/* In their order. */
enum gateway_asks {
    GATEWAY_REQUEST_BEFORE, /* heads: intercept */
    GATEWAY_CONNECT,
    GATEWAY_SUBSCRIBE,
    GATEWAY_PUBLISH,
    GATEWAY_REQUEST_AFTER,
    GATEWAY_ANSWER_BEFORE, /* from here on, while request and answer pass */
    GATEWAY_ANSWER_AFTER,
};

struct gateway_frames;

struct gateway {
    OBJECT_MAGIC;
    struct proxy_post *post;
    const struct proxy_door *door;
    struct list at_post; /* gateways or ended_gateways */
    uint8_t state;       /* enum gateway_state */
    bool last;           /* no request follows this one */
    bool served;         /* one has gone to the target */
    bool reused;         /* the target's end has served a request before */
    bool answered;       /* the final head has gone to the client */
    uint32_t place;      /* in the crowd */
    char address[TCP_ADDRESS_TEXT];
    struct event timer;
    uint64_t last_us; /* of what the timer looks at */
    struct gateway_end client, server;
    struct dial *dial;
    struct gateway_request *request;
    struct hook_session *session;
    struct mdm_question *q;
    uint8_t asks; /* enum gateway_asks: what `q` is about */
    uint64_t asked_us;
    struct slice head;   /* of the request, for the target */
    struct slice answer; /* head of an answer that hooks see */
    bool extended;       /* the WebSocket has an extension */
    struct gateway_body up, down;
    struct slice body; /* collected */
    size_t body_size;  /* of its chunk */
    unsigned status;   /* answered */
    uint64_t began_us; /* its head was there */
    bool told;         /* the access log has its line */
    bool server_keeps;
    struct gateway_frames *frames; /* NULL: it is no WebSocket */
};

/* Takes over a connected socket. Without memory, or when there are too many, it is closed. */
void gateway_accept(struct proxy_post *post, const struct proxy_door *door, int fd, const struct sockaddr *peer);
/* The one under way is answered, no other one follows. */
void gateway_drain(struct gateway *g);
/* After the workers have stopped, or from the sweep. */
void gateway_free(struct gateway *g);

/* -- http_gateway.c: for the other files */
/* Goes on as far as it can. Not from inside a step. */
void gateway_run(struct gateway *g);
void gateway_state_set(struct gateway *g, enum gateway_state state);
/* What is queued leaves, then FIN. */
void gateway_close(struct gateway *g, const char *why);
/* At once. */
void gateway_over(struct gateway *g, const char *why);
void gateway_dial(struct gateway *g);
void gateway_server_close(struct gateway *g);
/* Bytes have come or left: what its timer looks at begins anew. */
void gateway_moved(struct gateway *g);
/* The timer is set anew: what is due may have come nearer. */
void gateway_watch(struct gateway *g);

/* -- http_end.c */
void gateway_end_init(struct gateway_end *e, struct gateway *g);
void gateway_end_close(struct gateway_end *e);
/* Reads where there is room for what comes. */
void gateway_end_update(struct gateway_end *e);
extern const struct transport_events gateway_end_events;
/* Queues; takes the reference. Without memory the gateway ends. */
void gateway_push(struct gateway_end *e, struct slice piece);
void gateway_push_copy(struct gateway_end *e, const void *bytes, size_t len);
void gateway_skip(struct gateway_end *e, size_t len);

/* -- http_body.c */
void gateway_body_init(struct gateway_body *b, enum http_framing framing, uint64_t length);
/*
 * Takes what is there: *part of the body (may be empty). False: it is not valid. Nothing is eaten when nothing came.
 */
bool gateway_body_take(struct gateway_body *b, struct gateway_end *from, struct http_text *part, size_t *eaten);
/* Queues a part of a body in its framing; the end too, when it is done. */
void gateway_body_put(const struct gateway_body *b, struct gateway_end *to, struct http_text part);

/* -- http_request.c: a request, until it may go on. Steps: true: something was done. */
bool gateway_head_step(struct gateway *g);
/* A hook has put another head in its place. */
void gateway_request_replace(struct gateway *g, struct mqtt_span head);
bool gateway_collect_step(struct gateway *g);
void gateway_request_free(struct gateway *g);
/* The same, and who has asked. */
void gateway_forget(struct gateway *g);
/* What is below the listener's prefix; false: it is another path. */
bool gateway_prefix_strip(const struct gateway *g, struct http_text path, struct http_text *rest);
struct mqtt_span gateway_topic(const struct gateway_request *r);

/* -- http_ask.c: the questions; what follows from the answers follows */
/* Whether they see its heads. */
bool gateway_is_seen(const struct gateway *g);
/* Shows them a head: that of the request as it came, of `answer`, of `head`. */
void gateway_head_ask(struct gateway *g, enum gateway_asks asks);
void gateway_connect_ask(struct gateway *g);
void gateway_publish_ask(struct gateway *g);
/* Nobody is asked any more: to the target. */
void gateway_go_on(struct gateway *g);

/* -- http_pass.c: request and answer */
/* `head` is made. False: no memory. */
bool gateway_head_make(struct gateway *g);
/* To a target's end that is open. */
void gateway_request_send(struct gateway *g);
/* `answer` is what came, or what a hook has made of it; then what leaves. */
void gateway_answer_take(struct gateway *g);
void gateway_answer_leave(struct gateway *g);
bool gateway_up_step(struct gateway *g);
bool gateway_down_step(struct gateway *g);
/* The target's end has ended. */
void gateway_server_ended(struct gateway *g, bool clean);

/* -- http_upgrade.c: the request for a WebSocket, and its answer */
/* Whether it is one (`upgrade`). 0, or the status to answer. */
unsigned gateway_upgrade_check(struct gateway *g, const char **why);
/* What is wrong with a 101; NULL: nothing. */
const char *gateway_upgrade_wrong(struct gateway *g, const struct http_response *a);

/* -- http_frames.c: a WebSocket. */
/* The target's 101 has been passed on. */
void gateway_frames_begin(struct gateway *g);
bool gateway_frames_up_step(struct gateway *g);
bool gateway_frames_down_step(struct gateway *g);
/* Whether a hook thinks about a message of this direction. */
bool gateway_frames_asking(const struct gateway *g, bool up);
/* The client is told why, once no frame is in the way; then both ends. */
void gateway_frames_close(struct gateway *g, enum websocket_status status, const char *words);
/* When time is up, and then. */
uint64_t gateway_frames_due(const struct gateway *g);
void gateway_frames_late(struct gateway *g);
/* Hooks hear of the end. */
void gateway_frames_forget(struct gateway *g, const char *why);

/* -- http_reply.c */
/* Our own answer; `words` for the client. The connection goes on where the request was read to its end. */
void gateway_reply(struct gateway *g, unsigned status, const char *words);

/* -- http_url.c: http://HOST[:PORT][/PREFIX], https://; path "" or a prefix without a slash at its end. NULL, or what is wrong. */
const char *gateway_target_parse(const char *text, struct link_url *out);

#endif
