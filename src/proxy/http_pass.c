/* SPDX-License-Identifier: Apache-2.0 */
/* A request that may go on, and its answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "proxy/access.h"
#include "proxy/http.h"

/* -- the request ------------------------------------------------------------------------------------------------------ */

static void fields_drop(struct gateway_request *r, const char *lower_case)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->request.field_count; i++)
        if (!http_text_is(r->fields[i].name, lower_case))
            r->fields[kept++] = r->fields[i];
    r->request.field_count = kept;
}

static struct slice head_write(struct gateway *g)
{
    struct gateway_request *r = g->request;
    char address[TCP_ADDRESS_TEXT];
    /* X-Forwarded-Host and Forwarded say the Host once more. */
    size_t room = r->len + r->facts.target.path.len + 2 * r->facts.host.len + 1 * KIB;
    struct chunk *c = chunk_create(room);
    struct bytes_writer out;
    if (c == NULL)
        return SLICE_NONE;
    snprintf(address, sizeof(address), "%s", g->address);
    *strrchr(address, ':') = '\0';
    const struct http_text peer = http_text_of(address);
    bool brackets = peer.len > 1 && peer.at[0] == '[';
    const struct http_visitor visitor = {.address = {peer.at + brackets, peer.len - 2 * brackets},
                                         .scheme = http_text_of(g->door->kind.tls != NULL ? "https" : "http")};
    bytes_writer_init(&out, c->data, room);
    http_request_write(&out, &r->request, &r->facts, &visitor);
    if (out.failed) {
        chunk_unref(c);
        return SLICE_NONE;
    }
    return slice_of(c, 0, bytes_written(&out));
}

bool gateway_head_make(struct gateway *g)
{
    struct gateway_request *r = g->request;
    if (r->collects && (r->facts.framing != HTTP_FRAMING_NONE || g->body.len > 0)) {
        r->facts.framing = HTTP_FRAMING_LENGTH;
        r->facts.content_length = g->body.len;
    }
    fields_drop(r, "expect"); /* who waits for a 100 gets it from us */
    if (r->reads)
        fields_drop(r, "sec-websocket-extensions"); /* they would change what hooks read */
    slice_done(&g->head);
    g->head = head_write(g);
    return g->head.data != NULL;
}

void gateway_request_send(struct gateway *g)
{
    if (g->request->facts.expect_continue && !g->up.done)
        gateway_push(&g->client, slice_static("HTTP/1.1 100 Continue\r\n\r\n", 25));
    gateway_state_set(g, GATEWAY_PASSING);
    gateway_push(&g->server, slice_ref(&g->head));
    if (g->body.len > 0)
        gateway_push(&g->server, slice_ref(&g->body));
}

bool gateway_up_step(struct gateway *g)
{
    struct http_text part;
    size_t eaten;
    if (g->up.done || g->server.out.bytes >= PROXY_OUTPUT_HIGH)
        return false;
    if (!gateway_body_take(&g->up, &g->client, &part, &eaten)) {
        gateway_server_close(g);
        if (g->answered)
            gateway_over(g, "the chunked coding is not valid");
        else
            gateway_reply(g, 400, "the chunked coding is not valid");
        return true;
    }
    if (eaten > 0)
        gateway_body_put(&g->up, &g->server, part);
    gateway_skip(&g->client, eaten);
    return eaten > 0;
}

/* -- the answer ------------------------------------------------------------------------------------------------------- */

static void text_write(struct bytes_writer *out, const char *text) { bytes_write(out, text, strlen(text)); }

static void framing_write(struct bytes_writer *out, const struct gateway *g, const struct http_response *a)
{
    char line[64];
    if (a->status == 101)
        text_write(out, "Connection: Upgrade\r\n");
    if (a->status < 200)
        return;
    if (a->framing == HTTP_FRAMING_LENGTH || (a->framing == HTTP_FRAMING_NONE && a->has_content_length && a->status != 204)) {
        snprintf(line, sizeof(line), "Content-Length: %llu\r\n", (unsigned long long)a->content_length);
        text_write(out, line);
    } else if (g->down.written == HTTP_FRAMING_CHUNKED) {
        text_write(out, "Transfer-Encoding: chunked\r\n");
    }
    if (g->last)
        text_write(out, "Connection: close\r\n");
    else if (g->request->request.minor_version == 0)
        text_write(out, "Connection: keep-alive\r\n");
}

