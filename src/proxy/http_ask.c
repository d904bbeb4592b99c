/* SPDX-License-Identifier: Apache-2.0 */
/* A request until it may go on: its head, the questions to hooks, its body where they see it. */
#include <stdlib.h>
#include <string.h>

#include "mqtt/topic.h"
#include "proxy/http.h"
#include "wire/http_head_edit.h"

void web_forget(struct web *w)
{
    question_forget(&w->q);
    hook_session_unref(w->session);
    w->session = NULL;
    if (w->request != NULL)
        free(w->request->path);
    free(w->request);
    w->request = NULL;
    slice_done(&w->body);
    w->body_size = 0;
    w->answered = false;
    w->status = 0;
}

/* -- the head --------------------------------------------------------------------------------------------------------- */

/* The path without its query. */
static struct http_text path_of(const struct web_request *r)
{
    struct http_text path = r->facts.target.path;
    const char *query = path.len == 0 ? NULL : memchr(path.at, '?', path.len);
    return (struct http_text){path.at, query == NULL ? path.len : (size_t)(query - path.at)};
}

/* What is below the prefix; false: it is another path. */
static bool prefix_strip(const struct web *w, struct http_text path, struct http_text *rest)
{
    size_t len = strlen(w->door->prefix);
    *rest = path;
    if (path.len < len || memcmp(path.at, w->door->prefix, len) != 0)
        return false;
    *rest = (struct http_text){path.at + len, path.len - len};
    return len == 0 || rest->len == 0 || rest->at[0] == '/' || rest->at[0] == '?';
}

static bool is_bypassed(const struct web *w, struct http_text path)
{
    for (const char *at = w->door->bypass; at != NULL && *at != '\0';) {
        size_t len = strcspn(at, ",");
        if (len == path.len && memcmp(at, path.at, len) == 0)
            return true;
        at += len + (at[len] == ',');
    }
    return false;
}

/* The target's prefix, and what stands below ours. False: no memory. */
static bool path_make(struct web *w, struct http_text path)
{
    struct web_request *r = w->request;
    struct http_text rest;
    prefix_strip(w, path, &rest);
    size_t len = strlen(w->door->forward);
    bool slash = rest.len == 0 || rest.at[0] != '/';
    char *made = malloc(len + slash + rest.len + 1);
    if (made == NULL)
        return false;
    memcpy(made, w->door->forward, len);
    made[len] = '/';
    memcpy(made + len + slash, rest.at, rest.len);
    free(r->path);
    r->path = made;
    r->facts.target.path = (struct http_text){made, len + slash + rest.len};
    return true;
}

static struct hook_session *session_make(struct web *w)
{
    char *copy = malloc(w->request->len);
    if (copy == NULL)
        return NULL;
    memcpy(copy, w->request->head, w->request->len);
    return proxy_session(&w->client.way.sock, w->address, w->door->kind.name, copy, w->request->len);
}

/* -- who asks --------------------------------------------------------------------------------------------------------- */

struct credentials {
    char space[8 * KIB];
    struct mqtt_span user, password;
};

static int hex_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* `authorization` of the query, decoded into `out`. */
static bool query_find(struct http_text path, char *out, size_t size, size_t *len)
{
    static const char name[] = "authorization=";
    const char *at = path.len == 0 ? NULL : memchr(path.at, '?', path.len), *end = path.at + path.len;
    while (at != NULL && ++at < end) {
        const char *next = memchr(at, '&', (size_t)(end - at)), *stop = next == NULL ? end : next;
        if ((size_t)(stop - at) >= sizeof(name) - 1 && memcmp(at, name, sizeof(name) - 1) == 0) {
            *len = 0;
            for (at += sizeof(name) - 1; at < stop && *len < size; at++) {
                int high = *at == '%' && stop - at > 2 ? hex_of(at[1]) : -1, low = high < 0 ? -1 : hex_of(at[2]);
                out[(*len)++] = low < 0 ? (*at == '+' ? ' ' : *at) : (char)(high << 4 | low);
                at += low < 0 ? 0 : 2;
            }
            return true;
        }
        at = next;
    }
    return false;
}

static void credentials_find(const struct web_request *r, struct credentials *c)
{
    const char *user, *password;
    size_t len;
    c->user = c->password = MQTT_SPAN_NONE;
    for (size_t i = 0; i < r->request.field_count; i++) {
        struct http_text value = r->fields[i].value;
        if (!http_text_is(r->fields[i].name, "authorization"))
            continue;
        c->password = (struct mqtt_span){(const uint8_t *)value.at, value.len};
        if (http_basic_parse(value, c->space, sizeof(c->space), &user, &password) && mqtt_text_valid(mqtt_span_of(user))) {
            c->user = mqtt_span_of(user);
            c->password = mqtt_span_of(password);
        }
        return;
    }
    if (query_find(r->facts.target.path, c->space, sizeof(c->space), &len))
        c->password = (struct mqtt_span){(const uint8_t *)c->space, len};
}

