/* SPDX-License-Identifier: Apache-2.0 */
/* The inspector's interface. */
#include "inspect/api.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "inspect/filter.h"
#include "inspect/page_files.h"
#include "inspect/resend.h"
#include "inspect/show.h"

#define JSON "application/json"
#define REQUESTS "/api/requests"

/* One question. */
struct question {
    const struct inspect_api *api;
    const struct web_request *request;
    struct web_reply *out;
    struct show how;
    struct filter filter;
};

/* Digits only. */
static bool number_read(const char **at, uint64_t *out)
{
    uint64_t n = 0;
    const char *from = *at;
    for (; **at >= '0' && **at <= '9' && *at - from < 18; (*at)++)
        n = n * 10 + (uint64_t)(**at - '0');
    *out = n;
    return *at > from;
}

/* A parameter that is a number; false: it is none. `*out` stays where it is not there. */
static bool query_number(const struct question *q, const char *name, uint64_t *out)
{
    const char *text = web_query(q->request, name);
    return text == NULL || (number_read(&text, out) && *text == '\0');
}

/* -- lists --------------------------------------------------------------------------------------------------------- */

/* The oldest change behind `after`; the list's head: none. */
static struct list *changes_after(const struct book *b, uint64_t after)
{
    const struct list *node = b->by_change.prev;
    while (node != &b->by_change && CONTAINER_OF(node, struct record, by_change)->revision > after)
        node = node->prev;
    return node->next;
}

static uint64_t first_number(const struct book *b)
{
    return b->count > 0 ? CONTAINER_OF(b->by_number.next, struct record, by_number)->number : b->number + 1;
}

static void list_show(struct question *q, struct text *t, uint64_t after, uint64_t limit)
{
    struct book *b = q->api->book;
    struct list *node = changes_after(b, after);
    uint64_t revision = after;
    bool first = true;
    text_format(t, "{\"requests\":[");
    for (; node != &b->by_change && limit > 0; node = node->next) {
        const struct record *r = CONTAINER_OF(node, struct record, by_change);
        revision = r->revision;
        if (!filter_has(&q->filter, r))
            continue;
        if (!first)
            text_put(t, ",");
        show_summary(t, r, &q->how);
        first = false;
        limit--;
    }
    bool more = node != &b->by_change;
    text_format(t, "],\"revision\":%" PRIu64 ",\"more\":%s,\"first\":%" PRIu64 ",\"last\":%" PRIu64 "}\n",
                more ? revision : b->revision, more ? "true" : "false", first_number(b), b->number);
}

static void list_answer(struct question *q)
{
    struct text t;
    uint64_t after = 0, limit = INSPECT_PAGE_MAX;
    if (!query_number(q, "after", &after) || !query_number(q, "limit", &limit)) {
        web_reply_error(q->out, 400, "after, limit: not a number");
        return;
    }
    text_init(&t, INSPECT_EXPORT_MAX);
    book_lock(q->api->book);
    list_show(q, &t, after, limit > 0 && limit < INSPECT_PAGE_MAX ? limit : INSPECT_PAGE_MAX);
    book_unlock(q->api->book);
    web_reply_text(q->out, 200, JSON, &t);
}

/* -- exports: some records at a time, so that nobody waits for long ------------------------------------------------- */

#define EXPORT_BATCH 64

typedef void entry_fn(struct text *t, const struct record *r, const struct show *how);

/* Those behind *number; false: there are no more. */
static bool batch_add(struct question *q, struct text *t, entry_fn *entry, uint64_t *number, bool *first)
{
    struct book *b = q->api->book;
    struct list *node = b->by_number.next;
    unsigned left = EXPORT_BATCH;
    while (node != &b->by_number && CONTAINER_OF(node, struct record, by_number)->number <= *number)
        node = node->next;
    for (; node != &b->by_number && left > 0; node = node->next, left--) {
        const struct record *r = CONTAINER_OF(node, struct record, by_number);
        *number = r->number;
        if (!filter_has(&q->filter, r))
            continue;
        if (!*first)
            text_put(t, ",\n");
        entry(t, r, &q->how);
        *first = false;
    }
    return node != &b->by_number && !t->failed;
}

