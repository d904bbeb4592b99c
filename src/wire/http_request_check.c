/* SPDX-License-Identifier: Apache-2.0 */
/* Is a visitor's request one that we may pass on? */
#include <string.h>

#include "wire/http_chars.h"
#include "wire/http_field.h"
#include "wire/http_request.h"

/* While the fields are walked. */
struct check {
    struct http_request_facts *facts;
    struct http_body_facts body;
    size_t hosts;
    bool upgrade_named, upgrade_forbidden;
    const char **why;
};

static const struct error *refuse(const char **why, const char *words)
{
    *why = words;
    return &error_bad_request;
}

/* -- the request line ---------------------------------------------------------------------------------------------- */

static const struct error *line_check(const struct http_request *r, struct http_target *target, const char **why)
{
    if (!http_token_valid(r->method))
        return refuse(why, "the method is not a token");
    if (r->method.len == 7 && memcmp(r->method.at, "CONNECT", 7) == 0) {
        *why = "CONNECT is for proxies";
        return &error_method_not_allowed;
    }
    if (!http_target_parse(r->target, target))
        return refuse(why, "the target is not valid");
    bool is_options = r->method.len == 7 && memcmp(r->method.at, "OPTIONS", 7) == 0;
    if (target->form == HTTP_TARGET_ASTERISK && !is_options)
        return refuse(why, "the target * is for OPTIONS only");
    return NULL;
}

static unsigned scheme_port(struct http_text scheme)
{
    if (http_text_is(scheme, "http") || http_text_is(scheme, "ws"))
        return 80;
    return http_text_is(scheme, "https") || http_text_is(scheme, "wss") ? 443 : 0;
}

static const struct error *absolute_check(const struct http_request_facts *facts, const char **why)
{
    struct http_authority a;
    unsigned port = scheme_port(facts->target.scheme);
    if (port == 0)
        return refuse(why, "the target's scheme is not HTTP's");
    if (!http_authority_parse(facts->target.authority, &a))
        return refuse(why, "the target's authority is not valid");
    unsigned target_port = a.port > 0 ? a.port : port;
    unsigned host_port = facts->authority.port > 0 ? facts->authority.port : port;
    if (!http_text_equal(a.host, facts->authority.host) || target_port != host_port)
        return refuse(why, "the target is not for Host");
    return NULL;
}

/* -- fields -------------------------------------------------------------------------------------------------------- */

/* h2c would carry requests that nobody here sees. */
static void upgrade_take(struct check *c, struct http_text value)
{
    struct http_text protocol;
    while (http_list_next(&value, &protocol)) {
        c->upgrade_named = true;
        if (protocol.len >= 2 && http_text_is((struct http_text){protocol.at, 2}, "h2"))
            c->upgrade_forbidden = true;
    }
}

static const struct error *field_check(struct check *c, const struct http_field *raw)
{
    const struct http_field f = {raw->name, http_text_trim(raw->value)};
    if (!http_token_valid(f.name))
        return refuse(c->why, "a field's name is not a token");
    if (!http_field_value_valid(f.value))
        return refuse(c->why, "a control byte in a field");
    if (!http_body_facts_add(&c->body, &f, c->why))
        return &error_bad_request;
    if (!http_hops_add(&c->facts->hops, &f))
        return refuse(c->why, "too many options in Connection");
    if (http_text_is(f.name, "host")) {
        c->hosts++;
        c->facts->host = f.value;
    } else if (http_text_is(f.name, "upgrade")) {
        upgrade_take(c, f.value);
    } else if (http_text_is(f.name, "expect")) {
        c->facts->expect_continue |= http_list_has(f.value, "100-continue");
    }
    return NULL;
}

static const struct error *fields_check(struct check *c, const struct http_request *r)
{
    if (r->field_count > HTTP_FIELDS_MAX) {
        *c->why = "too many fields";
        return &error_headers_too_large;
    }
    for (size_t i = 0; i < r->field_count; i++) {
        const struct error *e = field_check(c, &r->fields[i]);
        if (e != NULL)
            return e;
    }
    return NULL;
}

static const struct error *host_check(const struct check *c)
{
    if (c->hosts != 1)
        return refuse(c->why, c->hosts == 0 ? "no Host" : "more than one Host");
    if (!http_authority_parse(c->facts->host, &c->facts->authority))
        return refuse(c->why, "Host is not valid");
    return c->facts->target.form == HTTP_TARGET_ABSOLUTE ? absolute_check(c->facts, c->why) : NULL;
}

static const struct error *framing_check(const struct check *c, unsigned minor_version)
{
    const struct http_body_facts *body = &c->body;
    if (body->chunked && body->has_length)
        return refuse(c->why, "Transfer-Encoding and Content-Length");
    if (body->chunked && minor_version == 0)
        return refuse(c->why, "Transfer-Encoding in HTTP/1.0");
    if (body->other_coding) {
        *c->why = "a transfer coding that is not chunked";
        return &error_not_implemented;
    }
    c->facts->content_length = body->length;
    c->facts->framing = body->chunked      ? HTTP_FRAMING_CHUNKED
                        : body->has_length ? HTTP_FRAMING_LENGTH
                                           : HTTP_FRAMING_NONE;
    return NULL;
}

const struct error *http_request_check(const struct http_request *r, struct http_request_facts *facts,
                                       const char **why)
{
    struct check c = {.facts = facts, .why = why};
    facts->expect_continue = false;
    http_hops_init(&facts->hops);
    const struct error *e = line_check(r, &facts->target, why);
    if (e == NULL)
        e = fields_check(&c, r);
    if (e == NULL)
        e = host_check(&c);
    if (e == NULL)
        e = framing_check(&c, r->minor_version);
    if (e != NULL)
        return e;
    bool upgrade = facts->hops.upgrade && c.upgrade_named && !c.upgrade_forbidden;
    facts->upgrade = upgrade && r->minor_version >= 1;
    facts->expect_continue = facts->expect_continue && r->minor_version >= 1;
    return NULL;
}
