/* SPDX-License-Identifier: Apache-2.0 */
/* The broker as a whole: creation, listening sockets, closing. */
#include "broker/broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "broker/shard.h"

struct broker *broker_create(const struct broker_config *config)
{
    struct broker *b;
    ALLOC_OBJECT(b, BROKER_MAGIC);
    if (b == NULL)
        return NULL;
    b->policy = config->policy != NULL ? *config->policy : (struct broker_policy){0};
    b->events = config->events != NULL ? *config->events : (struct broker_events){0};
    b->ctx = config->ctx;
    b->connect_timeout_us = config->connect_timeout_us;
    bool ok = getrandom(b->key, sizeof(b->key), 0) == sizeof(b->key);
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

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t address_len(const union address *a)
{
    return a->any.sa_family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);
}

static uint16_t *address_port(union address *a)
{
    return a->any.sa_family == AF_INET6 ? &a->v6.sin6_port : &a->v4.sin_port;
}

static bool address_parse(const char *text, union address *a)
{
    memset(a, 0, sizeof(*a));
    if (inet_pton(AF_INET, text, &a->v4.sin_addr) == 1)
        a->any.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &a->v6.sin6_addr) == 1)
        a->any.sa_family = AF_INET6;
    else
        return false;
    return true;
}

/* A bound socket, or -1 with errno. IPv6 takes IPv4, too. `shared`: others of this user can bind the same port. */
static int socket_open(const union address *a, bool shared)
{
    int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1, off = 0, reuse = shared;
    bool ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
              setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &reuse, sizeof(reuse)) == 0 &&
              (a->any.sa_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0) &&
              bind(fd, &a->any, address_len(a)) == 0;
    if (ok)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* SO_REUSEPORT would let a second program share the port unnoticed. 0 or an errno. */
static int port_probe(const union address *a)
{
    int fd = socket_open(a, false);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

/* Opens one listening socket for each shard; the first one decides the port. */
static int sockets_open(const struct broker *b, union address *a, int *fds)
{
    int taken = port_probe(a);
    if (taken != 0)
        return taken;
    for (unsigned i = 0; i < b->shard_count; i++) {
        fds[i] = socket_open(a, true);
        int error = fds[i] < 0 || listen(fds[i], SOMAXCONN) != 0 ? errno : 0;
        socklen_t len = sizeof(*a);
        if (error == 0 && i == 0 && getsockname(fds[0], &a->any, &len) != 0)
            error = errno;
        if (error == 0)
            continue;
        for (unsigned k = 0; k <= i; k++)
            if (fds[k] >= 0)
                close(fds[k]);
        return error;
    }
    return 0;
}

int broker_listen(struct broker *b, const char *address, uint16_t *port)
{
    CHECK_OBJECT(b, BROKER_MAGIC);
    union address a;
    int fds[WORKERS_MAX];
    if (!address_parse(address != NULL ? address : "::", &a))
        return EINVAL;
    *address_port(&a) = htons(*port);
    int error = sockets_open(b, &a, fds);
    if (address == NULL && (error == EAFNOSUPPORT || error == EADDRNOTAVAIL)) {
        address_parse("0.0.0.0", &a);
        *address_port(&a) = htons(*port);
        error = sockets_open(b, &a, fds);
    }
    if (error != 0)
        return error;
    *port = ntohs(*address_port(&a));
    for (unsigned i = 0; i < b->shard_count; i++) {
        int failed = shard_listen(b->shards[i], fds[i]);
        error = failed != 0 ? failed : error;
    }
    return error;
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

void broker_free(struct broker **bp)
{
    struct broker *b;
    if (*bp == NULL)
        return;
    TAKE_OBJECT(b, bp, BROKER_MAGIC);
    for (unsigned i = 0; i < b->shard_count; i++)
        shard_free(&b->shards[i]);
    FREE_OBJECT(b);
}
