/* SPDX-License-Identifier: Apache-2.0 */
/* The listeners of the settings: what they are made of, and their sockets. */
#ifndef PROXY_DOORS_H
#define PROXY_DOORS_H

#include "gate/listen_url.h"
#include "proxy/door.h"
#include "proxy/settings.h"
#include "revoke/revoke.h"
#include "tls/client.h"
#include "tls/store.h"

struct proxy_post;

struct proxy_doors {
    unsigned count;
    struct made_door {
        struct proxy_door door;
        struct listen_url url;
        char host[256], authority[300], path[256]; /* of the target */
        struct tls_store *certificates;
        struct tls_client *client;
        struct revoke *clients_revoked, *target_revoked; /* NULL: it is not asked */
        uint16_t port; /* in use */
    } *list;
};

/* Before the workers start, which outlive it. False and *err; doors_free() either way. */
bool doors_create(struct proxy_doors *d, const struct proxy_settings *s, struct worker *const *workers, unsigned count,
                  struct config_error *err);
/* Opens the listening sockets on all posts. */
bool doors_open(struct proxy_doors *d, struct proxy_post *const *posts, unsigned count, struct config_error *err);
/* Reads certificates again, forgets which were revoked; any thread. */
void doors_reload(struct proxy_doors *d);
/* No more is asked about certificates. Before the workers stop. */
void doors_stop(struct proxy_doors *d);
/* After the workers have stopped. */
void doors_free(struct proxy_doors *d);

#endif
