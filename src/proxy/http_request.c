/* SPDX-License-Identifier: Apache-2.0 */
/* A request until it may go on: its head, its body where hooks see it. */
#include <stdlib.h>
#include <string.h>

#include "mqtt/topic.h"
#include "proxy/http.h"

void gateway_request_free(struct gateway *g)
{
    if (g->request != NULL) {
        free(g->request->path);
        free(g->request->given);
    }
    free(g->request);
    g->request = NULL;
}

void gateway_forget(struct gateway *g)
{
    question_forget(&g->q);
    gateway_request_free(g);
    hook_session_unref(g->session);
    g->session = NULL;
    slice_done(&g->body);
    slice_done(&g->head);
    slice_done(&g->answer);
    g->body_size = 0;
    g->answered = false;
    g->told = false;
    g->status = 0;
}

/* -- paths ------------------------------------------------------------------------------------------------------------ */

/* The path without its query. */
static struct http_text path_of(const struct gateway_request *r)
{
    struct http_text path = r->facts.target.path;
    const char *query = path.len == 0 ? NULL : memchr(path.at, '?', path.len);
    return (struct http_text){path.at, query == NULL ? path.len : (size_t)(query - path.at)};
}

struct mqtt_span gateway_topic(const struct gateway_request *r)
{
    return (struct mqtt_span){(const uint8_t *)r->topic.at, r->topic.len};
}

bool gateway_prefix_strip(const struct gateway *g, struct http_text path, struct http_text *rest)
{
    size_t len = strlen(g->door->prefix);
    *rest = path;
    if (path.len < len || memcmp(path.at, g->door->prefix, len) != 0)
        return false;
    *rest = (struct http_text){path.at + len, path.len - len};
    return len == 0 || rest->len == 0 || rest->at[0] == '/' || rest->at[0] == '?';
}

static bool is_bypassed(const struct gateway *g, struct http_text path)
{
    for (const char *at = g->door->bypass; at != NULL && *at != '\0';) {
        size_t len = strcspn(at, ",");
        if (len == path.len && memcmp(at, path.at, len) == 0)
            return true;
        at += len + (at[len] == ',');
    }
    return false;
}

/* -- the head ------------------------------------------------------------------------------------------------------------ */

/* 0, or the status to answer. */
static unsigned request_check(struct gateway *g, const char **why)
{
    struct gateway_request *r = g->request;
    struct http_text rest, path = path_of(r);
    if (r->facts.target.form == HTTP_TARGET_ASTERISK || path.len == 0 || path.at[0] != '/' || !gateway_prefix_strip(g, path, &rest)) {
        *why = "there is nothing at this path";
        return 404;
    }
    if (!mqtt_text_valid((struct mqtt_span){(const uint8_t *)path.at, path.len})) {
        *why = "the path is not valid UTF-8";
        return 400;
    }
    r->topic = path;
    unsigned status = gateway_upgrade_check(g, why);
    const struct hook_wants *wants = g->post->common->wants;
    bool publishes = wants->auth_publish || wants->publish, hears = wants->auth_subscribe || wants->connect || wants->subscribe;
    r->asks = (wants->auth_connect || wants->intercept || publishes || (r->upgrade && (hears || wants->disconnect))) && !is_bypassed(g, path);
    r->collects = r->asks && publishes;
    r->reads = r->asks && r->upgrade && (publishes || wants->intercept);
    if (status != 0 || !r->collects || r->facts.framing != HTTP_FRAMING_LENGTH || r->facts.content_length <= g->post->common->packet_max)
        return status;
    *why = "the body is over the maximum";
    return 413;
}

static struct hook_session *session_make(struct gateway *g)
{
    char *copy = malloc(g->request->len);
    if (copy == NULL)
        return NULL;
    memcpy(copy, g->request->head, g->request->len);
    return hook_session_of(&g->client.way.sock, g->address, g->door->kind.name, copy, g->request->len);
}

/* What has come, or what a hook has put in its place. False: it is answered. */
static bool request_take(struct gateway *g)
{
    struct gateway_request *r = g->request;
    const char *why = "";
    const struct error *e = http_request_check(&r->request, &r->facts, &why);
    if (e != NULL) {
        g->last = true;
        gateway_reply(g, e->http_status, why);
        return false;
    }
    r->to_head = r->request.method.len == 4 && memcmp(r->request.method.at, "HEAD", 4) == 0;
    gateway_body_init(&g->up, r->facts.framing, r->facts.content_length);
    g->last |= r->facts.hops.close || (r->request.minor_version == 0 && !r->facts.hops.keep_alive);
    unsigned status = request_check(g, &why);
    if (status != 0)
        gateway_reply(g, status, why);
    return status == 0;
}

