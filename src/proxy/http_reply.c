/* SPDX-License-Identifier: Apache-2.0 */
/* What the proxy itself answers. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proxy/http.h"

static const char *phrase_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *phrase;
    } phrases[] = {
        {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"},
        {408, "Request Timeout"}, {413, "Content Too Large"}, {429, "Too Many Requests"}, {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Refused";
}

void web_reply(struct web *w, unsigned status, const char *words)
{
    char text[1024];
    const struct web_request *r = w->request;
    bool keeps = !w->last && r != NULL && w->up.done;
    bool body = r == NULL || !r->to_head;
    int len = snprintf(text, sizeof(text),
                       "HTTP/1.1 %u %s\r\n%sContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
                       "%s\r\n%s%s",
                       status, phrase_of(status), status == 401 ? "WWW-Authenticate: Basic realm=\"mdm-tunnel\", charset=\"UTF-8\"\r\n" : "",
                       strlen(words) + 1, keeps ? "" : "Connection: close\r\n", body ? words : "", body ? "\n" : "");
    web_push_copy(&w->client, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
    log_info(w->address, "%.*s %.*s: %u %s", r != NULL ? (int)r->request.method.len : 1, r != NULL ? r->request.method.at : "-",
             r != NULL ? (int)r->request.target.len : 1, r != NULL ? r->request.target.at : "-", status, words);
    if (w->state >= WEB_CLOSING)
        return;
    if (!keeps) {
        web_close(w, words);
        return;
    }
    web_forget(w);
    web_state_set(w, WEB_HEAD);
}
