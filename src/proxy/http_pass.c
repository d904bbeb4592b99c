/* SPDX-License-Identifier: Apache-2.0 */
/* A request that may go on, and its answer. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "proxy/http.h"

/* -- the request ------------------------------------------------------------------------------------------------------ */

/* Who waits for a 100 gets it from us. */
static void expect_drop(struct web_request *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->request.field_count; i++)
        if (!http_text_is(r->fields[i].name, "expect"))
            r->fields[kept++] = r->fields[i];
    r->request.field_count = kept;
}

static struct slice head_write(struct web *w)
{
    struct web_request *r = w->request;
    char address[TCP_ADDRESS_TEXT];
    /* X-Forwarded-Host and Forwarded say the Host once more. */
    size_t room = r->len + r->facts.target.path.len + 2 * r->facts.host.len + 1 * KIB;
    struct chunk *c = chunk_create(room);
    struct bytes_writer out;
    if (c == NULL)
        return SLICE_NONE;
    snprintf(address, sizeof(address), "%s", w->address);
    *strrchr(address, ':') = '\0';
    const struct http_text peer = http_text_of(address);
    bool brackets = peer.len > 1 && peer.at[0] == '[';
    const struct http_visitor visitor = {.address = {peer.at + brackets, peer.len - 2 * brackets},
                                         .scheme = http_text_of(w->door->kind.tls != NULL ? "https" : "http")};
    bytes_writer_init(&out, c->data, room);
    http_request_write(&out, &r->request, &r->facts, &visitor);
    if (out.failed) {
        chunk_unref(c);
        return SLICE_NONE;
    }
    return slice_of(c, 0, bytes_written(&out));
}

void web_request_send(struct web *w)
{
    struct web_request *r = w->request;
    if (r->collects && (r->facts.framing != HTTP_FRAMING_NONE || w->body.len > 0)) {
        r->facts.framing = HTTP_FRAMING_LENGTH;
        r->facts.content_length = w->body.len;
    }
    if (r->facts.expect_continue && !w->up.done)
        web_push(&w->client, slice_static("HTTP/1.1 100 Continue\r\n\r\n", 25));
    expect_drop(r);
    web_state_set(w, WEB_PASSING);
    web_push(&w->server, head_write(w));
    if (w->body.len > 0)
        web_push(&w->server, slice_ref(&w->body));
}

bool web_up_step(struct web *w)
{
    struct http_text part;
    size_t eaten;
    if (w->up.done || w->server.out.bytes >= PROXY_OUTPUT_HIGH)
        return false;
    if (!web_body_take(&w->up, &w->client, &part, &eaten)) {
        web_server_close(w);
        if (w->answered)
            web_end(w, "the chunked coding is not valid");
        else
            web_reply(w, 400, "the chunked coding is not valid");
        return true;
    }
    if (eaten > 0)
        web_body_put(&w->up, &w->server, part);
    web_skip(&w->client, eaten);
    return eaten > 0;
}

/* -- the answer ------------------------------------------------------------------------------------------------------- */

static void text_write(struct bytes_writer *out, const char *text) { bytes_write(out, text, strlen(text)); }

static void framing_write(struct bytes_writer *out, const struct web *w, const struct http_response *a)
{
    char line[64];
    if (a->status < 200)
        return;
    if (a->framing == HTTP_FRAMING_LENGTH || (a->framing == HTTP_FRAMING_NONE && a->has_content_length && a->status != 204)) {
        snprintf(line, sizeof(line), "Content-Length: %llu\r\n", (unsigned long long)a->content_length);
        text_write(out, line);
    } else if (w->down.written == HTTP_FRAMING_CHUNKED) {
        text_write(out, "Transfer-Encoding: chunked\r\n");
    }
    if (w->last)
        text_write(out, "Connection: close\r\n");
    else if (w->request->request.minor_version == 0)
        text_write(out, "Connection: keep-alive\r\n");
}

