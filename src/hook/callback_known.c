/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of an HTTP callback that are kept for a while. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "hook/callback_inner.h"

#define KNOWN_MAGIC 0x6863626bu

struct answer {
    struct table_node by_key;
    struct list node; /* oldest first */
    uint8_t key[CALLBACK_KEY_BYTES];
    enum mdm_verdict verdict;
    unsigned reason;
    uint64_t until_us;
};

struct callback_known {
    OBJECT_MAGIC;
    uint64_t keep_us;
    uint8_t secret[32];
    uint64_t table_key[2];
    pthread_mutex_t lock; /* of all below */
    struct table table;
    struct list all;
    unsigned count;
};

struct callback_known *callback_known_create(uint64_t keep_us)
{
    struct callback_known *k;
    ALLOC_OBJECT(k, KNOWN_MAGIC);
    if (k == NULL)
        return NULL;
    k->keep_us = keep_us;
    list_init(&k->all);
    pthread_mutex_init(&k->lock, NULL);
    if (!table_init(&k->table) || getrandom(k->secret, sizeof(k->secret), 0) != sizeof(k->secret) ||
        getrandom(k->table_key, sizeof(k->table_key), 0) != sizeof(k->table_key))
        callback_known_free(&k);
    return k;
}

static void answer_free(struct callback_known *k, struct answer *a)
{
    table_remove(&k->table, &a->by_key);
    list_remove(&a->node);
    k->count--;
    free(a);
}

void callback_known_free(struct callback_known **kp)
{
    struct callback_known *k;
    if (*kp == NULL)
        return;
    TAKE_OBJECT(k, kp, KNOWN_MAGIC);
    while (!list_empty(&k->all))
        answer_free(k, CONTAINER_OF(k->all.next, struct answer, node));
    table_done(&k->table);
    pthread_mutex_destroy(&k->lock);
    OPENSSL_cleanse(k->secret, sizeof(k->secret));
    FREE_OBJECT(k);
}

bool callback_known_key(const struct callback_known *k, const struct callback_question *q, uint8_t key[static CALLBACK_KEY_BYTES])
{
    struct text t;
    unsigned len = 0;
    text_init(&t, CALLBACK_WAITING_BYTES_MAX);
    callback_key_write(&t, q);
    bool ok = !t.failed && HMAC(EVP_sha256(), k->secret, sizeof(k->secret), (const unsigned char *)t.at, t.len, key, &len) != NULL;
    callback_text_done(&t);
    return ok;
}

static struct answer *answer_find(const struct callback_known *k, const uint8_t *key)
{
    uint64_t hash = table_hash(k->table_key, key, CALLBACK_KEY_BYTES);
    for (struct table_node *n = table_first(&k->table, hash); n != NULL; n = table_next(n)) {
        struct answer *a = CONTAINER_OF(n, struct answer, by_key);
        if (CRYPTO_memcmp(a->key, key, CALLBACK_KEY_BYTES) == 0)
            return a;
    }
    return NULL;
}

enum mdm_verdict callback_known_find(struct callback_known *k, const uint8_t key[static CALLBACK_KEY_BYTES], unsigned *reason)
{
    enum mdm_verdict verdict = MDM_LATER;
    uint64_t now = clock_now_us();
    pthread_mutex_lock(&k->lock);
    const struct answer *a = answer_find(k, key);
    if (a != NULL && now < a->until_us) {
        verdict = a->verdict;
        *reason = a->reason;
    }
    pthread_mutex_unlock(&k->lock);
    return verdict;
}

/* What is over goes, and the oldest when there are too many. All are kept for the same time, so the oldest ends first. */
static void answers_trim(struct callback_known *k, uint64_t now)
{
    while (!list_empty(&k->all)) {
        struct answer *oldest = CONTAINER_OF(k->all.next, struct answer, node);
        if (now < oldest->until_us && k->count < CALLBACK_KNOWN_MAX)
            return;
        answer_free(k, oldest);
    }
}

void callback_known_add(struct callback_known *k, const uint8_t key[static CALLBACK_KEY_BYTES], enum mdm_verdict verdict, unsigned reason)
{
    struct answer *a = calloc(1, sizeof(*a));
    uint64_t now = clock_now_us();
    if (a == NULL)
        return;
    memcpy(a->key, key, CALLBACK_KEY_BYTES);
    a->verdict = verdict;
    a->reason = reason;
    a->until_us = now + k->keep_us;
    pthread_mutex_lock(&k->lock);
    struct answer *old = answer_find(k, key);
    if (old != NULL)
        answer_free(k, old);
    answers_trim(k, now);
    table_add(&k->table, &a->by_key, table_hash(k->table_key, key, CALLBACK_KEY_BYTES));
    list_append(&k->all, &a->node);
    k->count++;
    pthread_mutex_unlock(&k->lock);
}
