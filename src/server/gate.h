/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gate: a request obeys the rules of its service before a stream is opened for it, and as long as it lasts. In this order:
 * address, rate, user or token, number of streams; then its head is rewritten as the rules say.
 */
#ifndef SERVER_GATE_H
#define SERVER_GATE_H

#include <stdbool.h>

#include "base/chunk.h"
#include "server/edge.h"
#include "server/pace.h"

struct exchange;
struct gate_question;
struct mdm_question;

enum gate_stage {
    GATE_NEW,
    GATE_ADMITTED, /* the address may come, and not too often */
    GATE_KNOWN,    /* it is somebody who may */
    GATE_PASSED,   /* it counts among the streams */
};

struct gate {
    enum gate_stage stage;
    struct edge_rules *rules; /* a reference; NULL: none */
    struct gate_question *question; /* a password that is being looked at */
    struct pace *pace;        /* NULL: any bandwidth */
    struct slice head;        /* the request's as the rules change it; empty: they do not */
    const char *user;         /* the rules': who says to be that; NULL: nobody that is known */
    struct mdm_question *asked; /* hooks, about the request */
    bool hooked;                /* they have let it through */
    unsigned status;            /* or say this instead; 0: what the error says */
    unsigned retry_after_s;   /* for the visitor who is turned away; 0: nothing is said */
};

enum gate_verdict {
    GATE_OPEN,
    GATE_SHUT, /* the exchange has failed */
    GATE_WAIT, /* exchange_go_on() is called later, or the exchange fails then */
};

/* `rules`: those that hold now (NULL: none). What was passed before under the same rules is not asked again. */
/* Answers that the service, or all of them, is being worked on; `words`: what is told, "" for nothing more. */
void gate_maintenance(struct exchange *ex, const char *words);
enum gate_verdict gate_pass(struct exchange *ex, struct edge_rules *rules);
/* For a connection whose content we do not read: NULL, or why it is not let in; `g` is to be left in any case. */
const struct error *gate_connection(struct gate *g, struct worker *w, struct edge_rules *rules,
                                    const uint8_t address[static CIDR_ADDRESS_BYTES]);
/* No answer about a password is wanted any more. */
void gate_cancel(struct gate *g);
/* The visitor that is turned away is told to come back so much later. */
void gate_retry_after(struct gate *g, uint64_t wait_us);
/* The request is over. */
void gate_leave(struct gate *g);
/* An upgraded connection goes on as what its request was. */
void gate_move(struct gate *to, struct gate *from);
/* The value of WWW-Authenticate number `i` for error_unauthorized; false: there are no more. */
bool gate_challenge(const struct gate *g, unsigned i, char *out, size_t size);

#endif
