/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's multi interface on a thread of its own: some questions are on their way, the others wait in their order. */
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "hook/callback_inner.h"

#define CALLER_MAGIC 0x68636372u
#define POLL_MS 1000

/* One that may be on its way; its handle is used again. */
struct slot {
    CURL *curl;
    struct callback_ask *ask; /* NULL: free */
    struct text answer;
    char why[CURL_ERROR_SIZE];
};

struct callback_caller {
    OBJECT_MAGIC;
    char *url, *ca_cert;
    callback_answered_fn *answered;
    void *ctx;
    bool global, started;
    pthread_t thread;
    pthread_mutex_t lock; /* of the four below */
    struct list waiting;
    unsigned waiting_count;
    size_t waiting_bytes;
    bool stopping;
    /* the thread's own */
    CURLM *multi;
    struct curl_slist *fields;
    struct slot slots[CALLBACK_ACTIVE_MAX];
    unsigned active;
};

/* -- one question ----------------------------------------------------------------------------------------------------- */

static size_t arrived(char *bytes, size_t size, size_t count, void *ctx)
{
    struct slot *s = ctx;
    text_add(&s->answer, bytes, size * count);
    return s->answer.failed ? 0 : size * count;
}

static void slot_configure(struct callback_caller *c, struct slot *s, uint64_t left_us)
{
    CURL *curl = s->curl;
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, c->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(left_us / US_PER_MS) + 1);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, c->fields);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, arrived);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, s);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, s->why);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)s->ask->body.len);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, s->ask->body.at);
    if (c->ca_cert != NULL)
        curl_easy_setopt(curl, CURLOPT_CAINFO, c->ca_cert);
    s->why[0] = '\0';
}

/* The slot is free for the next one before the question is answered. */
static void slot_end(struct callback_caller *c, struct slot *s, bool done, const char *why)
{
    struct callback_ask *a = s->ask;
    curl_multi_remove_handle(c->multi, s->curl);
    s->ask = NULL;
    c->active--;
    c->answered(c->ctx, a, done ? s->answer.at : NULL, s->answer.len, why);
    callback_text_done(&s->answer);
}

static void slot_ended(struct callback_caller *c, struct slot *s, CURLcode code)
{
    char why[CURL_ERROR_SIZE + 32];
    long status = 0;
    curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
    bool done = code == CURLE_OK && status == 200 && s->answer.len > 0;
    if (s->answer.failed)
        snprintf(why, sizeof(why), "the answer is larger than %u bytes", CONFIG_FILE_MAX);
    else if (code != CURLE_OK)
        snprintf(why, sizeof(why), "%s", s->why[0] != '\0' ? s->why : curl_easy_strerror(code));
    else
        snprintf(why, sizeof(why), status == 200 ? "the answer is empty" : "the answer has status %ld", status);
    slot_end(c, s, done, why);
}

static struct slot *slot_free_one(struct callback_caller *c)
{
    for (unsigned i = 0; i < CALLBACK_ACTIVE_MAX; i++)
        if (c->slots[i].ask == NULL)
            return &c->slots[i];
    return NULL;
}

static void ask_start(struct callback_caller *c, struct callback_ask *a, uint64_t now)
{
    struct slot *s = slot_free_one(c);
    if (s->curl == NULL)
        s->curl = curl_easy_init();
    if (s->curl == NULL) {
        c->answered(c->ctx, a, NULL, 0, "out of memory");
        return;
    }
    s->ask = a;
    c->active++;
    text_init(&s->answer, CONFIG_FILE_MAX);
    slot_configure(c, s, a->deadline_us - now);
    if (curl_multi_add_handle(c->multi, s->curl) != CURLM_OK)
        slot_end(c, s, false, "out of memory");
}

/* -- the thread ------------------------------------------------------------------------------------------------------- */

/* The next one that is to be looked at; the lock is held. All have the same time, so the first one's is over first. */
static struct callback_ask *waiting_shift(struct callback_caller *c, bool may_start, uint64_t now)
{
    if (list_empty(&c->waiting))
        return NULL;
    struct callback_ask *a = CONTAINER_OF(c->waiting.next, struct callback_ask, node);
    if (!may_start && now < a->deadline_us)
        return NULL;
    list_remove(&a->node);
    c->waiting_count--;
    c->waiting_bytes -= a->body.len;
    return a;
}

/* False: it is to end. */
static bool waiting_start(struct callback_caller *c)
{
    for (;;) {
        uint64_t now = clock_now_us();
        pthread_mutex_lock(&c->lock);
        bool stopping = c->stopping;
        struct callback_ask *a = stopping ? NULL : waiting_shift(c, c->active < CALLBACK_ACTIVE_MAX, now);
        pthread_mutex_unlock(&c->lock);
        if (a == NULL)
            return !stopping;
        if (now < a->deadline_us)
            ask_start(c, a, now);
        else
            c->answered(c->ctx, a, NULL, 0, "too many questions wait for it");
    }
}

static void ended_take(struct callback_caller *c)
{
    int left;
    for (const CURLMsg *m; (m = curl_multi_info_read(c->multi, &left)) != NULL;) {
        char *slot = NULL;
        CURLcode code = m->data.result;
        if (m->msg == CURLMSG_DONE && curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &slot) == CURLE_OK && slot != NULL)
            slot_ended(c, (struct slot *)(void *)slot, code);
    }
}

