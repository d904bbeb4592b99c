/* SPDX-License-Identifier: Apache-2.0 */
/* The request for a WebSocket (RFC 6455 4), and the target's answer. */
#include "gate/accept_key.h"
#include "proxy/http.h"

static struct http_text field_of(const struct gateway_request *r, const char *name)
{
    for (size_t i = 0; i < r->request.field_count; i++)
        if (http_text_is(r->fields[i].name, name))
            return r->fields[i].value;
    return (struct http_text){NULL, 0};
}

unsigned gateway_upgrade_check(struct gateway *g, const char **why)
{
    struct gateway_request *r = g->request;
    struct websocket_offer offer;
    r->upgrade = websocket_wanted(&r->request, &r->facts, NULL);
    r->facts.upgrade = r->upgrade; /* to another protocol: RFC 9110 7.8 lets us overlook that */
    if (!r->upgrade)
        return 0;
    if (g->door->kind.origins != NULL && !websocket_origin_listed(&r->request, g->door->kind.origins)) {
        *why = "pages of this origin must not ask for a WebSocket here";
        return 403;
    }
    return websocket_offer_check(&r->request, &r->facts, NULL, &offer, why);
}

const char *gateway_upgrade_wrong(struct gateway *g, const struct http_response *a)
{
    const struct gateway_request *r = g->request;
    char accept[WEBSOCKET_ACCEPT_BYTES + 1];
    if (!r->upgrade)
        return "it changes the protocol, which nobody asked for";
    if (!websocket_accept_key(field_of(r, "sec-websocket-key"), accept))
        return "out of memory";
    for (size_t i = 0; i < a->field_count; i++)
        if (r->reads && http_text_is(a->fields[i].name, "sec-websocket-extensions"))
            return "it has an extension of WebSocket that nobody offered";
    return websocket_answer_wrong(a, accept, NULL);
}
