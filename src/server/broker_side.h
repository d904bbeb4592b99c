/* SPDX-License-Identifier: Apache-2.0 */
/* The side of the clients: the embedded broker with its listeners, and what it tells the log. */
#ifndef SERVER_BROKER_SIDE_H
#define SERVER_BROKER_SIDE_H

#include "broker/broker.h"
#include "gate/shelf.h"
#include "hook/guard.h"
#include "hook/tunnel_policy.h"
#include "server/ports.h"
#include "server/server_settings.h"

struct broker_side {
    struct tunnel_policy policy;
    struct hook_guard *guard; /* NULL: there are no hooks */
    struct tls_store *certificates; /* of listeners that ask for certificates; NULL: none do */
    struct transport_kind kinds[CLIENT_LISTENERS_MAX];
    char sockets[CLIENT_LISTENERS_MAX][16]; /* their names on the shelf */
    struct broker *broker; /* NULL: not made yet */
};

/* Before the workers start, which outlive it, as `hooks` do (NULL: none). `certificates`: for listeners that ask for none; may be NULL.
 * `shelf`: where sockets may be that are open already. */
bool broker_side_create(struct broker_side *b, const struct server_settings *settings, struct worker *const *workers, unsigned count,
                        struct tls_store *certificates, const struct hook_chain *hooks, struct shelf *shelf, struct ports *ports,
                        struct config_error *err);
/* Reads certificates again; any thread. */
void broker_side_reload(struct broker_side *b);
/* After the workers have stopped. */
void broker_side_free(struct broker_side *b);

#endif
