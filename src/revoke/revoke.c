/* SPDX-License-Identifier: Apache-2.0 */
/* Helper threads, a queue of chains, and what is known. The lock is never held while a source is asked. */
#include "revoke/revoke.h"

#include <curl/curl.h>
#include <openssl/err.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/object.h"
#include "base/process.h"
#include "base/watch.h"
#include "revoke/internal.h"

#define REVOKE_MAGIC 0x7e0c4edu
#define ENDING "the checks are ending"

/* A chain that is asked about, for everybody who asks the same meanwhile. */
struct job {
    struct list node; /* in waiting or in running */
    uint8_t key[RECORD_KEY_BYTES];
    struct certs_bytes bytes;
    uint64_t deadline_us;
    struct list questions;
};

struct revoke {
    OBJECT_MAGIC;
    struct vetter vetter;
    struct revoke_config config;
    struct shelf *shelf;
    struct fetch_failures *failures;
    struct watch *watches[REVOKE_FILES_MAX];
    unsigned watch_count;
    pthread_t threads[REVOKE_THREADS];
    unsigned thread_count;
    atomic_bool stop;
    bool curl;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t news;
    struct list waiting, running;
    unsigned waiting_count;
    struct record_set known;
    uint64_t epoch; /* of the files: what was found out with older ones is not kept */
};

/* -- one certificate ------------------------------------------------------------------------------------------------- */

/* Each method has to say that it is good; it holds as long as all of them do. */
static void certificate_find_out(struct revoke *r, struct inquiry *q, unsigned methods, struct finding *out)
{
    struct finding by_list;
    finding_set(out, REVOKE_GOOD, 0, "%s", "");
    if ((methods & METHOD_OCSP) != 0)
        ocsp_find_out(q, out);
    if ((methods & METHOD_CRL) == 0 || out->status == REVOKE_REVOKED)
        return;
    crl_find_out(q, r->shelf, &by_list);
    if (by_list.status == REVOKE_REVOKED || out->status == REVOKE_GOOD) {
        if ((methods & METHOD_OCSP) != 0 && by_list.status == REVOKE_GOOD && out->until < by_list.until)
            by_list.until = out->until;
        *out = by_list;
    }
}

/* -- a chain --------------------------------------------------------------------------------------------------------- */

/* From what is known only: true when that is enough. With the lock. */
static bool chain_is_known(struct revoke *r, STACK_OF(X509) * chain, struct revoke_answer *out)
{
    struct finding f;
    uint8_t key[RECORD_KEY_BYTES];
    bool all = true;
    finding_set(&f, REVOKE_GOOD, 0, "%s", "");
    for (int i = 0; i < sk_X509_num(chain); i++) {
        unsigned methods = certs_methods(&r->config, chain, i);
        if (methods == 0)
            continue;
        if (!certs_key(chain, i, methods, key) || !record_find(&r->known, key, &f)) {
            all = false;
        } else if (f.status != REVOKE_GOOD) {
            revoke_answer_make(&r->config, sk_X509_value(chain, i), &f, out);
            return true;
        }
    }
    if (all)
        revoke_answer_make(&r->config, NULL, &f, out);
    return all;
}

static bool is_known(struct revoke *r, const uint8_t key[static RECORD_KEY_BYTES], struct finding *out, uint64_t *epoch)
{
    pthread_mutex_lock(&r->lock);
    bool found = record_find(&r->known, key, out);
    *epoch = r->epoch;
    pthread_mutex_unlock(&r->lock);
    return found;
}

static void remember(struct revoke *r, const uint8_t key[static RECORD_KEY_BYTES], const struct finding *f, uint64_t epoch)
{
    pthread_mutex_lock(&r->lock);
    if (epoch == r->epoch)
        record_add(&r->known, key, f);
    pthread_mutex_unlock(&r->lock);
}

