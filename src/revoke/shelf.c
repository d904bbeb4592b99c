/* SPDX-License-Identifier: Apache-2.0 */
/* Lists that were fetched or read, each by one thread at a time: who wants the same meanwhile waits. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/object.h"
#include "revoke/internal.h"

#define SHELF_MAGIC 0x7e155e1fu

struct entry {
    struct list node; /* in all: the oldest first */
    char *name;
    bool is_file, busy;
    bool changed;             /* while it was being read, or since */
    STACK_OF(X509_CRL) * all; /* NULL: never seen */
    time_t until;
};

struct shelf {
    OBJECT_MAGIC;
    const struct revoke_config *config;
    X509 *url_signer, *file_signer;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t news;  /* an entry is not busy any more */
    struct list all;
    unsigned count;
};

/* -- bytes to lists -------------------------------------------------------------------------------------------------- */

static bool lists_add(STACK_OF(X509_CRL) * all, X509_CRL *list)
{
    if (list != NULL && sk_X509_CRL_push(all, list) > 0)
        return true;
    X509_CRL_free(list);
    return false;
}

STACK_OF(X509_CRL) * lists_parse(const uint8_t *bytes, size_t len)
{
    STACK_OF(X509_CRL) *all = sk_X509_CRL_new_null();
    const uint8_t *at = bytes;
    if (all == NULL || len > REVOKE_CRL_BYTES_MAX) {
        sk_X509_CRL_free(all);
        return NULL;
    }
    if (len > 0 && bytes[0] == 0x30) { /* a SEQUENCE: DER */
        lists_add(all, d2i_X509_CRL(NULL, &at, (long)len));
    } else {
        BIO *b = BIO_new_mem_buf(bytes, (int)len);
        while (b != NULL && sk_X509_CRL_num(all) < REVOKE_LISTS_MAX && lists_add(all, PEM_read_bio_X509_CRL(b, NULL, NULL, NULL)))
            continue;
        BIO_free(b);
    }
    ERR_clear_error();
    if (sk_X509_CRL_num(all) > 0)
        return all;
    sk_X509_CRL_free(all);
    return NULL;
}

static bool file_read(const char *path, struct fetched *out, char why[static 256])
{
    FILE *f = fopen(path, "re");
    *out = (struct fetched){.bytes = f == NULL ? NULL : malloc(REVOKE_CRL_BYTES_MAX + 1)};
    if (out->bytes == NULL) {
        snprintf(why, 256, "%.200s: %s", path, strerror(errno));
        if (f != NULL)
            fclose(f);
        return false;
    }
    out->len = fread(out->bytes, 1, REVOKE_CRL_BYTES_MAX + 1, f);
    bool read = ferror(f) == 0 && out->len <= REVOKE_CRL_BYTES_MAX;
    if (!read)
        snprintf(why, 256, "%.200s: %s", path, ferror(f) != 0 ? strerror(errno) : "larger than any list that is taken");
    fclose(f);
    if (!read)
        free(out->bytes);
    return read;
}

/* `q` NULL: a file, whatever the time. */
static STACK_OF(X509_CRL) * lists_get(const struct inquiry *q, const char *name, bool is_file, char why[static 256])
{
    struct fetched got;
    bool came = is_file ? file_read(name, &got, why)
                        : fetch_run(q->fetcher,
                                    &(struct fetch){.url = name, .max = REVOKE_CRL_BYTES_MAX, .deadline_us = q->deadline_us},
                                    &got, why);
    if (!came)
        return NULL;
    STACK_OF(X509_CRL) *all = lists_parse(got.bytes, got.len);
    if (all == NULL)
        snprintf(why, 256, "%.200s: holds no revocation list", name);
    free(got.bytes);
    return all;
}

/* -- entries --------------------------------------------------------------------------------------------------------- */

static void entry_free(struct shelf *s, struct entry *e)
{
    list_remove(&e->node);
    s->count--;
    sk_X509_CRL_pop_free(e->all, X509_CRL_free);
    free(e->name);
    free(e);
}

/* Files have their place for good. */
static void make_room(struct shelf *s)
{
    LIST_FOREACH_SAFE(n, next, &s->all) {
        struct entry *e = CONTAINER_OF(n, struct entry, node);
        if (s->count < REVOKE_LISTS_MAX)
            return;
        if (!e->busy && !e->is_file)
            entry_free(s, e);
    }
}

static struct entry *entry_add(struct shelf *s, const char *name, bool is_file)
{
    make_room(s);
    struct entry *e = calloc(1, sizeof(*e));
    char *copy = e == NULL ? NULL : strdup(name);
    if (copy == NULL) {
        free(e);
        return NULL;
    }
    e->name = copy;
    e->is_file = is_file;
    list_append(&s->all, &e->node);
    s->count++;
    return e;
}

static struct entry *entry_find(const struct shelf *s, const char *name, bool is_file)
{
    LIST_FOREACH(n, &s->all) {
        struct entry *e = CONTAINER_OF(n, struct entry, node);
        if (e->is_file == is_file && strcmp(e->name, name) == 0)
            return e;
    }
    return NULL;
}

/* With the lock: its entry, which nobody is busy with; NULL: no memory, or no time. */
static struct entry *entry_get(struct shelf *s, const char *name, bool is_file, uint64_t deadline_us)
{
    struct entry *e;
    while ((e = entry_find(s, name, is_file)) != NULL && e->busy) {
        struct timespec until = {.tv_sec = (time_t)(deadline_us / US_PER_S),
                                 .tv_nsec = (long)(deadline_us % US_PER_S * 1000)};
        if (pthread_cond_clockwait(&s->news, &s->lock, CLOCK_MONOTONIC, &until) == ETIMEDOUT)
            return NULL;
    }
    return e != NULL ? e : entry_add(s, name, is_file);
}

