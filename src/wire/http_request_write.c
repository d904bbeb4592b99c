/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a request, as the service gets it. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "wire/http_chars.h"
#include "wire/http_request.h"

/* What has been written of the things that stand once. */
struct head {
    struct bytes_writer *w;
    const struct http_request *request;
    const struct http_request_facts *facts;
    const struct http_visitor *visitor;
    bool framed, te, proto, host, port;
};

static void write_text(struct head *h, struct http_text t)
{
    if (t.len > 0)
        bytes_write(h->w, t.at, t.len);
}

static void write_words(struct head *h, const char *s)
{
    bytes_write(h->w, s, strlen(s));
}

static void write_number(struct head *h, uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
    bytes_write(h->w, digits, (size_t)len);
}

static void write_field(struct head *h, struct http_text name, struct http_text value)
{
    write_text(h, name);
    write_words(h, ": ");
    write_text(h, http_text_trim(value));
    write_words(h, "\r\n");
}

/* -- the request line ---------------------------------------------------------------------------------------------- */

static void write_line(struct head *h)
{
    const struct http_target *target = &h->facts->target;
    bool is_options = h->request->method.len == 7 && memcmp(h->request->method.at, "OPTIONS", 7) == 0;
    write_text(h, h->request->method);
    write_words(h, " ");
    if (target->path.len == 0)
        write_words(h, is_options ? "*" : "/");
    else if (target->path.at[0] == '?')
        write_words(h, "/");
    write_text(h, target->path);
    write_words(h, " HTTP/1.1\r\n");
}

/* -- fields that came ---------------------------------------------------------------------------------------------- */

static void write_framing(struct head *h)
{
    if (h->framed)
        return;
    h->framed = true;
    if (h->facts->framing == HTTP_FRAMING_CHUNKED) {
        write_words(h, "Transfer-Encoding: chunked\r\n");
    } else if (h->facts->framing == HTTP_FRAMING_LENGTH) {
        write_words(h, "Content-Length: ");
        write_number(h, h->facts->content_length);
        write_words(h, "\r\n");
    }
}

static void write_te(struct head *h, struct http_text value)
{
    if (h->te || !http_list_has(value, "trailers"))
        return;
    h->te = true;
    write_words(h, "TE: trailers\r\n");
}

enum forwarded { FORWARDED_NOT, FORWARDED_LIST, FORWARDED_OTHER, FORWARDED_DISGUISED };

/* CGI and its heirs read '_' in a name as '-': such a name is not let through from anybody. */
static enum forwarded forwarded_kind(struct http_text name)
{
    static const char prefix[] = "x-forwarded-";
    bool disguised = false;
    if (http_text_is(name, "forwarded"))
        return FORWARDED_LIST;
    for (size_t i = 0; prefix[i] != '\0'; i++) {
        if (i == name.len)
            return FORWARDED_NOT;
        disguised |= prefix[i] == '-' && name.at[i] == '_';
        if (http_lower(name.at[i]) != prefix[i] && !(prefix[i] == '-' && name.at[i] == '_'))
            return FORWARDED_NOT;
    }
    if (disguised)
        return FORWARDED_DISGUISED;
    return http_text_is(name, "x-forwarded-for") ? FORWARDED_LIST : FORWARDED_OTHER;
}

/* The lists are written with ours at the end. */
static void write_forwarded_from_trusted(struct head *h, const struct http_field *f)
{
    h->proto |= http_text_is(f->name, "x-forwarded-proto");
    h->host |= http_text_is(f->name, "x-forwarded-host");
    h->port |= http_text_is(f->name, "x-forwarded-port");
    write_field(h, f->name, f->value);
}

static void write_as_it_came(struct head *h, const struct http_field *f)
{
    enum forwarded kind = forwarded_kind(f->name);
    if (kind == FORWARDED_OTHER && h->visitor->trusted)
        write_forwarded_from_trusted(h, f);
    else if (kind == FORWARDED_NOT && !http_field_hop_by_hop(f->name) && !http_hops_names(&h->facts->hops, f->name))
        write_field(h, f->name, f->value);
}

