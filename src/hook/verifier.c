/* SPDX-License-Identifier: Apache-2.0 */
/* Helper threads, a queue, and a table of what is known. The lock is never held while a hash is computed. */
#include "hook/verifier.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/list.h"
#include "base/process.h"
#include "base/table.h"
#include "mdm-tunnel/limits.h"

#define VERIFIER_MAGIC 0x76657269
#define THREADS 2
#define NICENESS 10 /* visitors come before guesses */
#define KNOWN_US (60 * US_PER_S)
#define MAC_BYTES 32

enum job_state { JOB_WAITING, JOB_RUNNING, JOB_KNOWN };

/* A pair of hash and password: first to be looked at, then known. */
struct job {
    struct table_node by_mac;
    struct list node; /* in waiting, or in known (oldest first); alone while it is looked at */
    enum job_state state;
    uint8_t mac[MAC_BYTES];
    bool yes;
    uint64_t until_us;
    struct list questions;
    char client[NAME_MAX_BYTES + 1];
    char *hash, *password; /* one block; NULL once known */
};

struct verifier {
    OBJECT_MAGIC;
    uint8_t secret[32];
    uint64_t key[2];
    pthread_t threads[THREADS];
    unsigned thread_count;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t news;
    bool stopping;
    struct table jobs;
    struct list waiting, known;
    unsigned busy_count, known_count; /* busy: waiting or being looked at */
};

/* -- jobs ---------------------------------------------------------------------------------------------------------- */

static void job_forget_texts(struct job *j)
{
    if (j->hash == NULL)
        return;
    OPENSSL_cleanse(j->password, strlen(j->password));
    free(j->hash);
    j->hash = j->password = NULL;
}

static void job_free(struct verifier *v, struct job *j)
{
    table_remove(&v->jobs, &j->by_mac);
    list_remove(&j->node);
    for (struct list *n; (n = list_shift(&j->questions)) != NULL;) {
        struct mail *m = CONTAINER_OF(n, struct mail, node);
        m->discard(m);
    }
    job_forget_texts(j);
    free(j);
}

static uint64_t mac_hash(const struct verifier *v, const uint8_t mac[static MAC_BYTES])
{
    return table_hash(v->key, mac, MAC_BYTES);
}

static void mac_make(const struct verifier *v, const char *hash, const char *password, uint8_t out[static MAC_BYTES])
{
    char text[1024];
    unsigned len = 0;
    int text_len = snprintf(text, sizeof(text), "%s\n%s", hash, password);

    HMAC(EVP_sha256(), v->secret, sizeof(v->secret), (const unsigned char *)text, (size_t)text_len, out, &len);
    OPENSSL_cleanse(text, sizeof(text));
}

static struct job *job_find(const struct verifier *v, const uint8_t mac[static MAC_BYTES])
{
    for (struct table_node *n = table_first(&v->jobs, mac_hash(v, mac)); n != NULL; n = table_next(n)) {
        struct job *j = CONTAINER_OF(n, struct job, by_mac);
        if (CRYPTO_memcmp(j->mac, mac, MAC_BYTES) == 0)
            return j;
    }
    return NULL;
}

/* The oldest answers go: those whose time has come, and one when there are too many. */
static void known_trim(struct verifier *v, uint64_t now)
{
    while (!list_empty(&v->known)) {
        struct job *oldest = CONTAINER_OF(v->known.next, struct job, node);
        if (oldest->until_us > now && v->known_count <= VERDICTS_KNOWN_MAX)
            return;
        v->known_count--;
        job_free(v, oldest);
    }
}

static unsigned busy_of(const struct verifier *v, const char *client)
{
    unsigned count = 0;

    LIST_FOREACH(n, &v->waiting)
        count += strcmp(CONTAINER_OF(n, struct job, node)->client, client) == 0;
    return count;
}

static struct job *job_create(struct verifier *v, const char *client, const char *hash, const char *password,
                              const uint8_t mac[static MAC_BYTES])
{
    size_t hash_size = strlen(hash) + 1, password_size = strlen(password) + 1;
    struct job *j = calloc(1, sizeof(*j));

    if (j == NULL || (j->hash = malloc(hash_size + password_size)) == NULL) {
        free(j);
        return NULL;
    }
    memcpy(j->hash, hash, hash_size);
    j->password = memcpy(j->hash + hash_size, password, password_size);
    memcpy(j->mac, mac, MAC_BYTES);
    snprintf(j->client, sizeof(j->client), "%s", client);
    list_init(&j->questions);
    table_add(&v->jobs, &j->by_mac, mac_hash(v, mac));
    list_append(&v->waiting, &j->node);
    v->busy_count++;
    counter_add(counters_self(), COUNTER_passwords_verified, 1);
    pthread_cond_signal(&v->news);
    return j;
}

/* -- asking -------------------------------------------------------------------------------------------------------- */