/* -- the questions ---------------------------------------------------------------------------------------------------- */

static void connect_allowed(struct web *w);
static void publish_allowed(struct web *w, struct mdm_question *q);

static void question_answered(struct web *w, struct mdm_question *q, bool allowed)
{
    const char *words;
    unsigned status = question_status(q, &words);
    if (allowed && w->asks_publish)
        publish_allowed(w, q);
    else if (allowed)
        connect_allowed(w);
    else if (!w->asks_publish)
        web_reply(w, status != 0 ? status : 401, words != NULL ? words : "not authorized");
    else
        web_reply(w, status != 0 ? status : 403, words != NULL ? words : "not allowed");
    question_free(&q);
}

static void question_done(void *ctx, struct mdm_question *q, bool allowed)
{
    struct web *w = ctx;
    CHECK_OBJECT(w, WEB_MAGIC);
    w->q = NULL;
    question_answered(w, q, allowed);
    web_run(w);
}

static void ask(struct web *w, struct mdm_question *q)
{
    if (q == NULL) {
        web_end(w, "out of memory");
        return;
    }
    web_state_set(w, WEB_ASKING);
    w->q = q;
    enum mdm_verdict verdict = question_ask(q, w->post->worker, question_done, w);
    if (verdict == MDM_LATER)
        return;
    w->q = NULL;
    question_answered(w, q, verdict == MDM_ALLOW);
}

static void connect_ask(struct web *w)
{
    struct credentials c;
    const struct proxy_common *common = w->post->common;
    credentials_find(w->request, &c);
    w->asks_publish = false;
    if (!hook_session_set_username(w->session, c.user)) {
        web_end(w, "out of memory");
    } else if (!common->wants->auth_connect) {
        connect_allowed(w);
    } else {
        struct mqtt_connect packet = {.clean_start = true, .username = c.user, .password = c.password};
        ask(w, question_connect(common->hooks, w->session, &packet));
    }
    explicit_bzero(c.space, sizeof(c.space));
}

static void publish_ask(struct web *w)
{
    const struct proxy_common *common = w->post->common;
    struct http_text path = path_of(w->request);
    struct mqtt_span topic = {(const uint8_t *)path.at, path.len};
    struct mqtt_publish packet = {.topic = topic, .payload = {w->body.data != NULL ? w->body.data : (const uint8_t *)"", w->body.len}};
    w->asks_publish = true;
    if (!common->wants->auth_publish)
        publish_allowed(w, NULL);
    else
        ask(w, question_publish(common->hooks, w->session, topic, &packet, false, NULL, w->body.chunk));
}

static void go_on(struct web *w, struct http_text path)
{
    if (!path_make(w, path))
        web_end(w, "out of memory");
    else if (w->server.open)
        web_request_send(w);
    else
        web_dial(w);
}

static void connect_allowed(struct web *w)
{
    struct web_request *r = w->request;
    if (!r->collects) {
        go_on(w, r->facts.target.path);
        return;
    }
    if (r->facts.expect_continue && !w->up.done)
        web_push(&w->client, slice_static("HTTP/1.1 100 Continue\r\n\r\n", 25));
    web_state_set(w, WEB_BODY);
}

/* A hook may have put another path or body there. */
static void publish_allowed(struct web *w, struct mdm_question *q)
{
    const struct proxy_common *common = w->post->common;
    struct web_request *r = w->request;
    struct http_text path = r->facts.target.path, old = path_of(r);
    char *joined = NULL;
    if (q != NULL && question_changed(q, MDM_PAYLOAD)) {
        slice_done(&w->body);
        w->body = question_take(q, MDM_PAYLOAD);
        r->facts.framing = HTTP_FRAMING_LENGTH;
    }
    if (q != NULL && question_changed(q, MDM_TOPIC)) {
        struct mqtt_span topic = question_field(q, MDM_TOPIC);
        struct http_text given = {(const char *)topic.data, topic.len}, rest;
        if (!prefix_strip(w, given, &rest) || given.at[0] != '/' || !http_target_valid(given)) {
            web_reply(w, 500, "a hook has made a path that is not possible");
            return;
        }
        joined = malloc(given.len + path.len - old.len + 1);
        if (joined == NULL) {
            web_end(w, "out of memory");
            return;
        }
        memcpy(joined, given.at, given.len);
        memcpy(joined + given.len, old.at + old.len, path.len - old.len);
        path = (struct http_text){joined, given.len + path.len - old.len};
    }
    if (common->wants->publish) {
        struct mqtt_publish news = {.payload = {w->body.data, w->body.len}};
        size_t len = path.len - (r->facts.target.path.len - old.len);
        hook_chain_publish(common->hooks, w->session, (struct mqtt_span){(const uint8_t *)path.at, len}, &news);
    }
    go_on(w, path);
    free(joined);
}