static void request_begin(struct gateway *g)
{
    if (!request_take(g))
        return;
    if (!g->request->asks)
        gateway_go_on(g);
    else if ((g->session = session_make(g)) == NULL)
        gateway_over(g, "out of memory");
    else if (gateway_is_seen(g))
        gateway_head_ask(g, GATEWAY_REQUEST_BEFORE);
    else
        gateway_connect_ask(g);
}

/* `used` bytes that were parsed already; NULL: no memory. */
static struct gateway_request *request_create(const void *head, size_t used)
{
    struct gateway_request *r = calloc(1, sizeof(*r) + used);
    size_t scanned = 0;
    const char *why;
    if (r == NULL)
        return NULL;
    r->len = used;
    memcpy(r->head, head, used);
    http_request_parse(&r->request, r->fields, WEBSOCKET_REQUEST_FIELDS_MAX, r->head, used, used, &scanned, &used, &why);
    return r;
}

void gateway_request_replace(struct gateway *g, struct mqtt_span head)
{
    struct http_request seen;
    struct http_field fields[WEBSOCKET_REQUEST_FIELDS_MAX];
    size_t used = 0, scanned = 0;
    const char *why;
    if (http_request_parse(&seen, fields, WEBSOCKET_REQUEST_FIELDS_MAX, (const char *)head.data, head.len, HTTP_REQUEST_HEAD_MAX, &scanned,
                           &used, &why) != HTTP_PARSE_DONE) {
        gateway_reply(g, 500, "a hook has made a head that is not possible");
        return;
    }
    struct gateway_request *r = request_create(head.data, head.len);
    if (r == NULL) {
        gateway_over(g, "out of memory");
        return;
    }
    gateway_request_free(g);
    g->request = r;
    if (!request_take(g))
        return;
    if (r->asks)
        gateway_connect_ask(g);
    else
        gateway_go_on(g);
}

bool gateway_head_step(struct gateway *g)
{
    struct gateway_end *e = &g->client;
    struct http_request seen;
    struct http_field fields[WEBSOCKET_REQUEST_FIELDS_MAX];
    size_t used = 0;
    const char *why = "";
    while (e->len > 0 && (e->in[e->at] == '\r' || e->in[e->at] == '\n') && e->scanned == 0)
        gateway_skip(e, 1); /* RFC 9112 2.2 */
    if (e->len == 0)
        return false;
    enum http_parse end = http_request_parse(&seen, fields, WEBSOCKET_REQUEST_FIELDS_MAX, (char *)e->in + e->at, e->len,
                                             HTTP_REQUEST_HEAD_MAX, &e->scanned, &used, &why);
    if (end == HTTP_PARSE_MORE)
        return false;
    gateway_body_init(&g->up, HTTP_FRAMING_NONE, 0);
    e->scanned = 0;
    if (end == HTTP_PARSE_BAD) {
        g->last = true;
        gateway_reply(g, 400, why);
        return true;
    }
    g->request = request_create(e->in + e->at, used);
    if (g->request == NULL) {
        gateway_over(g, "out of memory");
        return true;
    }
    g->began_us = worker_now_us(g->post->worker);
    gateway_skip(e, used);
    request_begin(g);
    return true;
}

/* -- the body ---------------------------------------------------------------------------------------------------------- */

static bool body_room(struct gateway *g, size_t more)
{
    size_t need = g->body.len + more, size = g->body_size * 2;
    if (need <= g->body_size)
        return true;
    if (size < need)
        size = need;
    struct chunk *c = chunk_create(size);
    if (c == NULL)
        return false;
    if (g->body.len > 0)
        memcpy(c->data, g->body.data, g->body.len);
    size_t len = g->body.len;
    slice_done(&g->body);
    g->body = slice_of(c, 0, len);
    g->body_size = size;
    return true;
}

bool gateway_collect_step(struct gateway *g)
{
    struct http_text part;
    size_t eaten;
    if (!gateway_body_take(&g->up, &g->client, &part, &eaten)) {
        gateway_reply(g, 400, "the chunked coding is not valid");
        return true;
    }
    if (g->body.len + part.len > g->post->common->packet_max) {
        g->up.done = false;
        gateway_reply(g, 413, "the body is over the maximum");
        return true;
    }
    if (part.len > 0 && !body_room(g, part.len)) {
        gateway_over(g, "out of memory");
        return true;
    }
    if (part.len > 0)
        memcpy(g->body.chunk->data + g->body.len, part.at, part.len);
    g->body.len += part.len;
    gateway_skip(&g->client, eaten);
    if (!g->up.done)
        return eaten > 0;
    gateway_publish_ask(g);
    return true;
}