/* The earliest nextUpdate, or the maximum age. A list that has ended is asked for again after a while only. */
static time_t lists_until(const struct shelf *s, STACK_OF(X509_CRL) * all)
{
    time_t now = time(NULL), until = now + (time_t)s->config->max_age_s;
    for (int i = 0; i < sk_X509_CRL_num(all); i++)
        time_earlier(X509_CRL_get0_nextUpdate(sk_X509_CRL_value(all, i)), &until);
    return until > now ? until : now + REVOKE_LISTS_REFRESH_S;
}

/* With the lock, which is left meanwhile. False with `why`: what was there before stays. */
static bool entry_renew(struct shelf *s, const struct inquiry *q, struct entry *e, char why[static 256])
{
    e->busy = true;
    e->changed = false;
    pthread_mutex_unlock(&s->lock);
    STACK_OF(X509_CRL) *fresh = lists_get(q, e->name, e->is_file, why);
    pthread_mutex_lock(&s->lock);
    e->busy = false;
    pthread_cond_broadcast(&s->news);
    if (fresh == NULL) {
        e->until = time(NULL) + REVOKE_LISTS_REFRESH_S;
        return false;
    }
    sk_X509_CRL_pop_free(e->all, X509_CRL_free);
    e->all = fresh;
    e->until = lists_until(s, fresh);
    return true;
}

static STACK_OF(X509_CRL) * lists_ref(STACK_OF(X509_CRL) * all)
{
    STACK_OF(X509_CRL) *copy = sk_X509_CRL_dup(all);
    for (int i = 0; i < sk_X509_CRL_num(copy); i++)
        X509_CRL_up_ref(sk_X509_CRL_value(copy, i));
    return copy;
}

bool shelf_take(struct shelf *s, const struct inquiry *q, const char *name, bool is_file, struct lists *out,
                char why[static 256])
{
    char news[320] = "";
    CHECK_OBJECT(s, SHELF_MAGIC);
    *out = (struct lists){0};
    snprintf(why, 256, "%.200s: no time is left to wait for it", name);
    pthread_mutex_lock(&s->lock);
    struct entry *e = entry_get(s, name, is_file, q->deadline_us);
    bool due = e != NULL && (e->all == NULL || e->changed || (!is_file && time(NULL) >= e->until));
    if (due && !entry_renew(s, q, e, why) && e->all != NULL)
        snprintf(news, sizeof(news), "%s; the former list stays while it is valid", why);
    if (e != NULL && e->all != NULL) {
        out->all = lists_ref(e->all);
        out->until = is_file ? time(NULL) + (time_t)s->config->max_age_s : e->until;
    }
    pthread_mutex_unlock(&s->lock);
    if (news[0] != '\0' && s->config->news != NULL)
        s->config->news(s->config->ctx, news);
    return out->all != NULL;
}

void shelf_changed(struct shelf *s, bool files_only)
{
    CHECK_OBJECT(s, SHELF_MAGIC);
    pthread_mutex_lock(&s->lock);
    LIST_FOREACH(n, &s->all) {
        struct entry *e = CONTAINER_OF(n, struct entry, node);
        e->changed = e->changed || e->is_file || !files_only;
    }
    pthread_mutex_unlock(&s->lock);
}

/* -- life ------------------------------------------------------------------------------------------------------------ */

X509 *shelf_signer(const struct shelf *s, bool of_files) { return of_files ? s->file_signer : s->url_signer; }

static bool signer_read(const char *path, X509 **out, char error[static 512])
{
    if (path == NULL)
        return true;
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        snprintf(error, 512, "%s: %s", path, strerror(errno));
        return false;
    }
    *out = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    ERR_clear_error();
    if (*out == NULL)
        snprintf(error, 512, "%s: holds no certificate that can be read", path);
    return *out != NULL;
}

static bool files_read(struct shelf *s, char error[static 512])
{
    char why[256] = "out of memory";
    for (unsigned i = 0; i < s->config->crl_file_count; i++) {
        struct entry *e = entry_add(s, s->config->crl_files[i], true);
        if (e == NULL || (e->all = lists_get(NULL, e->name, true, why)) == NULL) {
            snprintf(error, 512, "%s", why);
            return false;
        }
        e->until = lists_until(s, e->all);
    }
    return true;
}

struct shelf *shelf_create(const struct revoke_config *config, char error[static 512])
{
    struct shelf *s;
    ALLOC_OBJECT(s, SHELF_MAGIC);
    if (s == NULL) {
        snprintf(error, 512, "out of memory");
        return NULL;
    }
    s->config = config;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->news, NULL);
    list_init(&s->all);
    if (!signer_read(config->crl_url_issuer_file, &s->url_signer, error) ||
        !signer_read(config->crl_file_issuer_file, &s->file_signer, error) || !files_read(s, error))
        shelf_free(&s);
    return s;
}

void shelf_free(struct shelf **sp)
{
    struct shelf *s;
    if (*sp == NULL)
        return;
    TAKE_OBJECT(s, sp, SHELF_MAGIC);
    LIST_FOREACH_SAFE(n, next, &s->all)
        entry_free(s, CONTAINER_OF(n, struct entry, node));
    X509_free(s->url_signer);
    X509_free(s->file_signer);
    pthread_cond_destroy(&s->news);
    pthread_mutex_destroy(&s->lock);
    FREE_OBJECT(s);
}
