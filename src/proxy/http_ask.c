/* SPDX-License-Identifier: Apache-2.0 */
/* The questions about a request: who asks, and may it go on? */
#include <stdlib.h>
#include <string.h>

#include "mqtt/topic.h"
#include "proxy/http.h"
#include "wire/http_head_edit.h"

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

static void credentials_find(const struct gateway_request *r, struct credentials *c)
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

static void connect_allowed(struct gateway *g);
static void subscribe_allowed(struct gateway *g, struct mdm_question *q);
static void publish_allowed(struct gateway *g, struct mdm_question *q);
static void depart(struct gateway *g);

static void question_denied(struct gateway *g, struct mdm_question *q)
{
    static const struct denial {
        enum counter counter; /* COUNTER_MAX: none */
        unsigned status;
        const char *words;
    } denials[] = {
        [GATEWAY_REQUEST_BEFORE] = {COUNTER_MAX, 403, "not allowed"},
        [GATEWAY_CONNECT] = {COUNTER_proxy_connects_denied, 401, "not authorized"},
        [GATEWAY_SUBSCRIBE] = {COUNTER_proxy_subscribes_denied, 403, "not allowed"},
        [GATEWAY_PUBLISH] = {COUNTER_proxy_publishes_denied, 403, "not allowed"},
        [GATEWAY_REQUEST_AFTER] = {COUNTER_MAX, 403, "not allowed"},
        [GATEWAY_ANSWER_BEFORE] = {COUNTER_MAX, 502, "a hook has refused the target's answer"},
        [GATEWAY_ANSWER_AFTER] = {COUNTER_MAX, 502, "a hook has refused the target's answer"},
    };
    const struct denial *d = &denials[g->asks];
    const char *words;
    unsigned status = question_status(q, &words);
    if (d->counter != COUNTER_MAX)
        counter_add(counters_self(), d->counter, 1);
    if (g->asks >= GATEWAY_ANSWER_BEFORE) {
        slice_done(&g->answer);
        if (g->status < 200 && g->status != 101) /* the last one is still to come */
            return;
        gateway_server_close(g);
    }
    gateway_reply(g, status != 0 ? status : d->status, words != NULL ? words : d->words);
}

/* A head may be another one now. */
static void head_allowed(struct gateway *g, struct mdm_question *q)
{
    struct slice *head = g->asks == GATEWAY_REQUEST_AFTER ? &g->head : &g->answer;
    bool changed = question_changed(q, MDM_PACKET);
    if (g->asks == GATEWAY_REQUEST_BEFORE) {
        if (changed)
            gateway_request_replace(g, question_field(q, MDM_PACKET));
        else
            gateway_connect_ask(g);
        return;
    }
    if (changed) {
        slice_done(head);
        *head = question_take(q, MDM_PACKET);
    }
    if (g->asks == GATEWAY_REQUEST_AFTER)
        depart(g);
    else if (g->asks == GATEWAY_ANSWER_BEFORE)
        gateway_answer_take(g);
    else
        gateway_answer_leave(g);
}

static void question_answered(struct gateway *g, struct mdm_question *q, bool allowed)
{
    if (!allowed)
        question_denied(g, q);
    else if (g->asks == GATEWAY_CONNECT)
        connect_allowed(g);
    else if (g->asks == GATEWAY_SUBSCRIBE)
        subscribe_allowed(g, q);
    else if (g->asks == GATEWAY_PUBLISH)
        publish_allowed(g, q);
    else
        head_allowed(g, q);
    question_free(&q);
}

static void question_done(void *ctx, struct mdm_question *q, bool allowed)
{
    struct gateway *g = ctx;
    CHECK_OBJECT(g, GATEWAY_MAGIC);
    g->q = NULL;
    gateway_moved(g);
    question_answered(g, q, allowed);
    gateway_run(g);
}

static void ask(struct gateway *g, enum gateway_asks asks, struct mdm_question *q)
{
    if (q == NULL) {
        gateway_over(g, "out of memory");
        return;
    }
    if (asks < GATEWAY_ANSWER_BEFORE)
        gateway_state_set(g, GATEWAY_ASKING);
    g->asks = (uint8_t)asks;
    g->asked_us = worker_now_us(g->post->worker);
    g->q = q;
    enum mdm_verdict verdict = question_ask(q, g->post->worker, question_done, g);
    if (verdict == MDM_LATER) {
        gateway_watch(g);
        return;
    }
    g->q = NULL;
    question_answered(g, q, verdict == MDM_ALLOW);
}

bool gateway_is_seen(const struct gateway *g) { return g->session != NULL && g->post->common->wants->intercept; }

void gateway_head_ask(struct gateway *g, enum gateway_asks asks)
{
    bool answer = asks >= GATEWAY_ANSWER_BEFORE, before = asks == GATEWAY_REQUEST_BEFORE || asks == GATEWAY_ANSWER_BEFORE;
    struct slice copy = SLICE_NONE, head = answer ? g->answer : g->head;
    if (asks == GATEWAY_REQUEST_BEFORE)
        head = copy = slice_copy(g->request->head, g->request->len);
    if (head.data == NULL)
        gateway_over(g, "out of memory");
    else
        ask(g, asks, question_packet(g->post->common->hooks, g->session, answer ? MDM_TO_CLIENT : MDM_TO_BROKER,
                                     before ? MDM_BEFORE : MDM_AFTER, answer ? MDM_HTTP_RESPONSE : MDM_HTTP_REQUEST, head, NULL));
    slice_done(&copy);
}

