/* SPDX-License-Identifier: Apache-2.0 */
/* Pages: all that comes from outside is escaped. */
#include "server/page.h"

#include <string.h>

static const char html_head[] = "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
                                "<meta name=\"viewport\" content=\"width=device-width\">\n"
                                "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:4em auto;"
                                "padding:0 1em}small{color:#777}</style>\n";

/* -- Accept (RFC 9110 12.5.1) -------------------------------------------------------------------------------------- */

static unsigned weight_parse(struct http_text t)
{
    unsigned weight = 0, unit = 1000;

    for (size_t i = 0; i < t.len && unit > 0; i++) {
        if (t.at[i] == '.')
            continue;
        if (t.at[i] < '0' || t.at[i] > '9')
            break;
        weight += (unsigned)(t.at[i] - '0') * unit;
        unit /= 10;
    }
    return weight > 1000 ? 1000 : weight;
}

static struct http_text text_trim(struct http_text t)
{
    while (t.len > 0 && (t.at[0] == ' ' || t.at[0] == '\t'))
        t.at++, t.len--;
    while (t.len > 0 && (t.at[t.len - 1] == ' ' || t.at[t.len - 1] == '\t'))
        t.len--;
    return t;
}

/* Cuts `t` at the first ';'; the rest is returned. */
static struct http_text parameter_shift(struct http_text *t)
{
    const char *mark = memchr(t->at, ';', t->len);
    struct http_text rest = {t->at + t->len, 0};

    if (mark != NULL) {
        rest = (struct http_text){mark + 1, t->len - (size_t)(mark - t->at) - 1};
        t->len = (size_t)(mark - t->at);
    }
    *t = text_trim(*t);
    return rest;
}

static unsigned parameters_weight(struct http_text rest)
{
    while (rest.len > 0) {
        struct http_text one = rest;
        rest = parameter_shift(&one);
        if (one.len > 2 && (one.at[0] | 0x20) == 'q' && one.at[1] == '=')
            return weight_parse((struct http_text){one.at + 2, one.len - 2});
    }
    return 1000;
}

static bool type_format(struct http_text type, enum page_format *format, bool *named)
{
    *named = true;
    if (http_text_is(type, "text/html") || http_text_is(type, "application/xhtml+xml")) {
        *format = PAGE_HTML;
    } else if (http_text_is(type, "application/json") || http_text_is(type, "application/problem+json")) {
        *format = PAGE_JSON;
    } else {
        *format = PAGE_TEXT;
        *named = http_text_is(type, "text/plain");
        return *named || http_text_is(type, "text/*") || http_text_is(type, "*/*");
    }
    return true;
}

void page_accept(struct page_accept *a, struct http_text value)
{
    struct http_text element;

    while (http_list_next(&value, &element)) {
        struct http_text parameters = parameter_shift(&element);
        enum page_format format;
        bool named;
        if (!type_format(element, &format, &named))
            continue;
        unsigned q = parameters_weight(parameters);
        unsigned weight = q == 0 ? 0 : q + named;
        if (weight > a->weight)
            *a = (struct page_accept){format, weight};
    }
}

const char *page_content_type(enum page_format f)
{
    static const char *const types[] = {
        [PAGE_TEXT] = "text/plain; charset=utf-8",
        [PAGE_HTML] = "text/html; charset=utf-8",
        [PAGE_JSON] = "application/json",
    };
    return types[f];
}

/* -- pages --------------------------------------------------------------------------------------------------------- */

static void html_title(struct text *out, const char *title)
{
    text_add(out, html_head, sizeof(html_head) - 1);
    text_add(out, "<title>", 7);
    text_add_html(out, title);
    text_add(out, "</title>\n<h1>", 13);
    text_add_html(out, title);
    text_add(out, "</h1>\n", 6);
}

static void error_html(struct text *out, const struct error *e, unsigned status, const char *about, const char *detail)
{
    html_title(out, e->text);
    text_add(out, "<p>", 3);
    if (about != NULL) {
        text_add(out, "<code>", 6);
        text_add_html(out, about);
        text_add(out, "</code>: ", 9);
    }
    text_add_html(out, detail == NULL ? e->text : detail);
    text_format(out, ".</p>\n<p><small>%u %s &middot; mdm-tunnel</small></p>\n</html>\n", status, e->name);
}