/* What a thread works on: the certificates are its own. */
struct work {
    struct revoke *r;
    struct fetcher *fetcher;
    const struct job *job;
    STACK_OF(X509) * chain;
};

/* What is known, or else what is found out now. */
static void certificate_look_at(const struct work *w, int index, unsigned methods, struct finding *out)
{
    uint8_t key[RECORD_KEY_BYTES];
    uint64_t epoch;
    struct inquiry q = {
        .fetcher = w->fetcher,
        .config = &w->r->config,
        .chain = w->chain,
        .index = index,
        .staple = index == 0 && w->job->bytes.staple_len > 0 ? w->job->bytes.staple : NULL,
        .staple_len = w->job->bytes.staple_len,
        .deadline_us = w->job->deadline_us,
    };
    if (!certs_key(w->chain, index, methods, key)) {
        finding_set(out, REVOKE_ERROR, 0, "its serial number is too long");
    } else if (!is_known(w->r, key, out, &epoch)) {
        certificate_find_out(w->r, &q, methods, out);
        remember(w->r, key, out, epoch);
    }
}

/* From the certificate in question on. An error may hide that another one is revoked, which no soft_fail lets in. */
static void chain_find_out(const struct work *w, struct revoke_answer *out)
{
    struct finding f, worst;
    X509 *about = NULL;
    finding_set(&worst, REVOKE_GOOD, 0, "%s", "");
    for (int i = 0; i < sk_X509_num(w->chain) && (worst.status == REVOKE_GOOD || worst.status == REVOKE_ERROR); i++) {
        unsigned methods = certs_methods(&w->r->config, w->chain, i);
        if (methods == 0)
            continue;
        certificate_look_at(w, i, methods, &f);
        if (f.status != REVOKE_GOOD && (worst.status == REVOKE_GOOD || f.status != REVOKE_ERROR)) {
            worst = f;
            about = sk_X509_value(w->chain, i);
        }
    }
    revoke_answer_make(&w->r->config, about, &worst, out);
}

static void job_find_out(struct revoke *r, struct fetcher *fetcher, const struct job *j, struct revoke_answer *out)
{
    struct work w = {r, fetcher, j, fetcher == NULL ? NULL : certs_unpack(&j->bytes)};
    struct finding none;
    finding_set(&none, REVOKE_ERROR, 0, "out of memory");
    if (w.chain != NULL)
        chain_find_out(&w, out);
    else
        revoke_answer_make(&r->config, NULL, &none, out);
    sk_X509_pop_free(w.chain, X509_free);
}

/* -- jobs ------------------------------------------------------------------------------------------------------------ */

static void job_free(struct job *j)
{
    list_remove(&j->node);
    certs_bytes_done(&j->bytes);
    free(j);
}

static void job_answer(struct job *j, const struct revoke_answer *answer)
{
    for (struct list *n; (n = list_shift(&j->questions)) != NULL;) {
        struct revoke_question *question = CONTAINER_OF(CONTAINER_OF(n, struct mail, node), struct revoke_question, mail);
        question->answer = *answer;
        worker_post(question->worker, &question->mail);
    }
    job_free(j);
}

static struct job *job_find(const struct list *jobs, const uint8_t key[static RECORD_KEY_BYTES])
{
    LIST_FOREACH(n, jobs) {
        struct job *j = CONTAINER_OF(n, struct job, node);
        if (memcmp(j->key, key, RECORD_KEY_BYTES) == 0)
            return j;
    }
    return NULL;
}

static struct job *job_create(struct revoke *r, STACK_OF(X509) * chain, const void *staple, size_t staple_len,
                              const uint8_t key[static RECORD_KEY_BYTES])
{
    struct job *j = calloc(1, sizeof(*j));
    if (j == NULL)
        return NULL;
    list_init(&j->node);
    list_init(&j->questions);
    memcpy(j->key, key, RECORD_KEY_BYTES);
    if (!certs_pack(chain, staple, staple_len, &j->bytes)) {
        job_free(j);
        return NULL;
    }
    j->deadline_us = clock_now_us() + r->config.timeout_ms * US_PER_MS;
    list_append(&r->waiting, &j->node);
    r->waiting_count++;
    pthread_cond_signal(&r->news);
    return j;
}

