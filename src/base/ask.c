/* SPDX-License-Identifier: Apache-2.0 */
/* A counted question: one reference is the asker's, one each mail's. */
#include "base/ask.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/object.h"
#include "base/worker.h"

#define ASK_MAGIC 0x61736b21

struct ask_mail {
    struct mail mail;
    struct ask *ask;
    void *part; /* heap */
    bool answered;
};

struct ask {
    OBJECT_MAGIC;
    struct ask_config config;
    void *question;
    atomic_uint refs;
    pthread_mutex_t lock;
    pthread_cond_t news;
    unsigned waiting; /* under the lock */
    bool failed;      /* under the lock */
    struct ask_mail mails[];
};

static void ask_unref(struct ask *a)
{
    CHECK_OBJECT(a, ASK_MAGIC);
    if (atomic_fetch_sub(&a->refs, 1) != 1)
        return;
    for (unsigned i = 0; i < a->config.count; i++) {
        struct ask_mail *m = &a->mails[i];
        if (m->answered && a->config.done != NULL)
            a->config.done(m->part);
        free(m->part);
    }
    pthread_cond_destroy(&a->news);
    pthread_mutex_destroy(&a->lock);
    free(a->question);
    FREE_OBJECT(a);
}

static void ask_heard(struct ask *a, bool failed)
{
    pthread_mutex_lock(&a->lock);
    a->waiting--;
    a->failed |= failed;
    pthread_cond_signal(&a->news);
    pthread_mutex_unlock(&a->lock);
    ask_unref(a);
}

static void ask_deliver(struct worker *self, struct mail *mail)
{
    struct ask_mail *m = CONTAINER_OF(mail, struct ask_mail, mail);
    struct ask *a = m->ask;

    (void)self;
    CHECK_OBJECT(a, ASK_MAGIC);
    a->config.run(a->config.host, a->question, (unsigned)(m - a->mails), m->part);
    m->answered = true;
    ask_heard(a, false);
}

static void ask_discard(struct mail *mail) { ask_heard(CONTAINER_OF(mail, struct ask_mail, mail)->ask, true); }

static struct ask *ask_create(const struct ask_config *config)
{
    struct ask *a = calloc(1, sizeof(*a) + config->count * sizeof(a->mails[0]));
    pthread_condattr_t attributes;
    bool complete = a != NULL;

    if (a == NULL)
        return NULL;
    a->magic = ASK_MAGIC;
    a->config = *config;
    atomic_init(&a->refs, 1);
    pthread_mutex_init(&a->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&a->news, &attributes);
    pthread_condattr_destroy(&attributes);
    a->question = malloc(config->question_size + 1);
    complete &= a->question != NULL;
    if (a->question != NULL && config->question_size > 0)
        memcpy(a->question, config->question, config->question_size);
    for (unsigned i = 0; i < config->count; i++) {
        struct ask_mail *m = &a->mails[i];
        m->mail = (struct mail){.deliver = ask_deliver, .discard = ask_discard};
        list_init(&m->mail.node);
        m->ask = a;
        m->part = calloc(1, config->part_size + 1);
        complete &= m->part != NULL;
    }
    if (!complete) {
        ask_unref(a);
        a = NULL;
    }
    return a;
}

struct ask *ask_workers(const struct ask_config *config, uint64_t limit_us)
{
    struct ask *a = ask_create(config);
    uint64_t until = clock_now_us() + limit_us;
    const struct timespec at = {(time_t)(until / US_PER_S), (long)(until % US_PER_S * 1000)};

    if (a == NULL)
        return NULL;
    a->waiting = config->count;
    atomic_fetch_add(&a->refs, config->count);
    for (unsigned i = 0; i < config->count; i++)
        worker_post(config->workers[i], &a->mails[i].mail);
    pthread_mutex_lock(&a->lock);
    while (a->waiting > 0 && !a->failed && pthread_cond_timedwait(&a->news, &a->lock, &at) == 0)
        continue;
    bool answered = a->waiting == 0 && !a->failed;
    pthread_mutex_unlock(&a->lock);
    if (!answered) {
        ask_unref(a);
        a = NULL;
    }
    return a;
}

void *ask_part(struct ask *a, unsigned index)
{
    CHECK_OBJECT(a, ASK_MAGIC);
    return a->mails[index].part;
}

void ask_free(struct ask **ap)
{
    struct ask *a;

    TAKE_OBJECT(a, ap, ASK_MAGIC);
    ask_unref(a);
}
