/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resend: a recorded request on its way to its service again, on a connection of its own that no visitor sees: dialled,
 * written, and read until the answer is complete, within INSPECT_RESEND_S. A capture writes its record. Everything is on its worker; it
 * frees itself.
 */
#ifndef CLIENT_RESEND_H
#define CLIENT_RESEND_H

#include "client/client_shard.h"
#include "inspect/capture.h"

/* What is to be sent: a record that waits for it (a reference), and bytes on the heap. */
struct resend_order {
    struct record *record;
    char *bytes;
    size_t len;
};

/* Sends it; takes what is in the order. */
void resend_start(struct client_shard *shard, struct resend_order *order);
/* Ends all of the worker. */
void resends_cut(struct client_shard *shard, const struct error *reason);

#endif
