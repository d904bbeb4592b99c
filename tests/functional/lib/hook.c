/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hook that does a bit of everything: user mallory is refused, topics and paths below "forbidden" and filters below "secret" are denied,
 * what is below "later" is answered by another thread; "data" of a client is "device/ID/data" for the broker. SETTINGS is a file
 * that gets a line for each event. A tunnel's topics count from behind "mdm/at/". With ",intercept" behind the file it sees packets
 * and heads: what says "drop me" is dropped, "change me" becomes "so be it!", "hold me" is answered by another thread.
 */
#include <mdm-tunnel/hook.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const struct mdm_hook_host *host;
static FILE *events;
/* Threads that have not answered yet. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned threads;

static void threads_add(int n)
{
    pthread_mutex_lock(&lock);
    threads += (unsigned)n;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static bool begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

static const char *plain(const char *topic)
{
    topic += topic[0] == '/';
    return begins(topic, "mdm/at/") ? topic + strlen("mdm/at/") : topic;
}

static void host_refuse(struct mdm_question *q) { host->refuse(q, 418, "short and <stout>"); }

static void *late(void *question)
{
    usleep(20000);
    host->answer(question, MDM_ALLOW);
    threads_add(-1);
    return NULL;
}

static enum mdm_verdict later(struct mdm_question *q)
{
    pthread_t thread;
    threads_add(1);
    if (pthread_create(&thread, NULL, late, q) != 0) {
        threads_add(-1);
        return MDM_DENY;
    }
    pthread_detach(thread);
    return MDM_LATER;
}

static enum mdm_verdict auth_connect(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_connect *c)
{
    (void)ctx;
    fprintf(events, "auth_connect %s user=%s headers=%zu certificate=%s", c->client_id, c->username != NULL ? c->username : "-",
            s->header_count, s->certificate_cn != NULL ? s->certificate_cn : "-");
    fprintf(events, c->username == NULL && c->password.len > 0 ? " password=%.*s\n" : "\n", (int)c->password.len,
            (const char *)c->password.data);
    if (c->username != NULL && strcmp(c->username, "mallory") == 0) {
        host->refuse(q, 0x86, "nobody knows mallory");
        return MDM_DENY;
    }
    if (c->username != NULL && strcmp(c->username, "alias") == 0)
        host->replace(q, MDM_USERNAME, "real", 4);
    return c->username != NULL && strcmp(c->username, "slow") == 0 ? later(q) : MDM_ALLOW;
}

static enum mdm_verdict auth_publish(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_publish *p)
{
    (void)ctx, (void)s;
    const char *topic = plain(p->topic);
    if (begins(topic, "teapot"))
        host->refuse(q, 418, "short and stout");
    if (begins(topic, "teapot") || begins(topic, "forbidden"))
        return MDM_DENY;
    if (begins(topic, "shout"))
        host->replace(q, MDM_PAYLOAD, "LOUD", 4);
    return begins(topic, "later") ? later(q) : MDM_ALLOW;
}

static enum mdm_verdict auth_subscribe(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_subscribe *f)
{
    (void)ctx, (void)s;
    const char *filter = plain(f->filter);
    return begins(filter, "secret") ? MDM_DENY : begins(filter, "later") ? later(q) : MDM_ALLOW;
}

static enum mdm_verdict intercept(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_packet *p)
{
    (void)ctx, (void)s;
    const char *bytes = p->bytes.data, *found = memchr(bytes, '\r', p->bytes.len);
    size_t len = p->bytes.len, line = p->type < MDM_HTTP_REQUEST ? 0 : found != NULL ? (size_t)(found - bytes) : len;
    fprintf(events, "intercept %s %s %u %.*s\n", p->direction == MDM_TO_BROKER ? "up" : "down", p->stage == MDM_BEFORE ? "before" : "after",
            p->type, (int)line, bytes);
    if (memmem(bytes, len, "drop me", 7) != NULL && p->stage == (memmem(bytes, len, "at last", 7) != NULL ? MDM_AFTER : MDM_BEFORE)) {
        if (p->type == MDM_HTTP_REQUEST || memmem(bytes, len, "with words", 10) != NULL)
            host->refuse(q, 418, "short and stout");
        return MDM_DENY;
    }
    if ((found = memmem(bytes, len, "change me", 9)) != NULL) {
        char *copy = memcpy(malloc(len), bytes, len);
        memcpy(copy + (found - bytes), "so be it!", 9);
        bool done = host->replace(q, MDM_PACKET, copy, len) && (p->type > MDM_HTTP_RESPONSE || !host->replace(q, MDM_PACKET, "x", 1));
        free(copy);
        return done ? MDM_ALLOW : MDM_DENY;
    }
    return memmem(bytes, len, "hold me", 7) != NULL ? later(q) : MDM_ALLOW;
}

static size_t rewrite(void *ctx, const struct mdm_session *s, enum mdm_direction direction, const char *topic, bool filter, char *out,
                      size_t size)
{
    (void)ctx, (void)filter;
    char prefix[256];
    int len = snprintf(prefix, sizeof(prefix), "device/%s/", s->client_id);
    if (direction == MDM_TO_BROKER && (strcmp(topic, "data") == 0 || begins(topic, "data/")))
        return (size_t)snprintf(out, size, "%s%s", prefix, topic);
    return direction == MDM_TO_CLIENT && begins(topic, prefix) ? (size_t)snprintf(out, size, "%s", topic + len) : 0;
}

static enum mdm_verdict auth_request(void *ctx, struct mdm_question *q, const struct mdm_request *r)
{
    (void)ctx;
    const char *host = "-";
    for (size_t i = 0; i < r->header_count; i++)
        host = strcasecmp(r->headers[i].name, "host") == 0 ? r->headers[i].value : host;
    fprintf(events, "auth_request %s/%s %s %s host=%s\n", r->client_id, r->service, r->method, r->path, host);
    if (begins(r->path, "/forbidden"))
        return MDM_DENY;
    if (begins(r->path, "/teapot")) {
        host_refuse(q);
        return MDM_DENY;
    }
    return begins(r->path, "/later") ? later(q) : MDM_ALLOW;
}

static void connected(void *ctx, const struct mdm_session *s) { (void)ctx, fprintf(events, "connect %s\n", s->client_id); }

static void published(void *ctx, const struct mdm_session *s, const struct mdm_publish *p)
{
    (void)ctx, fprintf(events, "publish %s %s %.*s\n", s->client_id, p->topic, (int)p->payload.len, (const char *)p->payload.data);
}

static void subscribed(void *ctx, const struct mdm_session *s, const struct mdm_subscribe *f)
{
    (void)ctx, fprintf(events, "subscribe %s %s\n", s->client_id, f->filter);
}

static void unsubscribed(void *ctx, const struct mdm_session *s, const char *filter)
{
    (void)ctx, fprintf(events, "unsubscribe %s %s\n", s->client_id, filter);
}

static void disconnected(void *ctx, const struct mdm_session *s, const char *why)
{
    (void)ctx, fprintf(events, "disconnect %s: %s\n", s->client_id, why);
}

/* No answer may follow. */
static void closed(void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&lock);
    while (threads > 0)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    fclose(events);
}

static struct mdm_hook hook = {
    .version = MDM_HOOK_VERSION,
    .size = sizeof(hook),
    .auth_connect = auth_connect,
    .auth_publish = auth_publish,
    .auth_subscribe = auth_subscribe,
    .rewrite = rewrite,
    .connect = connected,
    .publish = published,
    .subscribe = subscribed,
    .unsubscribe = unsubscribed,
    .disconnect = disconnected,
    .auth_request = auth_request,
    .close = closed,
};

const struct mdm_hook *mdm_hook_open(const struct mdm_hook_host *given, const char *settings, char *error, size_t error_size)
{
    char file[4096];
    size_t len = strcspn(settings, ",");
    host = given;
    hook.intercept = settings[len] == ',' ? intercept : NULL;
    snprintf(file, sizeof(file), "%.*s", (int)len, settings);
    events = fopen(file, "ae");
    if (events == NULL) {
        snprintf(error, error_size, "%s: cannot be opened", settings);
        return NULL;
    }
    setvbuf(events, NULL, _IOLBF, 0);
    return &hook;
}
