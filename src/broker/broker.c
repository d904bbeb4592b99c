/* SPDX-License-Identifier: Apache-2.0 */
/* The broker as a whole: creation, listening sockets, closing. */
#include "broker/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>

#include "broker/conn.h"

struct broker *broker_create(const struct broker_config *config)
{
    struct broker *b;
    ALLOC_OBJECT(b, BROKER_MAGIC);
    if (b == NULL)
        return NULL;
    b->guard = config->guard != NULL ? *config->guard : (struct broker_guard){0};
    b->policy = config->policy != NULL ? *config->policy : (struct broker_policy){0};
    b->events = config->events != NULL ? *config->events : (struct broker_events){0};
    b->ctx = config->ctx;
    b->connect_timeout_us = config->connect_timeout_us;
    b->shelf = config->shelf;
    b->strangers = crowd_create(config->strangers_max, config->strangers_per_address_max);
    bool ok = b->strangers != NULL && getrandom(b->key, sizeof(b->key), 0) == sizeof(b->key);
    for (unsigned i = 0; ok && i < config->worker_count && i < WORKERS_MAX; i++) {
        b->shards[i] = shard_create(b, config->workers[i], i);
        ok = b->shards[i] != NULL;
        b->shard_count += ok;
    }
    if (!ok)
        broker_free(&b);
    return b;
}

struct broker_shard *broker_shard(struct broker *b, unsigned worker_index)
{
    CHECK_OBJECT(b, BROKER_MAGIC);
    assert(worker_index < b->shard_count);
    return b->shards[worker_index];
}

/* -- listening ----------------------------------------------------------------------------------------------------- */

const struct transport_kind broker_plain = {.name = "mqtt", .socket = SHELF_MQTT};
const struct transport_kind broker_elders = {.name = "handover", .trusted = true};

int broker_listen(struct broker *b, const struct transport_kind *kind, const char *address, uint16_t *port)
{
    struct shelf_wish wish = {kind->socket, address, *port};
    int fds[WORKERS_MAX], error = 0;
    CHECK_OBJECT(b, BROKER_MAGIC);
    unsigned count = shelf_listen(b->shelf, &wish, b->shard_count, true, fds);
    if (count == 0)
        return errno;
    *port = wish.port;
    for (unsigned i = 0; i < count; i++) {
        int failed = shard_listen(b->shards[i % b->shard_count], kind, fds[i]);
        error = failed != 0 ? failed : error;
    }
    return error;
}

int broker_listen_at(struct broker *b, const struct transport_kind *kind, int fd)
{
    int error = 0;
    CHECK_OBJECT(b, BROKER_MAGIC);
    for (unsigned i = 0; i < b->shard_count && error == 0; i++) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        error = copy < 0 ? errno : shard_listen(b->shards[i], kind, copy);
    }
    return error;
}

unsigned broker_elders_there(const struct broker *b)
{
    CHECK_OBJECT(b, BROKER_MAGIC);
    return atomic_load(&b->elders);
}

void broker_adopt(struct broker_shard *s, int fd, const struct sockaddr *peer, const void *early, size_t len)
{
    CHECK_OBJECT(s, SHARD_MAGIC);
    conn_adopt(s, fd, peer, early, len);
}

/* -- the end ------------------------------------------------------------------------------------------------------- */

void broker_close(struct broker *b)
{
    CHECK_OBJECT(b, BROKER_MAGIC);
    if (atomic_exchange(&b->closed, true))
        return;
    for (unsigned i = 0; i < b->shard_count; i++)
        worker_post(b->shards[i]->worker, &b->shards[i]->close_mail);
}

void broker_dismiss(struct broker *b)
{
    CHECK_OBJECT(b, BROKER_MAGIC);
    for (unsigned i = 0; i < b->shard_count; i++)
        worker_post(b->shards[i]->worker, &b->shards[i]->dismiss_mail);
}

void broker_sockets(struct broker_shard *s, shelf_show_fn *show, void *ctx) { shard_sockets(s, show, ctx); }

void broker_free(struct broker **bp)
{
    struct broker *b;
    if (*bp == NULL)
        return;
    TAKE_OBJECT(b, bp, BROKER_MAGIC);
    for (unsigned i = 0; i < b->shard_count; i++)
        shard_free(&b->shards[i]);
    crowd_free(&b->strangers);
    FREE_OBJECT(b);
}