static void entries_add(struct question *q, struct text *t, entry_fn *entry)
{
    uint64_t number = 0;
    bool first = true, more = true;
    while (more) {
        book_lock(q->api->book);
        more = batch_add(q, t, entry, &number, &first);
        book_unlock(q->api->book);
    }
}

static void json_answer(struct question *q)
{
    struct text t;
    text_init(&t, INSPECT_EXPORT_MAX);
    text_format(&t, "{\"requests\":[");
    entries_add(q, &t, show_record);
    text_format(&t, "]}\n");
    web_reply_field(q->out, "Content-Disposition", "attachment; filename=\"requests.json\"");
    web_reply_text(q->out, 200, JSON, &t);
}

static void har_answer(struct question *q)
{
    struct text t;
    text_init(&t, INSPECT_EXPORT_MAX);
    show_har_begin(&t);
    entries_add(q, &t, show_har_entry);
    show_har_end(&t);
    web_reply_field(q->out, "Content-Disposition", "attachment; filename=\"requests.har\"");
    web_reply_text(q->out, 200, JSON, &t);
}

/* -- one record ---------------------------------------------------------------------------------------------------- */

static void shown_answer(struct question *q, uint64_t number, const char *type, entry_fn *entry)
{
    struct text t;
    text_init(&t, INSPECT_EXPORT_MAX);
    book_lock(q->api->book);
    const struct record *r = book_find(q->api->book, number);
    if (r != NULL)
        entry(&t, r, &q->how);
    book_unlock(q->api->book);
    if (r != NULL)
        web_reply_text(q->out, 200, type, &t);
    else
        web_reply_error(q->out, 404, "there is no request with that number, or no longer");
}

/* Pictures that run nothing may be looked at; everything else is for saving: it is a stranger's, at our origin. */
static const char *picture_type(const struct record *r, bool request)
{
    static const char *const types[] = {"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"};
    struct record_fields fields;
    (request ? record_request_fields : record_response_fields)(r, &fields);
    struct http_text type = record_field(&fields, "content-type");
    if (record_field(&fields, "content-encoding").at != NULL)
        return NULL;
    for (size_t i = 0; type.at != NULL && i < sizeof(types) / sizeof(types[0]); i++)
        if (type.len >= strlen(types[i]) && http_text_is((struct http_text){type.at, strlen(types[i])}, types[i]))
            return types[i];
    return NULL;
}

static void body_answer(struct question *q, uint64_t number, bool request)
{
    struct text t;
    char name[80];
    const char *type = NULL;
    text_init(&t, INSPECT_BODY_MAX);
    book_lock(q->api->book);
    const struct record *r = book_find(q->api->book, number);
    if (r != NULL) {
        const struct record_message *m = request ? &r->request : &r->response;
        type = picture_type(r, request);
        text_put(&t, "");
        text_add(&t, (const char *)m->body, m->body_len);
    }
    book_unlock(q->api->book);
    if (r == NULL) {
        web_reply_error(q->out, 404, "there is no request with that number, or no longer");
        return;
    }
    if (type == NULL) {
        snprintf(name, sizeof(name), "attachment; filename=\"%s-%" PRIu64 ".bin\"", request ? "request" : "response", number);
        web_reply_field(q->out, "Content-Disposition", name);
    }
    web_reply_text(q->out, 200, type != NULL ? type : "application/octet-stream", &t);
}

/* -- sent again ------------------------------------------------------------------------------------------------------ */

/* The new record, and what is to be sent; NULL: *status and *why say why not. */
static struct record *resend_prepare(struct book *b, uint64_t number, const struct request_edit *edit, struct text *t,
                                     unsigned *status, const char **why)
{
    const struct record *r = book_find(b, number);
    *status = 404;
    *why = "there is no request with that number, or no longer";
    if (r == NULL)
        return NULL;
    *status = 409;
    *why = resend_write(t, r, edit);
    if (*why != NULL)
        return NULL;
    *status = 503;
    *why = "out of memory";
    return book_add(b, r->service, r->visitor, number);
}