/* With the lock. NULL: it waits with others. */
static const char *question_queue(struct revoke *r, STACK_OF(X509) * chain, const void *staple, size_t staple_len,
                                  const uint8_t key[static RECORD_KEY_BYTES], struct revoke_question *question)
{
    struct job *j = job_find(&r->running, key);
    if (j == NULL)
        j = job_find(&r->waiting, key);
    if (atomic_load(&r->stop))
        return ENDING;
    if (j == NULL && r->waiting_count >= REVOKE_WAITING_MAX)
        return "too many checks are waiting";
    if (j == NULL && (j = job_create(r, chain, staple, staple_len, key)) == NULL)
        return "out of memory";
    list_append(&j->questions, &question->mail.node);
    return NULL;
}

bool revoke_ask(struct revoke *r, STACK_OF(X509) * chain, const void *staple, size_t staple_len,
                struct revoke_question *question)
{
    uint8_t key[RECORD_KEY_BYTES];
    struct finding f;
    CHECK_OBJECT(r, REVOKE_MAGIC);
    staple_len = staple == NULL || staple_len > REVOKE_OCSP_BYTES_MAX ? 0 : staple_len;
    bool digested = certs_digest(chain, staple, staple_len, key);
    pthread_mutex_lock(&r->lock);
    bool known = chain_is_known(r, chain, &question->answer);
    const char *why = known || !digested ? "a certificate cannot be read"
                                         : question_queue(r, chain, staple, staple_len, key, question);
    pthread_mutex_unlock(&r->lock);
    ERR_clear_error();
    if (known || why == NULL)
        return known;
    finding_set(&f, REVOKE_ERROR, 0, "%s", why);
    revoke_answer_make(&r->config, sk_X509_value(chain, 0), &f, &question->answer);
    return true;
}

struct vetter *revoke_vetter(struct revoke *r)
{
    CHECK_OBJECT(r, REVOKE_MAGIC);
    return &r->vetter;
}

struct revoke *revoke_of(struct vetter *v)
{
    struct revoke *r = CONTAINER_OF(v, struct revoke, vetter);
    CHECK_OBJECT(r, REVOKE_MAGIC);
    return r;
}

/* -- the threads ----------------------------------------------------------------------------------------------------- */

/* With the lock: until there is a job, or the end (NULL). */
static struct job *job_take(struct revoke *r)
{
    while (!atomic_load(&r->stop) && list_empty(&r->waiting))
        pthread_cond_wait(&r->news, &r->lock);
    struct list *n = atomic_load(&r->stop) ? NULL : list_shift(&r->waiting);
    if (n == NULL)
        return NULL;
    r->waiting_count--;
    list_append(&r->running, n);
    return CONTAINER_OF(n, struct job, node);
}

static void *revoke_thread(void *ctx)
{
    struct revoke *r = ctx;
    struct revoke_answer answer;
    process_settle(); /* it begins while the program still has what opening ports needs */
    struct fetcher *fetcher = fetcher_create(r->failures, &r->stop);
    pthread_mutex_lock(&r->lock);
    for (struct job *j; (j = job_take(r)) != NULL;) {
        pthread_mutex_unlock(&r->lock);
        job_find_out(r, fetcher, j, &answer);
        pthread_mutex_lock(&r->lock);
        job_answer(j, &answer);
    }
    pthread_mutex_unlock(&r->lock);
    fetcher_free(&fetcher);
    OPENSSL_thread_stop();
    return NULL;
}