/* A full house frees a place within the time of a question, which curl knows: so nothing waits much longer than its own. */
static void *caller_run(void *arg)
{
    struct callback_caller *c = arg;
    int running;
    pthread_setname_np(pthread_self(), "callback");
    while (waiting_start(c)) {
        curl_multi_perform(c->multi, &running);
        ended_take(c);
        if (waiting_start(c))
            curl_multi_poll(c->multi, NULL, 0, POLL_MS, NULL);
    }
    for (unsigned i = 0; i < CALLBACK_ACTIVE_MAX; i++)
        if (c->slots[i].ask != NULL)
            slot_end(c, &c->slots[i], false, "the program ends");
    return NULL;
}

bool callback_caller_ask(struct callback_caller *c, struct callback_ask *a)
{
    CHECK_OBJECT(c, CALLER_MAGIC);
    pthread_mutex_lock(&c->lock);
    bool taken = !c->stopping && c->waiting_count < CALLBACK_WAITING_MAX && a->body.len <= CALLBACK_WAITING_BYTES_MAX - c->waiting_bytes;
    if (taken) {
        list_append(&c->waiting, &a->node);
        c->waiting_count++;
        c->waiting_bytes += a->body.len;
    }
    pthread_mutex_unlock(&c->lock);
    if (taken)
        curl_multi_wakeup(c->multi);
    return taken;
}

/* -- life ------------------------------------------------------------------------------------------------------------- */

/* NULL: it can be asked. */
static const char *url_wrong(const char *url)
{
    CURLU *u = curl_url();
    char *scheme = NULL;
    const char *wrong = NULL;
    if (u == NULL || curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK || curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
        wrong = "not a URL";
    else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        wrong = "neither http:// nor https://";
    curl_free(scheme);
    curl_url_cleanup(u);
    return wrong;
}

static struct curl_slist *fields_make(void)
{
    static const char *const lines[] = {"Content-Type: application/json", "Accept: application/json",
                                        "Expect:" /* it would cost a round trip */};
    struct curl_slist *all = NULL;
    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct curl_slist *more = curl_slist_append(all, lines[i]);
        if (more == NULL) {
            curl_slist_free_all(all);
            return NULL;
        }
        all = more;
    }
    return all;
}

static int thread_start(struct callback_caller *c)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failure = pthread_create(&c->thread, NULL, caller_run, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    c->started = failure == 0;
    return failure;
}

static bool caller_init(struct callback_caller *c, const struct callback_config *config, struct config_error *err)
{
    c->url = strdup(config->url);
    c->ca_cert = config->ca_cert != NULL ? strdup(config->ca_cert) : NULL;
    c->multi = curl_multi_init();
    c->fields = fields_make();
    if (c->url == NULL || (config->ca_cert != NULL && c->ca_cert == NULL) || c->multi == NULL || c->fields == NULL)
        return config_error_set(err, "hook-url: out of memory") == 0;
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)CALLBACK_ACTIVE_MAX);
    int failure = thread_start(c);
    return failure == 0 || config_error_set(err, "hook-url: thread: %s", strerror(failure)) == 0;
}

struct callback_caller *callback_caller_create(const struct callback_config *config, callback_answered_fn *answered, void *ctx,
                                               struct config_error *err)
{
    struct callback_caller *c;
    const char *wrong = url_wrong(config->url);
    if (wrong != NULL) {
        config_error_set(err, "hook-url: \"%.200s\": %s", config->url, wrong);
        return NULL;
    }
    ALLOC_OBJECT(c, CALLER_MAGIC);
    if (c == NULL) {
        config_error_set(err, "hook-url: out of memory");
        return NULL;
    }
    c->answered = answered;
    c->ctx = ctx;
    list_init(&c->waiting);
    pthread_mutex_init(&c->lock, NULL);
    c->global = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    if (!c->global)
        config_error_set(err, "hook-url: libcurl does not start");
    if (!c->global || !caller_init(c, config, err))
        callback_caller_free(&c);
    return c;
}

void callback_caller_stop(struct callback_caller *c)
{
    CHECK_OBJECT(c, CALLER_MAGIC);
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    pthread_mutex_unlock(&c->lock);
    if (c->started) {
        curl_multi_wakeup(c->multi);
        pthread_join(c->thread, NULL);
        c->started = false;
    }
    for (struct list *n; (n = list_shift(&c->waiting)) != NULL;)
        c->answered(c->ctx, CONTAINER_OF(n, struct callback_ask, node), NULL, 0, "the program ends");
}

void callback_caller_free(struct callback_caller **cp)
{
    struct callback_caller *c;
    if (*cp == NULL)
        return;
    callback_caller_stop(*cp);
    TAKE_OBJECT(c, cp, CALLER_MAGIC);
    for (unsigned i = 0; i < CALLBACK_ACTIVE_MAX; i++)
        if (c->slots[i].curl != NULL)
            curl_easy_cleanup(c->slots[i].curl);
    if (c->multi != NULL)
        curl_multi_cleanup(c->multi);
    curl_slist_free_all(c->fields);
    if (c->global)
        curl_global_cleanup();
    pthread_mutex_destroy(&c->lock);
    free(c->url);
    free(c->ca_cert);
    FREE_OBJECT(c);
}