/* What goes to the client; .data NULL: no memory. */
static struct slice answer_write(const struct gateway *g, const struct http_response *a, size_t used)
{
    char line[32];
    size_t room = 2 * used + 256;
    struct chunk *c = chunk_create(room);
    struct bytes_writer out;
    if (c == NULL)
        return SLICE_NONE;
    bytes_writer_init(&out, c->data, room);
    snprintf(line, sizeof(line), "HTTP/1.1 %u ", a->status);
    text_write(&out, line);
    bytes_write(&out, a->reason.at, a->reason.len);
    text_write(&out, "\r\n");
    for (size_t i = 0; i < a->field_count; i++) {
        const struct http_field *f = &a->fields[i];
        if (!http_response_passes(a, f))
            continue;
        bytes_write(&out, f->name.at, f->name.len);
        text_write(&out, ": ");
        bytes_write(&out, f->value.at, f->value.len);
        text_write(&out, "\r\n");
    }
    framing_write(&out, g, a);
    text_write(&out, "\r\n");
    if (!out.failed)
        return slice_of(c, 0, bytes_written(&out));
    chunk_unref(c);
    return SLICE_NONE;
}

static void answer_done(struct gateway *g)
{
    const struct gateway_request *r = g->request;
    log_info(g->address, "%.*s %.*s: %u", (int)r->request.method.len, r->request.method.at, (int)r->request.target.len,
             r->request.target.at, g->status);
    access_request(g, g->status, "");
    if (!g->server_keeps || !g->up.done)
        gateway_server_close(g);
    g->reused = true;
    if (g->last) {
        gateway_close(g, "its last answer has passed");
        return;
    }
    gateway_forget(g);
    gateway_state_set(g, GATEWAY_HEAD);
}

/* The target changes to the protocol that it was asked for, or should have. False: it is answered. */
static bool protocol_changes(struct gateway *g, const struct http_response *a)
{
    const char *why = gateway_upgrade_wrong(g, a);
    if (why != NULL) {
        log_warning(g->address, "the target's answer: %s", why);
        gateway_server_close(g);
        gateway_reply(g, 502, "the target speaks another protocol than it was asked for");
        return false;
    }
    g->extended = false;
    for (size_t i = 0; i < a->field_count; i++)
        g->extended |= http_text_is(a->fields[i].name, "sec-websocket-extensions");
    return true;
}

static void last_answer_begin(struct gateway *g, const struct http_response *a)
{
    bool old = g->request->request.minor_version == 0;
    gateway_body_init(&g->down, a->framing, a->content_length);
    g->last |= !g->up.done || a->framing == HTTP_FRAMING_CLOSE || (old && a->framing == HTTP_FRAMING_CHUNKED);
    if (old && a->framing == HTTP_FRAMING_CHUNKED)
        g->down.written = HTTP_FRAMING_CLOSE;
    g->server_keeps = a->keep_alive;
}

/* A head in `size` bytes, of which `left` are still to be taken from the target's end. */
static void answer_begin(struct gateway *g, const struct http_response *a, size_t size, size_t left)
{
    bool passes = a->status >= 101 && (a->status >= 200 || a->status == 101 || g->request->request.minor_version > 0);
    if (a->status == 101 && !protocol_changes(g, a))
        return;
    if (a->status >= 200)
        last_answer_begin(g, a);
    slice_done(&g->answer);
    if (passes)
        g->answer = answer_write(g, a, size);
    gateway_skip(&g->server, left);
    g->status = a->status;
    if (passes && g->answer.data == NULL)
        gateway_over(g, "out of memory");
    else if (passes && gateway_is_seen(g))
        gateway_head_ask(g, GATEWAY_ANSWER_AFTER);
    else if (passes)
        gateway_answer_leave(g);
}

