/* SPDX-License-Identifier: Apache-2.0 */
/* Names to addresses, on a thread of its own. */
#include "dial/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/object.h"
#include "mdm-tunnel/limits.h"

#define LOOKUPS_MAGIC 0x4c4f4f4b
#define LOOKUP_MAGIC 0x4e414d45

/* Freed by its owner or by its thread, whichever is the last to leave. */
struct lookups {
    OBJECT_MAGIC;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct list waiting;
    unsigned count;
    bool closing;
    bool left; /* one of the two has left */
};

/* Before it is posted the thread's, then the worker's; `done` is the worker's all the time. */
struct lookup {
    struct mail mail;
    OBJECT_MAGIC;
    struct worker *worker;
    lookup_done_fn *done; /* NULL: cancelled */
    void *ctx;
    uint16_t port;
    size_t count;
    char why[96];
    char host[256];
    struct address list[LOOKUP_ADDRESSES_MAX];
};

/* -- asking the resolver ------------------------------------------------------------------------------------------- */

static size_t resolve(const char *host, uint16_t port, int flags, struct address *list, int *error)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    struct addrinfo *found = NULL;
    char service[8];
    size_t count = 0;
    snprintf(service, sizeof(service), "%u", port);
    *error = getaddrinfo(host, service, &hints, &found);
    if (*error != 0)
        return 0;
    for (struct addrinfo *i = found; i != NULL && count < LOOKUP_ADDRESSES_MAX; i = i->ai_next) {
        if (i->ai_addrlen > sizeof(list[count].at))
            continue;
        list[count].len = i->ai_addrlen;
        memcpy(&list[count++].at, i->ai_addr, i->ai_addrlen);
    }
    freeaddrinfo(found);
    return count;
}

size_t lookup_numeric(const char *host, uint16_t port, struct address list[static LOOKUP_ADDRESSES_MAX])
{
    int error;
    if (strcasecmp(host, "localhost") != 0)
        return resolve(host, port, AI_NUMERICHOST, list, &error);
    size_t count = resolve("127.0.0.1", port, AI_NUMERICHOST, list, &error);
    return count + resolve("::1", port, AI_NUMERICHOST, list + count, &error);
}

static void lookup_resolve(struct lookup *k)
{
    int error;
    k->count = resolve(k->host, k->port, 0, k->list, &error);
    if (k->count == 0)
        snprintf(k->why, sizeof(k->why), "%s",
                 error == EAI_SYSTEM ? strerror(errno) : error != 0 ? gai_strerror(error) : "no address");
}

/* -- the thread ---------------------------------------------------------------------------------------------------- */

static struct lookup *lookup_at(struct list *node) { return CONTAINER_OF(node, struct lookup, mail.node); }

/* The second of the two to leave frees; called with the lock held. */
static void lookups_leave(struct lookups *l)
{
    bool last = l->left;
    l->left = true;
    pthread_mutex_unlock(&l->lock);
    if (!last)
        return;
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    FREE_OBJECT(l);
}

static void *lookups_run(void *arg)
{
    struct lookups *l = arg;
    CHECK_OBJECT(l, LOOKUPS_MAGIC);
    pthread_mutex_lock(&l->lock);
    while (!l->closing) {
        struct list *node = list_shift(&l->waiting);
        if (node == NULL) {
            pthread_cond_wait(&l->changed, &l->lock);
            continue;
        }
        struct lookup *k = lookup_at(node);
        l->count--;
        pthread_mutex_unlock(&l->lock);
        lookup_resolve(k);
        pthread_mutex_lock(&l->lock);
        if (l->closing) /* the worker may be gone */
            k->mail.discard(&k->mail);
        else
            worker_post(k->worker, &k->mail);
    }
    lookups_leave(l);
    return NULL;
}

static int thread_create(struct lookups *l)
{
    pthread_t thread;
    sigset_t all, saved;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved);
    int error = pthread_create(&thread, NULL, lookups_run, l);
    pthread_sigmask(SIG_SETMASK, &saved, NULL);
    if (error == 0) {
        pthread_setname_np(thread, "lookup");
        pthread_detach(thread);
    }
    return error;
}

struct lookups *lookups_create(void)
{
    struct lookups *l;
    ALLOC_OBJECT(l, LOOKUPS_MAGIC);
    if (l == NULL)
        return NULL;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    list_init(&l->waiting);
    if (thread_create(l) != 0) {
        l->left = true;
        lookups_free(&l);
    }
    return l;
}

void lookups_free(struct lookups **lp)
{
    struct lookups *l;
    if (*lp == NULL)
        return;
    TAKE_OBJECT(l, lp, LOOKUPS_MAGIC);
    pthread_mutex_lock(&l->lock);
    l->closing = true;
    for (struct list *node; (node = list_shift(&l->waiting)) != NULL;)
        lookup_at(node)->mail.discard(&lookup_at(node)->mail);
    pthread_cond_signal(&l->changed);
    lookups_leave(l);
}

/* -- the worker ---------------------------------------------------------------------------------------------------- */

static void lookup_discard(struct mail *m)
{
    struct lookup *k = CONTAINER_OF(m, struct lookup, mail);
    CHECK_OBJECT(k, LOOKUP_MAGIC);
    FREE_OBJECT(k);
}

static void lookup_deliver(struct worker *self, struct mail *m)
{
    struct lookup *k = CONTAINER_OF(m, struct lookup, mail);
    CHECK_OBJECT(k, LOOKUP_MAGIC);
    (void)self;
    if (k->done != NULL)
        k->done(k->ctx, k->list, k->count, k->why);
    FREE_OBJECT(k);
}

struct lookup *lookup_ask(struct lookups *l, struct worker *worker, const char *host, uint16_t port,
                          lookup_done_fn *done, void *ctx)
{
    struct lookup *k;
    CHECK_OBJECT(l, LOOKUPS_MAGIC);
    ALLOC_OBJECT(k, LOOKUP_MAGIC);
    if (k == NULL)
        return NULL;
    k->mail.deliver = lookup_deliver;
    k->mail.discard = lookup_discard;
    k->worker = worker;
    k->done = done;
    k->ctx = ctx;
    k->port = port;
    snprintf(k->host, sizeof(k->host), "%s", host);
    pthread_mutex_lock(&l->lock);
    bool taken = l->count < LOOKUP_WAITING_MAX;
    if (taken) {
        l->count++;
        list_append(&l->waiting, &k->mail.node);
        pthread_cond_signal(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    if (!taken)
        FREE_OBJECT(k);
    return k;
}

void lookup_cancel(struct lookup **kp)
{
    struct lookup *k;
    if (*kp == NULL)
        return;
    TAKE_OBJECT(k, kp, LOOKUP_MAGIC);
    k->done = NULL;
}