/* Signals are not for them. */
static bool threads_start(struct revoke *r)
{
    sigset_t all, before;
    bool started = true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started && r->thread_count < REVOKE_THREADS) {
        started = pthread_create(&r->threads[r->thread_count], NULL, revoke_thread, r) == 0;
        r->thread_count += started;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/* -- life ------------------------------------------------------------------------------------------------------------ */

static void known_forget(struct revoke *r, bool files_only)
{
    shelf_changed(r->shelf, files_only);
    pthread_mutex_lock(&r->lock);
    r->epoch++;
    record_forget(&r->known);
    pthread_mutex_unlock(&r->lock);
}

void revoke_forget(struct revoke *r)
{
    CHECK_OBJECT(r, REVOKE_MAGIC);
    known_forget(r, false);
}

static void file_changed(void *ctx)
{
    struct revoke *r = ctx;
    CHECK_OBJECT(r, REVOKE_MAGIC);
    known_forget(r, true);
    if (r->config.news != NULL)
        r->config.news(r->config.ctx, "a file of revocation lists has changed: it is read again");
}

static bool files_watch(struct revoke *r)
{
    for (unsigned i = 0; r->config.worker != NULL && i < r->config.crl_file_count; i++) {
        r->watches[i] = watch_create(r->config.worker, r->config.crl_files[i], file_changed, r);
        if (r->watches[i] == NULL)
            return false;
        r->watch_count++;
    }
    return true;
}

static bool revoke_begin(struct revoke *r, const struct revoke_config *config, char error[static 512])
{
    if (revoke_config_wrong(config, error) != NULL)
        return false;
    snprintf(error, 512, "out of memory");
    r->curl = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    if (!record_init(&r->known) || !r->curl || !revoke_config_copy(&r->config, config) ||
        (r->failures = fetch_failures_create(r->config.retry_ms)) == NULL)
        return false;
    r->shelf = shelf_create(&r->config, error);
    if (r->shelf == NULL)
        return false;
    snprintf(error, 512, "revocation checks cannot be started: %m");
    return files_watch(r) && threads_start(r);
}

struct revoke *revoke_create(const struct revoke_config *config, char error[static 512])
{
    struct revoke *r;
    ALLOC_OBJECT(r, REVOKE_MAGIC);
    if (r == NULL) {
        snprintf(error, 512, "out of memory");
        return NULL;
    }
    vetter_init(&r->vetter);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->news, NULL);
    list_init(&r->waiting);
    list_init(&r->running);
    list_init(&r->known.all);
    if (revoke_begin(r, config, error))
        error[0] = '\0';
    else
        revoke_free(&r);
    return r;
}

void revoke_stop(struct revoke *r)
{
    struct revoke_answer answer;
    struct finding ending;
    CHECK_OBJECT(r, REVOKE_MAGIC);
    pthread_mutex_lock(&r->lock);
    atomic_store(&r->stop, true);
    pthread_cond_broadcast(&r->news);
    pthread_mutex_unlock(&r->lock);
    while (r->thread_count > 0)
        pthread_join(r->threads[--r->thread_count], NULL);
    finding_set(&ending, REVOKE_ERROR, 0, "%s", ENDING);
    revoke_answer_make(&r->config, NULL, &ending, &answer);
    LIST_FOREACH_SAFE(n, next, &r->waiting)
        job_answer(CONTAINER_OF(n, struct job, node), &answer);
    r->waiting_count = 0;
}

void revoke_free(struct revoke **rp)
{
    struct revoke *r;
    if (*rp == NULL)
        return;
    TAKE_OBJECT(r, rp, REVOKE_MAGIC);
    revoke_stop(r);
    for (unsigned i = 0; i < r->watch_count; i++)
        watch_free(&r->watches[i]);
    shelf_free(&r->shelf);
    fetch_failures_free(&r->failures);
    record_done(&r->known);
    revoke_config_done(&r->config);
    pthread_cond_destroy(&r->news);
    pthread_mutex_destroy(&r->lock);
    if (r->curl)
        curl_global_cleanup();
    FREE_OBJECT(r);
}