/* A hook may have changed its status. */
void gateway_answer_leave(struct gateway *g)
{
    unsigned status = g->status = (unsigned)strtoul((const char *)g->answer.data + sizeof("HTTP/1.1 ") - 1, NULL, 10);
    gateway_push(&g->client, g->answer);
    g->answer = SLICE_NONE;
    if (status == 101) {
        gateway_frames_begin(g);
    } else if (status >= 200) {
        g->answered = true;
        if (g->down.done && g->state == GATEWAY_PASSING)
            answer_done(g);
    }
}

static bool answer_parse(struct gateway *g, struct http_response *a, const void *bytes, size_t len, size_t *scanned, size_t *used,
                         bool *more)
{
    const char *why = "";
    enum http_parse end = http_response_parse(a, bytes, len, g->request->to_head, scanned, used, &why);
    *more = end == HTTP_PARSE_MORE;
    if (end != HTTP_PARSE_BAD)
        return true;
    log_warning(g->address, "the target's answer: %s", why);
    gateway_server_close(g);
    gateway_reply(g, 502, "the target's answer is not valid");
    return false;
}

void gateway_answer_take(struct gateway *g)
{
    struct http_response a;
    struct slice head = g->answer;
    size_t used = 0, scanned = 0;
    bool more;
    g->answer = SLICE_NONE;
    if (answer_parse(g, &a, head.data, head.len, &scanned, &used, &more))
        answer_begin(g, &a, head.len, 0);
    slice_done(&head);
}

static bool answer_head_step(struct gateway *g)
{
    struct http_response a;
    struct gateway_end *e = &g->server;
    size_t used = 0;
    bool more;
    if (e->len == 0)
        return false;
    if (!answer_parse(g, &a, e->in + e->at, e->len, &e->scanned, &used, &more))
        return true;
    if (more)
        return false;
    e->scanned = 0;
    if (!gateway_is_seen(g) || a.status == 100) {
        answer_begin(g, &a, used, used);
        return true;
    }
    g->status = a.status;
    g->answer = slice_copy(e->in + e->at, used);
    gateway_skip(e, used);
    gateway_head_ask(g, GATEWAY_ANSWER_BEFORE);
    return true;
}

bool gateway_down_step(struct gateway *g)
{
    struct http_text part;
    size_t eaten;
    if (g->q != NULL || g->client.out.bytes >= PROXY_OUTPUT_HIGH)
        return false;
    if (!g->answered)
        return answer_head_step(g);
    if (!gateway_body_take(&g->down, &g->server, &part, &eaten)) {
        gateway_over(g, "the target's chunked coding is not valid");
        return true;
    }
    if (eaten == 0)
        return false;
    gateway_body_put(&g->down, &g->client, part);
    gateway_skip(&g->server, eaten);
    if (g->down.done && g->state == GATEWAY_PASSING)
        answer_done(g);
    return true;
}

/* RFC 9110 9.2.2: asked twice is as asked once. */
static bool is_idempotent(const struct gateway_request *r)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (r->request.method.len == strlen(methods[i]) && memcmp(r->request.method.at, methods[i], r->request.method.len) == 0)
            return true;
    return false;
}

void gateway_server_ended(struct gateway *g, bool clean)
{
    const struct gateway_request *r = g->request;
    bool began = g->answered || g->server.len > 0;
    gateway_server_close(g);
    if (g->answered && g->down.framing == HTTP_FRAMING_CLOSE && clean) {
        answer_done(g);
    } else if (g->answered) {
        gateway_over(g, "the target has cut its answer short");
    } else if (!began && g->reused && is_idempotent(r) && (r->collects || r->facts.framing == HTTP_FRAMING_NONE)) {
        g->reused = false; /* it was about to close when this one came: once more */
        gateway_dial(g);
    } else {
        gateway_reply(g, 502, "the target has closed the connection");
    }
}