/* -- steps ------------------------------------------------------------------------------------------------------------ */

static void request_begin(struct web *w)
{
    struct web_request *r = w->request;
    const struct proxy_common *common = w->post->common;
    const struct hook_wants *wants = common->wants;
    const char *why = "";
    struct http_text rest;
    const struct error *e = http_request_check(&r->request, &r->facts, &why);
    if (e != NULL) {
        w->last = true;
        web_reply(w, e->http_status, why);
        return;
    }
    r->facts.upgrade = false;
    r->to_head = r->request.method.len == 4 && memcmp(r->request.method.at, "HEAD", 4) == 0;
    web_body_init(&w->up, r->facts.framing, r->facts.content_length);
    w->last |= r->facts.hops.close || (r->request.minor_version == 0 && !r->facts.hops.keep_alive);
    struct http_text path = path_of(r);
    if (r->facts.target.form == HTTP_TARGET_ASTERISK || path.len == 0 || path.at[0] != '/' || !prefix_strip(w, path, &rest)) {
        web_reply(w, 404, "there is nothing at this path");
        return;
    }
    if (!mqtt_text_valid((struct mqtt_span){(const uint8_t *)path.at, path.len})) {
        web_reply(w, 400, "the path is not valid UTF-8");
        return;
    }
    r->asks = (wants->auth_connect || wants->auth_publish || wants->publish) && !is_bypassed(w, path);
    r->collects = r->asks && (wants->auth_publish || wants->publish);
    if (r->collects && r->facts.framing == HTTP_FRAMING_LENGTH && r->facts.content_length > common->packet_max) {
        web_reply(w, 413, "the body is over the maximum");
        return;
    }
    if (!r->asks) {
        go_on(w, r->facts.target.path);
    } else if ((w->session = session_make(w)) == NULL) {
        web_end(w, "out of memory");
    } else {
        connect_ask(w);
    }
}

bool web_head_step(struct web *w)
{
    struct web_end *e = &w->client;
    struct http_request seen;
    struct http_field fields[WEBSOCKET_REQUEST_FIELDS_MAX];
    size_t used = 0, scanned = 0;
    const char *why = "";
    while (e->len > 0 && (e->in[e->at] == '\r' || e->in[e->at] == '\n') && e->scanned == 0)
        web_skip(e, 1); /* RFC 9112 2.2 */
    if (e->len == 0)
        return false;
    enum http_parse end = http_request_parse(&seen, fields, WEBSOCKET_REQUEST_FIELDS_MAX, (char *)e->in + e->at, e->len,
                                             HTTP_REQUEST_HEAD_MAX, &e->scanned, &used, &why);
    if (end == HTTP_PARSE_MORE)
        return false;
    web_body_init(&w->up, HTTP_FRAMING_NONE, 0);
    e->scanned = 0;
    if (end == HTTP_PARSE_BAD) {
        w->last = true;
        web_reply(w, 400, why);
        return true;
    }
    struct web_request *r = calloc(1, sizeof(*r) + used);
    if (r == NULL) {
        web_end(w, "out of memory");
        return true;
    }
    w->request = r;
    r->len = used;
    memcpy(r->head, e->in + e->at, used);
    web_skip(e, used);
    http_request_parse(&r->request, r->fields, WEBSOCKET_REQUEST_FIELDS_MAX, r->head, used, used, &scanned, &used, &why);
    request_begin(w);
    return true;
}

static bool body_room(struct web *w, size_t more)
{
    size_t need = w->body.len + more, size = w->body_size * 2;
    if (need <= w->body_size)
        return true;
    if (size < need)
        size = need;
    struct chunk *c = chunk_create(size);
    if (c == NULL)
        return false;
    if (w->body.len > 0)
        memcpy(c->data, w->body.data, w->body.len);
    size_t len = w->body.len;
    slice_done(&w->body);
    w->body = slice_of(c, 0, len);
    w->body_size = size;
    return true;
}

bool web_collect_step(struct web *w)
{
    struct http_text part;
    size_t eaten;
    if (!web_body_take(&w->up, &w->client, &part, &eaten)) {
        web_reply(w, 400, "the chunked coding is not valid");
        return true;
    }
    if (w->body.len + part.len > w->post->common->packet_max) {
        w->up.done = false;
        web_reply(w, 413, "the body is over the maximum");
        return true;
    }
    if (part.len > 0 && !body_room(w, part.len)) {
        web_end(w, "out of memory");
        return true;
    }
    if (part.len > 0)
        memcpy(w->body.chunk->data + w->body.len, part.at, part.len);
    w->body.len += part.len;
    web_skip(&w->client, eaten);
    if (!w->up.done)
        return eaten > 0;
    publish_ask(w);
    return true;
}
