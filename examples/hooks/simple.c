/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hook that allows everything and logs every event; with =packets each packet, too, both ways, before and after hooks have their
 * say: packets of MQTT, heads of HTTP, messages of WebSockets.
 *
 *     cc -shared -fPIC -o simple.so simple.c
 *     mdm-tunnel-proxy -v --hook ./simple.so
 *     mdm-tunnel-proxy -v --hook ./simple.so=packets
 */
#include <mdm-tunnel/hook.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct mdm_hook_host *host;

static const char *name_of(const char *text) { return text != NULL ? text : "-"; }

static void say(const struct mdm_session *s, const char *format, ...)
{
    char text[512];
    va_list args;
    int len = snprintf(text, sizeof(text), "%s (user %s, %s): ", s->client_id, name_of(s->username), s->listener);
    if (len < 0 || (size_t)len >= sizeof(text))
        len = 0;
    va_start(args, format);
    vsnprintf(text + len, sizeof(text) - (size_t)len, format, args);
    va_end(args);
    host->log(text);
}

static enum mdm_verdict auth_connect(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_connect *c)
{
    (void)ctx, (void)q;
    say(s, "auth_connect: keep alive %u s", c->keep_alive_s);
    return MDM_ALLOW;
}

static enum mdm_verdict auth_publish(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_publish *p)
{
    (void)ctx, (void)q;
    say(s, "auth_publish: %s, %zu bytes%s", p->topic, p->payload.len, p->will ? ", its will" : "");
    return MDM_ALLOW;
}

static enum mdm_verdict auth_subscribe(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_subscribe *f)
{
    (void)ctx, (void)q;
    say(s, "auth_subscribe: %s", f->filter);
    return MDM_ALLOW;
}

static enum mdm_verdict intercept(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_packet *p)
{
    (void)ctx, (void)q;
    const char *way = p->direction == MDM_TO_BROKER ? "up" : "down", *stage = p->stage == MDM_BEFORE ? "before" : "after";
    const char *end = memchr(p->bytes.data, '\r', p->bytes.len);
    if (p->type == MDM_HTTP_REQUEST || p->type == MDM_HTTP_RESPONSE)
        say(s, "intercept: %s %s: %.*s", way, stage, end != NULL ? (int)(end - (const char *)p->bytes.data) : 0, (const char *)p->bytes.data);
    else if (p->type == MDM_WEBSOCKET_TEXT || p->type == MDM_WEBSOCKET_BINARY)
        say(s, "intercept: %s %s: a message of %zu bytes", way, stage, p->bytes.len);
    else
        say(s, "intercept: %s %s: packet type %u of %zu bytes", way, stage, p->type, p->bytes.len);
    return MDM_ALLOW;
}

static void connected(void *ctx, const struct mdm_session *s)
{
    (void)ctx;
    say(s, "connect: from %s, certificate %s", s->address, name_of(s->certificate));
}

static void published(void *ctx, const struct mdm_session *s, const struct mdm_publish *p)
{
    (void)ctx;
    say(s, "publish: %s", p->topic);
}

static void subscribed(void *ctx, const struct mdm_session *s, const struct mdm_subscribe *f)
{
    (void)ctx;
    say(s, "subscribe: %s", f->filter);
}

static void unsubscribed(void *ctx, const struct mdm_session *s, const char *filter)
{
    (void)ctx;
    say(s, "unsubscribe: %s", filter);
}

static void disconnected(void *ctx, const struct mdm_session *s, const char *why)
{
    (void)ctx;
    say(s, "disconnect: %s", why);
}

static struct mdm_hook hook = {
    .version = MDM_HOOK_VERSION,
    .size = sizeof(hook),
    .auth_connect = auth_connect,
    .auth_publish = auth_publish,
    .auth_subscribe = auth_subscribe,
    .connect = connected,
    .publish = published,
    .subscribe = subscribed,
    .unsubscribe = unsubscribed,
    .disconnect = disconnected,
};

const struct mdm_hook *mdm_hook_open(const struct mdm_hook_host *given, const char *settings, char *error, size_t error_size)
{
    (void)error, (void)error_size;
    host = given;
    hook.intercept = strcmp(settings, "packets") == 0 ? intercept : NULL;
    return &hook;
}