static enum verdict ask_locked(struct verifier *v, const char *client, const char *hash, const char *password,
                               const uint8_t mac[static MAC_BYTES], struct verification *question)
{
    known_trim(v, clock_now_us());
    struct job *j = job_find(v, mac);
    if (j != NULL && j->state == JOB_KNOWN)
        return j->yes ? VERDICT_YES : VERDICT_NO;
    if (question == NULL)
        return VERDICT_NEW;
    if (v->stopping || (j == NULL && (v->busy_count >= VERIFICATIONS_MAX ||
                                      busy_of(v, client) >= VERIFICATIONS_PER_CLIENT_MAX ||
                                      (j = job_create(v, client, hash, password, mac)) == NULL)))
        return VERDICT_BUSY;
    list_append(&j->questions, &question->mail.node);
    return VERDICT_LATER;
}

enum verdict verifier_ask(struct verifier *v, const char *client, const char *hash, const char *password,
                          struct verification *question)
{
    uint8_t mac[MAC_BYTES];

    CHECK_OBJECT(v, VERIFIER_MAGIC);
    if (strlen(hash) + strlen(password) > PASSWORD_TEXTS_MAX)
        return VERDICT_NO;
    mac_make(v, hash, password, mac);
    pthread_mutex_lock(&v->lock);
    enum verdict verdict = ask_locked(v, client, hash, password, mac, question);
    pthread_mutex_unlock(&v->lock);
    return verdict;
}

/* -- finding out --------------------------------------------------------------------------------------------------- */

static bool password_fits(struct crypt_data *room, const char *hash, const char *password)
{
    memset(room, 0, sizeof(*room));
    const char *made = crypt_r(password, hash, room);
    bool fits = made != NULL && made[0] != '*' && strlen(made) == strlen(hash) &&
                CRYPTO_memcmp(made, hash, strlen(hash)) == 0;

    OPENSSL_cleanse(room, sizeof(*room));
    return fits;
}

static void job_answer(struct verifier *v, struct job *j, bool yes)
{
    j->state = JOB_KNOWN;
    j->yes = yes;
    j->until_us = clock_now_us() + KNOWN_US;
    job_forget_texts(j);
    for (struct list *n; (n = list_shift(&j->questions)) != NULL;) {
        struct verification *q = CONTAINER_OF(CONTAINER_OF(n, struct mail, node), struct verification, mail);
        q->yes = yes;
        worker_post(q->worker, &q->mail);
    }
    list_append(&v->known, &j->node);
    v->busy_count--;
    v->known_count++;
    known_trim(v, clock_now_us());
}

/* With the lock: until there is a job, or the end (NULL). */
static struct job *job_take(struct verifier *v)
{
    while (!v->stopping && list_empty(&v->waiting))
        pthread_cond_wait(&v->news, &v->lock);
    struct list *n = v->stopping ? NULL : list_shift(&v->waiting);
    if (n == NULL)
        return NULL;
    struct job *j = CONTAINER_OF(n, struct job, node);
    j->state = JOB_RUNNING;
    return j;
}

static void *verifier_thread(void *ctx)
{
    struct verifier *v = ctx;
    struct crypt_data *room = malloc(sizeof(*room));

    process_settle(); /* it begins while the program still has what opening ports needs */
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICENESS);
    pthread_mutex_lock(&v->lock);
    for (struct job *j; (j = job_take(v)) != NULL;) {
        pthread_mutex_unlock(&v->lock);
        bool yes = room != NULL && password_fits(room, j->hash, j->password);
        pthread_mutex_lock(&v->lock);
        job_answer(v, j, yes);
    }
    pthread_mutex_unlock(&v->lock);
    free(room);
    return NULL;
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

/* Signals are not for them. */
static bool threads_start(struct verifier *v)
{
    sigset_t all, before;
    bool started = true;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started && v->thread_count < THREADS) {
        started = pthread_create(&v->threads[v->thread_count], NULL, verifier_thread, v) == 0;
        v->thread_count += started;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

struct verifier *verifier_create(void)
{
    struct verifier *v;

    ALLOC_OBJECT(v, VERIFIER_MAGIC);
    if (v == NULL)
        return NULL;
    pthread_mutex_init(&v->lock, NULL);
    pthread_cond_init(&v->news, NULL);
    list_init(&v->waiting);
    list_init(&v->known);
    bool made = table_init(&v->jobs) && getrandom(v->secret, sizeof(v->secret), 0) == sizeof(v->secret) &&
                getrandom(v->key, sizeof(v->key), 0) == sizeof(v->key);
    made = made && threads_start(v);
    if (!made)
        verifier_free(&v);
    return v;
}

void verifier_stop(struct verifier *v)
{
    CHECK_OBJECT(v, VERIFIER_MAGIC);
    pthread_mutex_lock(&v->lock);
    v->stopping = true;
    pthread_cond_broadcast(&v->news);
    pthread_mutex_unlock(&v->lock);
    while (v->thread_count > 0)
        pthread_join(v->threads[--v->thread_count], NULL);
    list_splice(&v->known, &v->waiting);
    for (struct list *n; (n = list_shift(&v->known)) != NULL;)
        job_free(v, CONTAINER_OF(n, struct job, node));
}

void verifier_free(struct verifier **vp)
{
    struct verifier *v;

    TAKE_OBJECT(v, vp, VERIFIER_MAGIC);
    verifier_stop(v);
    table_done(&v->jobs);
    pthread_cond_destroy(&v->news);
    pthread_mutex_destroy(&v->lock);
    OPENSSL_cleanse(v->secret, sizeof(v->secret));
    FREE_OBJECT(v);
}
