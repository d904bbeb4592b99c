/* SPDX-License-Identifier: Apache-2.0 */
/* The small pages that the server answers with itself: HTML, JSON or plain text, by Accept. Pure; any thread. */
#ifndef SERVER_PAGE_H
#define SERVER_PAGE_H

#include "base/text.h"
#include "server/edge.h"
#include "server/status.h"
#include "wire/error.h"
#include "wire/http.h"

enum page_format { PAGE_TEXT, PAGE_HTML, PAGE_JSON };

/* What the Accept fields of one request prefer; the first one listed wins among equals (RFC 9110 12.5.1). */
struct page_accept {
    enum page_format format;
    unsigned weight; /* q in thousandths, plus one for a type that is named; 0: nothing we have was named */
};
#define PAGE_ACCEPT_NONE ((struct page_accept){PAGE_TEXT, 0})
void page_accept(struct page_accept *a, struct http_text value);

/* "text/html; charset=utf-8" and so on. */
const char *page_content_type(enum page_format f);

/* `about`: the name that was asked for, any bytes, or NULL. `detail`: more than the error's own text says, or NULL. */
void page_error(struct text *out, enum page_format f, const struct error *e, unsigned status, const char *about,
                const char *detail);

/* Where links lead: `scheme`://SERVICE.`suffix`/, for services of kind tls https://SERVICE.`tls_suffix`/. */
struct page_places {
    const char *scheme, *suffix, *tls_suffix;
};
/* The services of a client. */
void page_listing(struct text *out, enum page_format f, const char *client, const struct page_places *at,
                  const struct edge_service *list, size_t count);

/* The status of the server. */
void page_status(struct text *out, enum page_format f, const struct status *s);

#endif
