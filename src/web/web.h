/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small HTTP server for a program's own pages and their interface, not for visitors: libmicrohttpd on a thread of its own
 * for each address, so nothing of it touches the workers. What is the same for all such pages is done here:
 *   - Host has to be an IP address, localhost or a name that is allowed (DNS rebinding): 421 otherwise;
 *   - methods other than GET and HEAD come from the page itself or from a program, not from another site (Origin,
 *     Sec-Fetch-Site): 403; a body is application/json: 415;
 *   - a token, where there is one: "Authorization: Bearer TOKEN", or a cookie that a browser gets for the token in the form that
 *     it is shown (web/login.h), or for /?token=TOKEN: 401;
 *   - bounds on connections, head, body and time; header fields that keep browsers strict.
 * Sources: RFC 9110, RFC 6265, RFC 6750, Fetch Metadata (W3C), CSP 3 (W3C).
 */
#ifndef WEB_WEB_H
#define WEB_WEB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "mdm-tunnel/limits.h"
#include "web/address.h"

struct web;

/* A request that has passed the guards; valid until the handler returns. */
struct web_request {
    const char *method; /* HEAD comes as GET; its body is not sent */
    const char *path;   /* begins with '/', decoded, without the query */
    const char *body;   /* NUL-terminated, never NULL */
    size_t body_len;
    void *inner;
};

/* One parameter of the query, decoded; NULL: not there. */
const char *web_query(const struct web_request *r, const char *name);
/* A field of the head; NULL: not there. */
const char *web_header(const struct web_request *r, const char *name);

struct web_field {
    char name[48], value[256];
};

/* As the handler gets it it is an empty 404. */
struct web_reply {
    unsigned status;
    const char *type;  /* static; NULL with an empty body */
    char *body;        /* heap, taken; NULL: `constant` */
    const void *constant; /* outlives the server */
    size_t len;
    struct web_field fields[WEB_REPLY_FIELDS_MAX];
    unsigned field_count;
    /* NULL, or what is to be done after the answer has left, or cannot leave any more; with the handler's `ctx`, on a thread of
     * the server. */
    void (*done)(void *ctx);
};

/* A field of the answer; one too many, too long or not valid makes it a 500. */
void web_reply_field(struct web_reply *out, const char *name, const char *value);
/* Takes the text; a failed one becomes a 500. `type` is static. */
void web_reply_text(struct web_reply *out, unsigned status, const char *type, struct text *t);
/* {"error":"..."}; `why` is copied. */
void web_reply_error(struct web_reply *out, unsigned status, const char *why);

/* A file of the program, made from one in the sources (build-aux/embed); an array of them ends with path NULL. */
struct web_file {
    const char *path, *type; /* index.html is "/" */
    const void *bytes;
    size_t len;
};
/* Answers GET for a path that is among them; false: it is not. */
bool web_reply_file(struct web_reply *out, const struct web_file *files, const struct web_request *r);

/* On a thread of the server, one request at a time; may wait for some seconds. */
typedef void web_handler_fn(void *ctx, const struct web_request *r, struct web_reply *out);

struct web_config {
    struct web_address addresses[WEB_ADDRESSES_MAX];
    unsigned address_count;
    const int *fds;                 /* that listen already, in the same order; -1: none; taken; NULL: none at all */
    const char *token;              /* copied; NULL: none is asked for */
    const char *token_where;        /* told to who has none: where it is found; NULL: nothing; outlives the server */
    const char *const *names;       /* beside addresses and localhost, lower case; ends with NULL; NULL: none; outlives the server */
    const char *const *open_paths;  /* that need no token; likewise */
    size_t body_max;
    web_handler_fn *handle;
    void *ctx;
};

/* Opens the ports; nothing is answered yet. NULL and *failure (an errno); *bad is the address's index then. */
struct web *web_create(const struct web_config *config, int *failure, unsigned *bad);
/* 0 or an errno. */
int web_start(struct web *w);
/* Where the address listens, the server's; -1: nowhere. */
int web_socket(const struct web *w, unsigned address);
/* Of the address, as it is bound. */
uint16_t web_port(const struct web *w, unsigned address);
/* Closes all connections and waits for the handler to return. The threads that it asks have to run still. Idempotent. */
void web_stop(struct web *w);
/* Stops first where that is missing. */
void web_free(struct web **w);

#endif
