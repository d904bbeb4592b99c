/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of our own: error pages, the listing of a client, the status of the server. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "mdm-tunnel/limits.h"
#include "server/exchange.h"
#include "server/front.h"
#include "server/reply.h"
#include "server/visitor.h"

/* What every answer of ours says. */
static void page_finish(struct exchange *ex)
{
    if (exchange_is_last(ex))
        MHD_add_response_header(ex->response, "Connection", "close");
    if (reply_says_strict(ex))
        reply_add_strict(ex);
}

/* Takes the text. */
static void page_set(struct exchange *ex, unsigned status, struct text *t)
{
    ex->answer = ANSWER_CUT;
    ex->status = status;
    if (!t->failed)
        ex->response = MHD_create_response_from_buffer(t->len, t->at, MHD_RESPMEM_MUST_FREE);
    if (ex->response == NULL) {
        text_done(t);
        return;
    }
    ex->answer = ANSWER_PAGE;
    ex->sent = t->len;
    MHD_add_response_header(ex->response, "Content-Type", page_content_type(ex->request.format));
    MHD_add_response_header(ex->response, "Cache-Control", "no-store");
    MHD_add_response_header(ex->response, "Vary", "Accept");
    page_finish(ex);
}

void exchange_reply_own(struct exchange *ex, unsigned status, const char *body, size_t len)
{
    ex->status = status;
    ex->sent = ex->request.to_head ? 0 : len;
    ex->response = MHD_create_response_from_buffer(len, (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);
    ex->answer = ex->response != NULL ? ANSWER_PAGE : ANSWER_CUT;
    if (ex->response != NULL)
        page_finish(ex);
    body_up_drop(ex);
}

static void fail_challenges(struct exchange *ex)
{
    char text[128];

    for (unsigned i = 0; gate_challenge(&ex->gate, i, text, sizeof(text)); i++)
        MHD_add_response_header(ex->response, "WWW-Authenticate", text);
}

static void fail_headers(struct exchange *ex, const struct error *e)
{
    if (ex->response == NULL)
        return;
    MHD_add_response_header(ex->response, "X-Mdm-Tunnel-Error", e->name);
    if (ex->status == 503 || ex->gate.retry_after_s > 0) {
        char text[128];
        snprintf(text, sizeof(text), "%u", ex->gate.retry_after_s > 0 ? ex->gate.retry_after_s : 5);
        MHD_add_response_header(ex->response, "Retry-After", text);
    }
    if (ex->status == 401)
        fail_challenges(ex);
    if (ex->status == 405)
        MHD_add_response_header(ex->response, "Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE");
}

/* What the visitor asked for, as the page names it. */
static const char *fail_about(const struct exchange *ex, const struct error *e, char out[static 160])
{
    if (ex->route.client[0] == '\0')
        return ex->request.host[0] != '\0' && e == &error_unknown_client ? ex->request.host : NULL;
    if (ex->route.service[0] == '\0' || e == &error_unknown_client || e == &error_client_offline)
        return ex->route.client;
    snprintf(out, 160, "%s/%s", ex->route.client, ex->route.service);
    return out;
}

static bool last_seen(const struct exchange *ex, char *out, size_t size)
{
    time_t when = known_seen(&ex->front->known, ex->route.client);
    struct tm utc;

    return when > 0 && gmtime_r(&when, &utc) != NULL && strftime(out, size, "%Y-%m-%d at %H:%M:%S UTC", &utc) > 0;
}

/* By the administrator's own page, with a number that the log has, too. False: there is none. */
static bool fail_template(struct exchange *ex, const struct error *e, unsigned status, const char *detail, const char *seen,
                          char id[static 17], struct text *page)
{
    const char *template = ex->request.format != PAGE_HTML
                               ? NULL
                               : template_find(&ex->front->templates, e, status, worker_now_us(ex->front->worker));
    char number[16], subject[160];
    uint64_t random = 0;

    if (template == NULL || getrandom(&random, sizeof(random), 0) != sizeof(random))
        return false;
    snprintf(id, 17, "%016" PRIx64, random);
    snprintf(number, sizeof(number), "%u", status);
    template_write(page, template,
                   &(struct template_values){.host = ex->request.host,
                                             .client = ex->route.client,
                                             .service = ex->route.service,
                                             .status = number,
                                             .reason = detail != NULL ? detail : e->text,
                                             .error = e->name,
                                             .last_seen = seen,
                                             .request_id = id});
    exchange_subject(ex, subject);
    log_info(subject, "request %s: %s", id, e->name);
    return true;
}

void exchange_fail(struct exchange *ex, const struct error *e, const char *detail)
{
    char about[160];
    struct text page;

    upstream_close(&ex->upstream, e);
    if (ex->query != NULL)
        hub_query_cancel(&ex->query);
    gate_cancel(&ex->gate);
    if (ex->answer == ANSWER_PAGE || ex->answer == ANSWER_CUT)
        return;
    ex->error = e;
    if (ex->state == EXCHANGE_ANSWER) {
        ex->from_service.cut = true;
        exchange_wake(ex);
        return;
    }
    counter_add(counters_self(), COUNTER_responses_error, 1);
    if (e == &error_limit)
        counter_add(counters_self(), COUNTER_limits_hit, 1);
    unsigned status = ex->gate.status != 0 ? ex->gate.status : e->http_status < 400 || e->http_status == 499 ? 502 : e->http_status;
    char seen[64] = "", id[17] = "";
    bool was_there = e == &error_client_offline && last_seen(ex, seen, sizeof(seen));
    text_init(&page, TEMPLATE_PAGE_MAX);
    if (!fail_template(ex, e, status, detail, was_there ? seen : "", id, &page)) {
        char words[128];
        snprintf(words, sizeof(words), "the client is not connected now; it was last there on %s", seen);
        page_error(&page, ex->request.format, e, status, fail_about(ex, e, about), was_there ? words : detail);
    }
    page_set(ex, status, &page);
    fail_headers(ex, e);
    if (ex->response != NULL && id[0] != '\0')
        MHD_add_response_header(ex->response, "X-Request-Id", id);
    body_up_drop(ex);
    exchange_wake(ex);
}

void exchange_reply_status(struct exchange *ex)
{
    const struct front *f = ex->front;
    struct status s;
    struct text page;

    f->config.look(f->config.ctx, &s);
    text_init(&page, PAGE_MAX);
    page_status(&page, ex->request.format, &s);
    page_set(ex, 200, &page);
    body_up_drop(ex);
}

void exchange_reply_listing(struct exchange *ex, const struct edge_offer *offer)
{
    char tls_suffix[sizeof(ex->request.host) + 8], port[8] = "";
    struct page_places at = {ex->request.secure ? "https" : "http", ex->request.host, tls_suffix};
    struct http_authority a = {.host = http_text_of("")};
    struct text page;

    http_authority_parse(http_text_of(ex->request.host), &a);
    if (ex->front->config.https_port != 443)
        snprintf(port, sizeof(port), ":%u", ex->front->config.https_port);
    snprintf(tls_suffix, sizeof(tls_suffix), "%.*s%s", (int)a.host.len, a.host.at, port);
    text_init(&page, LISTING_MAX);
    page_listing(&page, ex->request.format, ex->route.client, &at, offer->list, offer->count);
    page_set(ex, 200, &page);
    body_up_drop(ex);
}