static void write_fields(struct head *h)
{
    for (size_t i = 0; i < h->request->field_count; i++) {
        const struct http_field *f = &h->request->fields[i];
        if (http_text_is(f->name, "content-length") || http_text_is(f->name, "transfer-encoding"))
            write_framing(h);
        else if (http_text_is(f->name, "te"))
            write_te(h, f->value);
        else if (http_text_is(f->name, "upgrade") && h->facts->upgrade)
            write_field(h, f->name, f->value);
        else
            write_as_it_came(h, f);
    }
}

/* -- fields of ours ------------------------------------------------------------------------------------------------ */

static void write_connection(struct head *h)
{
    if (!h->facts->upgrade && !h->te)
        return;
    write_words(h, "Connection: ");
    write_words(h, !h->facts->upgrade ? "TE\r\n" : h->te ? "Upgrade, TE\r\n" : "Upgrade\r\n");
}

/* "Name: " and what a trusted visitor says in fields of this name, as one list that ours is added to. */
static void write_list_start(struct head *h, const char *name, const char *lower_case)
{
    write_words(h, name);
    for (size_t i = 0; h->visitor->trusted && i < h->request->field_count; i++) {
        const struct http_field *f = &h->request->fields[i];
        struct http_text value = http_text_trim(f->value);
        if (value.len == 0 || !http_text_is(f->name, lower_case))
            continue;
        write_text(h, value);
        write_words(h, ", ");
    }
}

static struct http_text visitor_address(const struct head *h)
{
    return h->visitor->address.len > 0 ? h->visitor->address : http_text_of("unknown");
}

/* token or quoted-string (RFC 7239 4); an authority has nothing that needs a backslash. */
static void write_forwarded_value(struct head *h, struct http_text value)
{
    const char *quote = http_token_valid(value) ? "" : "\"";
    write_words(h, quote);
    write_text(h, value);
    write_words(h, quote);
}

static void write_forwarded(struct head *h)
{
    struct http_text address = visitor_address(h);
    bool ipv6 = memchr(address.at, ':', address.len) != NULL;
    write_list_start(h, "Forwarded: ", "forwarded");
    write_words(h, ipv6 ? "for=\"[" : "for=");
    write_text(h, address);
    write_words(h, ipv6 ? "]\";host=" : ";host=");
    write_forwarded_value(h, h->facts->host);
    write_words(h, ";proto=");
    write_text(h, h->visitor->scheme);
    write_words(h, "\r\n");
}

static unsigned visitor_port(const struct head *h)
{
    if (h->visitor->port > 0)
        return h->visitor->port;
    if (h->facts->authority.port > 0)
        return h->facts->authority.port;
    return http_text_is(h->visitor->scheme, "https") ? 443 : 80;
}

static void write_x_forwarded(struct head *h)
{
    write_list_start(h, "X-Forwarded-For: ", "x-forwarded-for");
    write_text(h, visitor_address(h));
    write_words(h, "\r\n");
    if (!h->proto)
        write_field(h, http_text_of("X-Forwarded-Proto"), h->visitor->scheme);
    if (!h->host)
        write_field(h, http_text_of("X-Forwarded-Host"), h->facts->host);
    if (!h->port) {
        write_words(h, "X-Forwarded-Port: ");
        write_number(h, visitor_port(h));
        write_words(h, "\r\n");
    }
}

void http_request_write(struct bytes_writer *w, const struct http_request *r, const struct http_request_facts *facts,
                        const struct http_visitor *v)
{
    struct head h = {.w = w, .request = r, .facts = facts, .visitor = v};
    write_line(&h);
    write_fields(&h);
    write_framing(&h);
    write_connection(&h);
    write_x_forwarded(&h);
    write_forwarded(&h);
    write_words(&h, "\r\n");
}
