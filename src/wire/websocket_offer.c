/* SPDX-License-Identifier: Apache-2.0 */
/* The request for a WebSocket (RFC 6455 4.2.1), and its answer (4.1). */
#include "wire/websocket.h"

#include <string.h>

/* The only field of this name; with none or several .at is NULL. */
static struct http_text only_of(const struct http_field *fields, size_t field_count, const char *name)
{
    struct http_text value = {NULL, 0};
    unsigned count = 0;
    for (size_t i = 0; i < field_count; i++)
        if (http_text_is(fields[i].name, name) && ++count == 1)
            value = fields[i].value;
    return count == 1 ? value : (struct http_text){NULL, 0};
}

static struct http_text only_field(const struct http_request *r, const char *name)
{
    return only_of(r->fields, r->field_count, name);
}

static bool any_field_has(const struct http_request *r, const char *name, const char *element)
{
    for (size_t i = 0; i < r->field_count; i++)
        if (http_text_is(r->fields[i].name, name) && http_list_has(r->fields[i].value, element))
            return true;
    return false;
}

/* 16 bytes in base64 (RFC 4648 4): 22 digits, the last of which has four zero bits, and "==". */
static bool key_valid(struct http_text key)
{
    if (key.at == NULL || key.len != 24 || key.at[22] != '=' || key.at[23] != '=')
        return false;
    for (size_t i = 0; i < 22; i++) {
        char c = key.at[i];
        bool digit = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
        if (!digit)
            return false;
    }
    char last = key.at[21];
    return last == 'A' || last == 'Q' || last == 'g' || last == 'w';
}

bool websocket_wanted(const struct http_request *r, const struct http_request_facts *facts, const char *protocol)
{
    return facts->upgrade && any_field_has(r, "upgrade", "websocket") &&
           (protocol == NULL || any_field_has(r, "sec-websocket-protocol", protocol));
}

unsigned websocket_offer_check(const struct http_request *r, const struct http_request_facts *facts,
                               const char *protocol, struct websocket_offer *offer, const char **why)
{
    offer->key = only_field(r, "sec-websocket-key");
    offer->origin = only_field(r, "origin");
    if (!facts->upgrade || !any_field_has(r, "upgrade", "websocket")) {
        *why = "no WebSocket is asked for";
        return 426;
    }
    if (!http_text_is(only_field(r, "sec-websocket-version"), "13")) {
        *why = "only version 13 of WebSocket is spoken";
        return 426;
    }
    if (r->method.len != 3 || memcmp(r->method.at, "GET", 3) != 0) {
        *why = "a WebSocket is asked for with GET";
        return 405;
    }
    if (r->minor_version < 1 || facts->framing != HTTP_FRAMING_NONE || !key_valid(offer->key)) {
        *why = "the request for a WebSocket is not valid";
        return 400;
    }
    if (protocol == NULL || any_field_has(r, "sec-websocket-protocol", protocol))
        return 0;
    *why = "the WebSocket does not offer our protocol";
    return 400;
}

/* -- who may ask ------------------------------------------------------------------------------------------------------ */

/* SCHEME://HOST[:PORT], as browsers say it (RFC 6454 6.2); or "null". */
static bool origin_valid(struct http_text origin)
{
    struct http_authority authority;
    const char *colon = origin.len == 0 ? NULL : memchr(origin.at, ':', origin.len);
    if (http_text_is(origin, "null"))
        return true;
    if (colon == NULL || !http_token_valid((struct http_text){origin.at, (size_t)(colon - origin.at)}))
        return false;
    struct http_text rest = {colon + 1, origin.len - (size_t)(colon + 1 - origin.at)};
    return rest.len > 2 && memcmp(rest.at, "//", 2) == 0 &&
           http_authority_parse((struct http_text){rest.at + 2, rest.len - 2}, &authority);
}

static struct http_text list_next(const char **at)
{
    struct http_text element = {*at, strcspn(*at, ",")};
    *at += element.len;
    *at = **at == ',' ? *at + 1 : NULL;
    return http_text_trim(element);
}

bool websocket_origins_valid(const char *origins, struct http_text *wrong)
{
    while (origins != NULL) {
        *wrong = list_next(&origins);
        if (!origin_valid(*wrong))
            return false;
    }
    return true;
}

bool websocket_origin_listed(const struct http_request *r, const char *origins)
{
    struct http_text origin = {NULL, 0};
    unsigned count = 0;
    for (size_t i = 0; i < r->field_count; i++)
        if (http_text_is(r->fields[i].name, "origin") && ++count == 1)
            origin = r->fields[i].value;
    while (count == 1 && origins != NULL)
        if (http_text_equal(list_next(&origins), origin))
            return true;
    return count == 0;
}

/* -- the answer ------------------------------------------------------------------------------------------------------- */

static bool text_is_exactly(struct http_text t, const char *text)
{
    return t.at != NULL && t.len == strlen(text) && memcmp(t.at, text, t.len) == 0;
}

const char *websocket_answer_wrong(const struct http_response *r, const char *accept, const char *protocol)
{
    bool named = false;
    if (r->status != 101)
        return "the server refuses the WebSocket";
    for (size_t i = 0; i < r->field_count; i++)
        named |= http_text_is(r->fields[i].name, "sec-websocket-protocol");
    if (!http_text_is(only_of(r->fields, r->field_count, "upgrade"), "websocket") || !r->hops.upgrade ||
        !text_is_exactly(only_of(r->fields, r->field_count, "sec-websocket-accept"), accept))
        return "the server's answer is none to a request for a WebSocket";
    if (named && protocol != NULL && !text_is_exactly(only_of(r->fields, r->field_count, "sec-websocket-protocol"), protocol))
        return "the server chose another protocol for the WebSocket";
    return NULL;
}
