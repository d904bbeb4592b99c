/* SPDX-License-Identifier: Apache-2.0 */
/* From the request for a WebSocket to its 101, or to a refusal (RFC 6455 4.2). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "gate/accept_key.h"
#include "gate/internal.h"
#include "mdm-tunnel/limits.h"

/* What is answered; 0: take it. */
struct verdict {
    unsigned status;
    const char *why;
};

static const char *reason_of(unsigned status)
{
    return status == 403 ? "Forbidden" : status == 404 ? "Not Found" : status == 405 ? "Method Not Allowed" : status == 426 ? "Upgrade Required" : "Bad Request";
}

static bool path_is(struct http_text target, const struct transport_kind *kind)
{
    size_t len = strlen(kind->path);
    bool begins = target.len >= len && memcmp(target.at, kind->path, len) == 0;
    return begins && (target.len == len || target.at[len] == '?' ||
                      (kind->below && (kind->path[len - 1] == '/' || target.at[len] == '/')));
}

static struct verdict request_judge(const struct http_request *r, const struct transport_kind *kind,
                                    struct websocket_offer *offer)
{
    struct http_request_facts facts;
    struct verdict v = {400, "the request is not valid"};
    if (http_request_check(r, &facts, &v.why) != NULL)
        return v;
    if (!path_is(facts.target.path, kind))
        return (struct verdict){404, "there is no WebSocket at this path"};
    if (kind->origins != NULL && !websocket_origin_listed(r, kind->origins))
        return (struct verdict){403, "pages of this origin must not ask for a WebSocket here"};
    v.status = websocket_offer_check(r, &facts, "mqtt", offer, &v.why);
    return v;
}

static void refusal_say(struct transport *t, const struct verdict *v)
{
    char text[512];
    int len = snprintf(text, sizeof(text),
                       "HTTP/1.1 %u %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s%sConnection: close\r\n\r\n%s\n",
                       v->status, reason_of(v->status), strlen(v->why) + 1,
                       v->status == 426 ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" : "",
                       v->status == 405 ? "Allow: GET\r\n" : "", v->why);
    t->events->say(t->ctx, text, (size_t)len);
}

void websocket_failed(struct transport *t, const char *why)
{
    t->websocket->why = why;
    t->websocket->told = true;
    t->events->failed(t->ctx, why);
}

/* The head is there: answers, and gives back what came behind it. */
static void request_done(struct transport *t, const struct http_request *r, size_t used)
{
    struct websocket_end *w = t->websocket;
    struct websocket_offer offer;
    char accept[WEBSOCKET_ACCEPT_BYTES + 1], text[256];
    struct verdict v = request_judge(r, t->kind, &offer);
    if (v.status == 0 && (!websocket_accept_key(offer.key, accept) ||
                          !sock_unread(&t->sock, w->head + used, w->head_len - used))) {
        websocket_failed(t, "out of memory");
        return;
    }
    if (v.status != 0) {
        refusal_say(t, &v);
        websocket_failed(t, v.why);
        return;
    }
    int len = snprintf(text, sizeof(text),
                       "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
                       accept);
    w->open = true;
    if (!t->kind->keep_request) {
        free(w->head);
        w->head = NULL;
    } else {
        w->head_len = used;
    }
    t->events->say(t->ctx, text, (size_t)len);
}

static void head_ended(struct transport *t, ssize_t got)
{
    if (got == 0)
        websocket_failed(t, "the other end closed the connection");
    else if (errno != EAGAIN && errno != EINTR)
        websocket_failed(t, strerror(errno));
}

bool websocket_head_read(struct transport *t, size_t max)
{
    struct websocket_end *w = t->websocket;
    if (w->head == NULL && (w->head = malloc(max)) == NULL) {
        websocket_failed(t, "out of memory");
        return false;
    }
    const struct iovec room = {w->head + w->head_len, max - w->head_len};
    ssize_t got = sock_readv(&t->sock, &room, 1);
    if (got <= 0) {
        head_ended(t, got);
        return false;
    }
    w->head_len += (size_t)got;
    return true;
}

void websocket_request_readable(struct transport *t)
{
    struct websocket_end *w = t->websocket;
    struct http_field fields[WEBSOCKET_REQUEST_FIELDS_MAX];
    struct http_request r;
    size_t used = 0;
    struct verdict v = {400, NULL};
    if (!websocket_head_read(t, WEBSOCKET_REQUEST_MAX))
        return;
    enum http_parse end = http_request_parse(&r, fields, WEBSOCKET_REQUEST_FIELDS_MAX, w->head, w->head_len,
                                             WEBSOCKET_REQUEST_MAX, &w->head_scanned, &used, &v.why);
    if (end == HTTP_PARSE_DONE) {
        request_done(t, &r, used);
    } else if (end == HTTP_PARSE_BAD) {
        refusal_say(t, &v);
        websocket_failed(t, v.why);
    }
}
