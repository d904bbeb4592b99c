/* SPDX-License-Identifier: Apache-2.0 */
/* What a visitor says that routes and pages are made from: "HOST\nDOMAIN\nACCEPT". */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/page.h"
#include "server/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Names that come out are names: normalising them again changes nothing. */
static void check_name(const char *name, bool expected)
{
    char again[64];

    if (!expected)
        assert(name[0] == '\0');
    else
        assert(name_normalise(name, strlen(name), again) && strcmp(name, again) == 0);
}

static void check_route(const char *host, const char *domain)
{
    struct http_authority a;
    struct route r;

    if (!http_authority_parse(http_text_of(host), &a))
        return;
    route_host(a.host, domain, &r);
    check_name(r.client, r.kind == ROUTE_CLIENT || r.kind == ROUTE_SERVICE);
    check_name(r.service, r.kind == ROUTE_SERVICE);
}

static void check_page(enum page_format f, const char *about)
{
    struct text t;

    text_init(&t, 4096);
    page_error(&t, f, &error_unknown_client, 404, about, about);
    assert(t.len <= 4096);
    if (!t.failed && f == PAGE_HTML)
        assert(strstr(t.at, "<script") == NULL);
    if (!t.failed && f == PAGE_JSON)
        assert(memchr(t.at, '<', t.len) == NULL && memchr(t.at, '\n', t.len) == t.at + t.len - 1);
    text_done(&t);
}

static void check_accept(const char *value, const char *about)
{
    struct page_accept a = PAGE_ACCEPT_NONE;

    page_accept(&a, http_text_of(value));
    assert(a.weight <= 1001 && page_content_type(a.format) != NULL);
    check_page(a.format, about);
    check_page(PAGE_HTML, about);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *rest = text;

    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    const char *host = strsep(&rest, "\n"), *domain = strsep(&rest, "\n");
    check_route(host, domain != NULL && domain[0] != '\0' ? domain : NULL);
    check_accept(rest != NULL ? rest : "", host);
    free(text);
    return 0;
}