void gateway_connect_ask(struct gateway *g)
{
    struct credentials c;
    const struct proxy_common *common = g->post->common;
    credentials_find(g->request, &c);
    if (!hook_session_set_username(g->session, c.user)) {
        gateway_over(g, "out of memory");
    } else if (!common->wants->auth_connect) {
        connect_allowed(g);
    } else {
        struct mqtt_connect packet = {.clean_start = true, .username = c.user, .password = c.password};
        ask(g, GATEWAY_CONNECT, question_connect(common->hooks, g->session, &packet));
    }
    explicit_bzero(c.space, sizeof(c.space));
}

/* What comes down a WebSocket is what its path gives to who subscribes to it. */
static void subscribe_ask(struct gateway *g)
{
    const struct proxy_common *common = g->post->common;
    const struct mqtt_filter filter = {.filter = gateway_topic(g->request)};
    if (!common->wants->auth_subscribe)
        subscribe_allowed(g, NULL);
    else
        ask(g, GATEWAY_SUBSCRIBE, question_subscribe(common->hooks, g->session, &filter));
}

void gateway_publish_ask(struct gateway *g)
{
    const struct proxy_common *common = g->post->common;
    struct mqtt_span topic = gateway_topic(g->request);
    struct mqtt_publish packet = {.topic = topic, .payload = {g->body.data != NULL ? g->body.data : (const uint8_t *)"", g->body.len}};
    if (!common->wants->auth_publish)
        publish_allowed(g, NULL);
    else
        ask(g, GATEWAY_PUBLISH, question_publish(common->hooks, g->session, topic, &packet, false, NULL, g->body.chunk));
}

/* -- and then --------------------------------------------------------------------------------------------------------- */

/* The target's prefix, and what stands below ours. False: no memory. */
static bool path_make(struct gateway *g, struct http_text path)
{
    struct gateway_request *r = g->request;
    struct http_text rest;
    gateway_prefix_strip(g, path, &rest);
    size_t len = strlen(g->door->forward);
    bool slash = rest.len == 0 || rest.at[0] != '/';
    char *made = malloc(len + slash + rest.len + 1);
    if (made == NULL)
        return false;
    memcpy(made, g->door->forward, len);
    made[len] = '/';
    memcpy(made + len + slash, rest.at, rest.len);
    free(r->path);
    r->path = made;
    r->facts.target.path = (struct http_text){made, len + slash + rest.len};
    return true;
}

void gateway_go_on(struct gateway *g)
{
    if (!path_make(g, g->request->facts.target.path) || !gateway_head_make(g))
        gateway_over(g, "out of memory");
    else if (gateway_is_seen(g))
        gateway_head_ask(g, GATEWAY_REQUEST_AFTER);
    else
        depart(g);
}

static void depart(struct gateway *g)
{
    if (g->server.open)
        gateway_request_send(g);
    else
        gateway_dial(g);
}

/* The path that a hook has put there, with the query that the client has said. False: it has been answered. */
static bool path_take(struct gateway *g, struct mdm_question *q)
{
    struct gateway_request *r = g->request;
    struct http_text path = r->facts.target.path, query = {path.at + r->topic.len, path.len - r->topic.len}, rest;
    if (q == NULL || !question_changed(q, MDM_TOPIC))
        return true;
    struct mqtt_span topic = question_field(q, MDM_TOPIC);
    struct http_text given = {(const char *)topic.data, topic.len};
    if (!gateway_prefix_strip(g, given, &rest) || given.at[0] != '/' || !http_target_valid(given)) {
        gateway_reply(g, 500, "a hook has made a path that is not possible");
        return false;
    }
    char *joined = malloc(given.len + query.len + 1);
    if (joined == NULL) {
        gateway_over(g, "out of memory");
        return false;
    }
    memcpy(joined, given.at, given.len);
    memcpy(joined + given.len, query.at, query.len);
    free(r->given);
    r->given = joined;
    r->topic = (struct http_text){joined, given.len};
    r->facts.target.path = (struct http_text){joined, given.len + query.len};
    return true;
}

static void connect_allowed(struct gateway *g)
{
    struct gateway_request *r = g->request;
    if (r->upgrade) {
        subscribe_ask(g);
    } else if (!r->collects) {
        gateway_go_on(g);
    } else {
        if (r->facts.expect_continue && !g->up.done)
            gateway_push(&g->client, slice_static("HTTP/1.1 100 Continue\r\n\r\n", 25));
        gateway_state_set(g, GATEWAY_BODY);
    }
}

static void subscribe_allowed(struct gateway *g, struct mdm_question *q)
{
    if (path_take(g, q))
        gateway_go_on(g);
}

/* A hook may have put another path or body there. */
static void publish_allowed(struct gateway *g, struct mdm_question *q)
{
    const struct proxy_common *common = g->post->common;
    if (q != NULL && question_changed(q, MDM_PAYLOAD)) {
        slice_done(&g->body);
        g->body = question_take(q, MDM_PAYLOAD);
        g->request->facts.framing = HTTP_FRAMING_LENGTH;
    }
    if (!path_take(g, q))
        return;
    if (common->wants->publish) {
        struct mqtt_publish news = {.payload = {g->body.data, g->body.len}};
        hook_chain_publish(common->hooks, g->session, gateway_topic(g->request), &news);
    }
    gateway_go_on(g);
}
