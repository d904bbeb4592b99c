/* SPDX-License-Identifier: Apache-2.0 */
/* What the proxy itself answers. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proxy/access.h"
#include "proxy/http.h"

static const char *phrase_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *phrase;
    } phrases[] = {
        {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"},
        {408, "Request Timeout"}, {413, "Content Too Large"}, {426, "Upgrade Required"}, {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Refused";
}

/* What has to be said with a status. */
static const char *fields_of(unsigned status)
{
    switch (status) {
    case 401:
        return "WWW-Authenticate: Basic realm=\"mdm-tunnel\", charset=\"UTF-8\"\r\n";
    case 405:
        return "Allow: GET\r\n"; /* of a WebSocket */
    case 426:
        return "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    default:
        return "";
    }
}

void gateway_reply(struct gateway *g, unsigned status, const char *words)
{
    char text[1024];
    const struct gateway_request *r = g->request;
    bool keeps = !g->last && r != NULL && g->up.done;
    bool body = r == NULL || !r->to_head;
    int len = snprintf(text, sizeof(text),
                       "HTTP/1.1 %u %s\r\n%sContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
                       "%s\r\n%s%s",
                       status, phrase_of(status), fields_of(status),
                       strlen(words) + 1, keeps ? "" : "Connection: close\r\n", body ? words : "", body ? "\n" : "");
    gateway_push_copy(&g->client, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
    log_info(g->address, "%.*s %.*s: %u %s", r != NULL ? (int)r->request.method.len : 1, r != NULL ? r->request.method.at : "-",
             r != NULL ? (int)r->request.target.len : 1, r != NULL ? r->request.target.at : "-", status, words);
    access_request(g, status, words);
    if (g->state >= GATEWAY_CLOSING)
        return;
    if (!keeps) {
        gateway_close(g, words);
        return;
    }
    gateway_forget(g);
    gateway_state_set(g, GATEWAY_HEAD);
}
