/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's easy interface, a handle a thread: connections are used again. */
#include "revoke/fetch.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/object.h"
#include "base/table.h"
#include "mdm-tunnel/limits.h"

#define FETCHER_MAGIC 0x66657463u
#define FAILURES_MAGIC 0x6661696cu
#define REDIRECTIONS_MAX 3L

struct fetch_failures {
    OBJECT_MAGIC;
    pthread_mutex_t lock; /* of all below */
    uint64_t key[2];
    uint64_t retry_us;
    struct {
        uint64_t hash, until_us;
    } all[REVOKE_FAILURES_MAX];
    unsigned next;
};

struct fetcher {
    OBJECT_MAGIC;
    CURL *curl;
    struct fetch_failures *failures;
    const atomic_bool *stop;
};

/* -- who did not answer ---------------------------------------------------------------------------------------------- */

struct fetch_failures *fetch_failures_create(unsigned retry_ms)
{
    struct fetch_failures *f;
    ALLOC_OBJECT(f, FAILURES_MAGIC);
    if (f == NULL)
        return NULL;
    pthread_mutex_init(&f->lock, NULL);
    f->retry_us = retry_ms * US_PER_MS;
    if (getrandom(f->key, sizeof(f->key), 0) != sizeof(f->key))
        fetch_failures_free(&f);
    return f;
}

void fetch_failures_free(struct fetch_failures **fp)
{
    struct fetch_failures *f;
    if (*fp == NULL)
        return;
    TAKE_OBJECT(f, fp, FAILURES_MAGIC);
    pthread_mutex_destroy(&f->lock);
    FREE_OBJECT(f);
}

/* Where the host ends: a server is down for all of its paths. */
static uint64_t failures_hash(const struct fetch_failures *f, const char *url)
{
    const char *host = strstr(url, "://");
    size_t len = host == NULL ? strlen(url) : (size_t)(host + 3 - url) + strcspn(host + 3, "/?#");
    return table_hash(f->key, url, len);
}

static bool failures_has(struct fetch_failures *f, const char *url)
{
    uint64_t hash = failures_hash(f, url), now = clock_now_us();
    bool found = false;
    pthread_mutex_lock(&f->lock);
    for (unsigned i = 0; i < REVOKE_FAILURES_MAX && !found; i++)
        found = f->all[i].until_us > now && f->all[i].hash == hash;
    pthread_mutex_unlock(&f->lock);
    return found;
}

static void failures_add(struct fetch_failures *f, const char *url)
{
    uint64_t hash = failures_hash(f, url);
    pthread_mutex_lock(&f->lock);
    f->all[f->next].hash = hash;
    f->all[f->next].until_us = clock_now_us() + f->retry_us;
    f->next = (f->next + 1) % REVOKE_FAILURES_MAX;
    pthread_mutex_unlock(&f->lock);
}

/* -- fetching -------------------------------------------------------------------------------------------------------- */

/* What has come of one answer. */
struct arriving {
    struct fetched *out;
    size_t max, room;
    bool too_large;
};

static size_t arrived(char *bytes, size_t size, size_t count, void *ctx)
{
    struct arriving *a = ctx;
    size_t len = size * count, want = a->out->len + len + 1;
    if (a->out->len + len > a->max) {
        a->too_large = true;
        return 0;
    }
    if (want > a->room) {
        size_t room = a->room * 2 > want ? a->room * 2 : want;
        uint8_t *larger = realloc(a->out->bytes, room);
        if (larger == NULL)
            return 0;
        a->out->bytes = larger;
        a->room = room;
    }
    memcpy(a->out->bytes + a->out->len, bytes, len);
    a->out->len += len;
    a->out->bytes[a->out->len] = '\0';
    return len;
}

static int progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct fetcher *f = ctx;
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(f->stop) ? 1 : 0;
}

static void fetch_configure(struct fetcher *f, const struct fetch *what, struct arriving *a, struct curl_slist *fields,
                            uint64_t left_us)
{
    CURL *c = f->curl;
    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_URL, what->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(left_us / US_PER_MS) + 1);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, arrived);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, f);
    curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)what->max);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, fields);
    if (what->body != NULL) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)what->body_len);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, what->body);
    } else {
        curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(c, CURLOPT_MAXREDIRS, REDIRECTIONS_MAX);
    }
}

/* "Expect:" would cost a round trip. */
static struct curl_slist *fields_make(const struct fetch *what)
{
    char type[96];
    if (what->body == NULL)
        return NULL;
    snprintf(type, sizeof(type), "Content-Type: %s", what->content_type);
    struct curl_slist *one = curl_slist_append(NULL, type);
    struct curl_slist *both = one != NULL ? curl_slist_append(one, "Expect:") : NULL;
    if (both == NULL)
        curl_slist_free_all(one);
    return both;
}

static bool fetch_ended(struct fetcher *f, const struct fetch *what, CURLcode code, const struct arriving *a, char *why)
{
    struct fetched *out = a->out;
    curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &out->status);
    if (a->too_large || code == CURLE_FILESIZE_EXCEEDED)
        snprintf(why, 256, "the answer of %.150s is larger than %zu bytes", what->url, what->max);
    else if (code != CURLE_OK)
        snprintf(why, 256, "%.150s: %s", what->url, curl_easy_strerror(code));
    else if (out->status != 200)
        snprintf(why, 256, "%.150s answers with status %ld", what->url, out->status);
    else if (out->len == 0)
        snprintf(why, 256, "%.150s answers with nothing", what->url);
    else
        return true;
    if ((code != CURLE_OK || out->status >= 500) && !atomic_load(f->stop))
        failures_add(f->failures, what->url);
    return false;
}

bool fetch_run(struct fetcher *f, const struct fetch *what, struct fetched *out, char why[static 256])
{
    CHECK_OBJECT(f, FETCHER_MAGIC);
    struct arriving a = {.out = out, .max = what->max};
    uint64_t now = clock_now_us();
    *out = (struct fetched){0};
    if (now >= what->deadline_us) {
        snprintf(why, 256, "%.150s: no time is left to ask", what->url);
        return false;
    }
    if (failures_has(f->failures, what->url)) {
        snprintf(why, 256, "%.150s did not answer a moment ago", what->url);
        return false;
    }
    struct curl_slist *fields = fields_make(what);
    bool done = false;
    if (what->body != NULL && fields == NULL) {
        snprintf(why, 256, "out of memory");
    } else {
        fetch_configure(f, what, &a, fields, what->deadline_us - now);
        done = fetch_ended(f, what, curl_easy_perform(f->curl), &a, why);
    }
    curl_slist_free_all(fields);
    if (!done) {
        free(out->bytes);
        out->bytes = NULL;
        out->len = 0;
    }
    return done;
}

/* -- life ------------------------------------------------------------------------------------------------------------ */

struct fetcher *fetcher_create(struct fetch_failures *failures, const atomic_bool *stop)
{
    struct fetcher *f;
    ALLOC_OBJECT(f, FETCHER_MAGIC);
    if (f == NULL)
        return NULL;
    f->failures = failures;
    f->stop = stop;
    f->curl = curl_easy_init();
    if (f->curl == NULL)
        fetcher_free(&f);
    return f;
}

void fetcher_free(struct fetcher **fp)
{
    struct fetcher *f;
    if (*fp == NULL)
        return;
    TAKE_OBJECT(f, fp, FETCHER_MAGIC);
    if (f->curl != NULL)
        curl_easy_cleanup(f->curl);
    FREE_OBJECT(f);
}
