/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inspector: the book of what passes, its page and interface (inspect/api.h), and the way to send a request again; without a page for
 * the live screen (client/tui.h). It is there only where it was asked for; else nothing of it costs anything.
 *
 *     create (the port is open) -> start (with a client) -> stop (before the client ends) -> free
 */
#ifndef CLIENT_INSPECTOR_H
#define CLIENT_INSPECTOR_H

#include "client/resend.h"
#include "config/error.h"
#include "inspect/book.h"
#include "relay/crew.h"

struct inspector;

struct inspector_config {
    const char *at; /* PORT, ADDRESS:PORT: an address of this machine alone; NULL: no page */
    const char *client; /* its id; outlives the inspector */
    bool secrets;       /* values of secret fields are shown */
};

/* Whether an address will do. False and *err. */
bool inspector_may_listen(const char *at, struct config_error *err);
/* NULL and *err. */
struct inspector *inspector_create(const struct inspector_config *config, struct config_error *err);
/* Requests are sent again from worker 0, whose shard `shard` is. 0 or an errno. */
int inspector_start(struct inspector *i, struct crew *crew, struct client_shard *shard);
void inspector_stop(struct inspector *i);
void inspector_free(struct inspector **i);
/* "http://127.0.0.1:4040/", with the port as it is bound; "": no page. */
#define INSPECTOR_URL_BYTES 80
void inspector_url(const struct inspector *i, char out[static INSPECTOR_URL_BYTES]);

/* For the workers. */
struct book *inspector_book(struct inspector *i);
/* One of those that are sent again has come to its end. */
void inspector_resent(struct inspector *i);
/* The same of one that was never sent; takes what is in the order. */
void inspector_drop(struct inspector *i, struct resend_order *order, const char *why);

#endif