static void error_json(struct text *out, const struct error *e, unsigned status, const char *about, const char *detail)
{
    text_format(out, "{\"error\":\"%s\",\"status\":%u,\"message\":\"", e->name, status);
    text_add_json(out, e->text);
    text_add(out, "\"", 1);
    if (detail != NULL) {
        text_add(out, ",\"detail\":\"", 11);
        text_add_json(out, detail);
        text_add(out, "\"", 1);
    }
    if (about != NULL) {
        text_add(out, ",\"name\":\"", 9);
        text_add_json(out, about);
        text_add(out, "\"", 1);
    }
    text_add(out, "}\n", 2);
}

void page_error(struct text *out, enum page_format f, const struct error *e, unsigned status, const char *about,
                const char *detail)
{
    if (f == PAGE_HTML) {
        error_html(out, e, status, about, detail);
    } else if (f == PAGE_JSON) {
        error_json(out, e, status, about, detail);
    } else {
        text_format(out, "%u %s: ", status, e->name);
        if (about != NULL) {
            text_add(out, about, strlen(about));
            text_add(out, ": ", 2);
        }
        text_format(out, "%s\n", detail == NULL ? e->text : detail);
    }
}

static void listing_url(struct text *out, const struct page_places *at, const struct edge_service *service,
                        void (*add)(struct text *, const char *))
{
    bool tls = service->kind == STREAM_KIND_TLS;

    add(out, tls ? "https" : at->scheme);
    add(out, "://");
    add(out, service->name);
    add(out, ".");
    add(out, tls ? at->tls_suffix : at->suffix);
    add(out, "/");
}

/* The next service from `i` on that has a URL; `count`: there is none. Those of kind tcp are at a port. */
static size_t listed(const struct edge_service *list, size_t count, size_t i)
{
    while (i < count && list[i].kind == STREAM_KIND_TCP)
        i++;
    return i;
}

static void text_add_plain(struct text *t, const char *s) { text_add(t, s, strlen(s)); }

static void listing_html(struct text *out, const char *client, const struct page_places *at,
                         const struct edge_service *list, size_t count)
{
    html_title(out, client);
    bool none = listed(list, count, 0) == count;
    text_add_plain(out, none ? "<p>No services.</p>\n" : "<ul>\n");
    for (size_t i = listed(list, count, 0); i < count; i = listed(list, count, i + 1)) {
        text_add_plain(out, "<li><a href=\"");
        listing_url(out, at, &list[i], text_add_html);
        text_add_plain(out, "\">");
        text_add_html(out, list[i].name);
        text_add_plain(out, "</a></li>\n");
    }
    text_add_plain(out, none ? "</html>\n" : "</ul>\n</html>\n");
}

static void listing_json(struct text *out, const char *client, const struct page_places *at,
                         const struct edge_service *list, size_t count)
{
    text_add_plain(out, "{\"client\":\"");
    text_add_json(out, client);
    text_add_plain(out, "\",\"services\":[");
    size_t first = listed(list, count, 0);
    for (size_t i = first; i < count; i = listed(list, count, i + 1)) {
        text_add_plain(out, i == first ? "{\"name\":\"" : ",{\"name\":\"");
        text_add_json(out, list[i].name);
        text_add_plain(out, "\",\"url\":\"");
        listing_url(out, at, &list[i], text_add_json);
        text_add_plain(out, "\"}");
    }
    text_add_plain(out, "]}\n");
}

void page_listing(struct text *out, enum page_format f, const char *client, const struct page_places *at,
                  const struct edge_service *list, size_t count)
{
    if (f == PAGE_HTML) {
        listing_html(out, client, at, list, count);
    } else if (f == PAGE_JSON) {
        listing_json(out, client, at, list, count);
    } else {
        for (size_t i = listed(list, count, 0); i < count; i = listed(list, count, i + 1)) {
            listing_url(out, at, &list[i], text_add_plain);
            text_add(out, "\n", 1);
        }
    }
}

static void status_html(void *ctx, const char *name, const char *meaning, const char *value)
{
    struct text *out = ctx;

    (void)name;
    text_put(out, "<tr><td>");
    text_add_html(out, meaning);
    text_put(out, "</td><td>");
    text_add_html(out, value);
    text_put(out, "</td></tr>\n");
}

static void status_text(void *ctx, const char *name, const char *meaning, const char *value)
{
    (void)meaning;
    text_format(ctx, "%s %s\n", name, value);
}

void page_status(struct text *out, enum page_format f, const struct status *s)
{
    if (f == PAGE_JSON) {
        status_json(out, s);
    } else if (f == PAGE_HTML) {
        html_title(out, "mdm-tunnel");
        text_put(out, "<table>\n");
        status_each(s, status_html, out);
        text_put(out, "</table>\n</html>\n");
    } else {
        status_each(s, status_text, out);
    }
}