static void resend_send(struct question *q, struct record *r, struct text *t)
{
    uint64_t number = r->number;
    struct text answer;
    if (!q->api->resend(q->api->ctx, r, t->at, t->len)) {
        book_lock(q->api->book);
        book_end(q->api->book, r, RECORD_CUT, "not sent: too many are on their way");
        book_give_back(q->api->book, &r);
        book_unlock(q->api->book);
        web_reply_error(q->out, 503, "too many requests are on their way");
        return;
    }
    text_init(t, 0);
    text_init(&answer, 100);
    text_format(&answer, "{\"number\":%" PRIu64 "}\n", number);
    web_reply_text(q->out, 202, JSON, &answer);
}

static void resend_answer(struct question *q, uint64_t number)
{
    struct request_edit edit;
    struct config_error err;
    struct text t;
    unsigned status;
    const char *why;
    if (request_edit_parse(q->request->body, q->request->body_len, &edit, &err) != 0) {
        web_reply_error(q->out, 400, err.text);
        return;
    }
    text_init(&t, INSPECT_EDIT_MAX + HTTP_RESPONSE_HEAD_MAX);
    book_lock(q->api->book);
    struct record *r = resend_prepare(q->api->book, number, &edit, &t, &status, &why);
    book_unlock(q->api->book);
    request_edit_done(&edit);
    if (r == NULL)
        web_reply_error(q->out, status, why);
    else
        resend_send(q, r, &t);
    text_done(&t);
}

/* -- the way to an answer -------------------------------------------------------------------------------------------- */

static void clear_answer(struct question *q)
{
    book_lock(q->api->book);
    book_clear(q->api->book);
    book_unlock(q->api->book);
    q->out->status = 204;
}

static void about_answer(struct question *q)
{
    struct text t;
    text_init(&t, 1000);
    text_format(&t, "{\"program\":\"mdm-tunnel-client\",\"version\":\"%s\",\"client\":\"", PACKAGE_VERSION);
    text_add_json(&t, q->api->client);
    text_format(&t, "\",\"secrets\":\"%s\"}\n", q->api->reveal ? "shown" : "hidden");
    web_reply_text(q->out, 200, JSON, &t);
}

static bool asked(const struct question *q, const char *method, const char *path, const char *want)
{
    return strcmp(path, want) == 0 && strcmp(q->request->method, method) == 0;
}

/* What comes behind /api/requests/N; false: there is no such thing. */
static bool record_answer(struct question *q, uint64_t number, const char *rest)
{
    if (asked(q, "GET", rest, ""))
        shown_answer(q, number, JSON, show_record);
    else if (asked(q, "GET", rest, "/curl"))
        shown_answer(q, number, "text/plain; charset=utf-8", show_curl);
    else if (asked(q, "GET", rest, "/request/body"))
        body_answer(q, number, true);
    else if (asked(q, "GET", rest, "/response/body"))
        body_answer(q, number, false);
    else if (asked(q, "POST", rest, "/replay"))
        resend_answer(q, number);
    else
        return false;
    return true;
}

static bool api_answer(struct question *q)
{
    const char *path = q->request->path;
    uint64_t number;
    if (asked(q, "GET", path, REQUESTS))
        list_answer(q);
    else if (asked(q, "DELETE", path, REQUESTS))
        clear_answer(q);
    else if (asked(q, "GET", path, "/api/export.json"))
        json_answer(q);
    else if (asked(q, "GET", path, "/api/export.har"))
        har_answer(q);
    else if (asked(q, "GET", path, "/api/about"))
        about_answer(q);
    else if (strncmp(path, REQUESTS "/", sizeof(REQUESTS)) == 0 && (path += sizeof(REQUESTS), number_read(&path, &number)))
        return record_answer(q, number, path);
    else
        return false;
    return true;
}

void inspect_api_handle(void *ctx, const struct web_request *request, struct web_reply *out)
{
    const char *reveal = web_query(request, "reveal");
    struct question q = {
        .api = ctx,
        .request = request,
        .out = out,
        .filter = {.method = web_query(request, "method"), .status = web_query(request, "status"),
                   .service = web_query(request, "service"), .q = web_query(request, "q")},
    };
    const char *why = filter_check(&q.filter);
    q.how = (struct show){.reveal = q.api->reveal || (reveal != NULL && strcmp(reveal, "1") == 0), .now_us = clock_now_us()};
    if (web_reply_file(out, inspect_page, request))
        return;
    if (why != NULL)
        web_reply_error(out, 400, why);
    else if (!api_answer(&q))
        web_reply_error(out, 404, "there is nothing here, or not for this method");
}