static void answer_write(struct web *w, const struct http_response *a, size_t used)
{
    char line[32];
    size_t room = 2 * used + 256;
    struct chunk *c = chunk_create(room);
    struct bytes_writer out;
    if (c == NULL) {
        web_end(w, "out of memory");
        return;
    }
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
    framing_write(&out, w, a);
    text_write(&out, "\r\n");
    web_push(&w->client, out.failed ? SLICE_NONE : slice_of(c, 0, bytes_written(&out)));
    if (out.failed)
        chunk_unref(c);
}

static void answer_done(struct web *w)
{
    const struct web_request *r = w->request;
    log_info(w->address, "%.*s %.*s: %u", (int)r->request.method.len, r->request.method.at, (int)r->request.target.len,
             r->request.target.at, w->status);
    if (!w->server_keeps || !w->up.done)
        web_server_close(w);
    w->reused = true;
    if (w->last) {
        web_close(w, "its last answer has passed");
        return;
    }
    web_forget(w);
    web_state_set(w, WEB_HEAD);
}

static void answer_begin(struct web *w, const struct http_response *a, size_t used)
{
    bool old = w->request->request.minor_version == 0;
    if (a->status == 101) {
        web_server_close(w);
        web_reply(w, 502, "the target speaks another protocol than it was asked for");
        return;
    }
    if (a->status < 200) {
        if (a->status != 100 && !old)
            answer_write(w, a, used);
        web_skip(&w->server, used);
        return;
    }
    web_body_init(&w->down, a->framing, a->content_length);
    w->last |= !w->up.done || a->framing == HTTP_FRAMING_CLOSE || (old && a->framing == HTTP_FRAMING_CHUNKED);
    if (old && a->framing == HTTP_FRAMING_CHUNKED)
        w->down.written = HTTP_FRAMING_CLOSE;
    w->answered = true;
    w->status = a->status;
    w->server_keeps = a->keep_alive;
    answer_write(w, a, used);
    web_skip(&w->server, used);
    if (w->down.done && w->state == WEB_PASSING)
        answer_done(w);
}

static bool answer_head_step(struct web *w)
{
    struct http_response a;
    struct web_end *e = &w->server;
    size_t used = 0;
    const char *why = "";
    if (e->len == 0)
        return false;
    enum http_parse end = http_response_parse(&a, (char *)e->in + e->at, e->len, w->request->to_head, &e->scanned, &used, &why);
    if (end == HTTP_PARSE_MORE)
        return false;
    e->scanned = 0;
    if (end == HTTP_PARSE_BAD) {
        log_warning(w->address, "the target's answer: %s", why);
        web_server_close(w);
        web_reply(w, 502, "the target's answer is not valid");
        return true;
    }
    answer_begin(w, &a, used);
    return true;
}

bool web_down_step(struct web *w)
{
    struct http_text part;
    size_t eaten;
    if (w->client.out.bytes >= PROXY_OUTPUT_HIGH)
        return false;
    if (!w->answered)
        return answer_head_step(w);
    if (!web_body_take(&w->down, &w->server, &part, &eaten)) {
        web_end(w, "the target's chunked coding is not valid");
        return true;
    }
    if (eaten == 0)
        return false;
    web_body_put(&w->down, &w->client, part);
    web_skip(&w->server, eaten);
    if (w->down.done && w->state == WEB_PASSING)
        answer_done(w);
    return true;
}

/* RFC 9110 9.2.2: asked twice is as asked once. */
static bool is_idempotent(const struct web_request *r)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (r->request.method.len == strlen(methods[i]) && memcmp(r->request.method.at, methods[i], r->request.method.len) == 0)
            return true;
    return false;
}

void web_server_ended(struct web *w, bool clean)
{
    const struct web_request *r = w->request;
    bool began = w->answered || w->server.len > 0;
    web_server_close(w);
    if (w->answered && w->down.framing == HTTP_FRAMING_CLOSE && clean) {
        answer_done(w);
    } else if (w->answered) {
        web_end(w, "the target has cut its answer short");
    } else if (!began && w->reused && is_idempotent(r) && (r->collects || r->facts.framing == HTTP_FRAMING_NONE)) {
        w->reused = false; /* it was about to close when this one came: once more */
        web_dial(w);
    } else {
        web_reply(w, 502, "the target has closed the connection");
    }
}
