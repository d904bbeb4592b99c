/* SPDX-License-Identifier: Apache-2.0 */
/* Pages: what a visitor prefers, and that nothing gets out of its place. */
#include <string.h>

#include "server/page.h"

#include "base/clock.h"

#include "tap.h"

static enum page_format accepts(const char *value)
{
    struct page_accept a = PAGE_ACCEPT_NONE;

    page_accept(&a, http_text_of(value));
    return a.format;
}

static void negotiation(void)
{
    OK_INT(accepts(""), PAGE_TEXT);
    OK_INT(accepts("*/*"), PAGE_TEXT);
    OK_INT(accepts("text/*"), PAGE_TEXT);
    OK_INT(accepts("image/png"), PAGE_TEXT);
    OK_INT(accepts("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), PAGE_HTML);
    OK_INT(accepts("application/json, text/plain, */*"), PAGE_JSON);
    OK_INT(accepts("text/plain, application/json"), PAGE_TEXT);
    OK_INT(accepts("*/*, application/json"), PAGE_JSON);
    OK_INT(accepts("text/html;q=0.5, application/json;q=0.9"), PAGE_JSON);
    OK_INT(accepts("text/html;level=1;q=0.95 , application/json ; q=0.9"), PAGE_HTML);
    OK_INT(accepts("text/html;q=0, application/json;q=0.1"), PAGE_JSON);
    OK_INT(accepts("TEXT/HTML"), PAGE_HTML);
    OK_INT(accepts("text/html;q=nonsense"), PAGE_TEXT);
    OK_INT(accepts(",,;;q=,/,"), PAGE_TEXT);
}

static void several_fields(void)
{
    struct page_accept a = PAGE_ACCEPT_NONE;

    page_accept(&a, http_text_of("text/html;q=0.3"));
    page_accept(&a, http_text_of("application/json;q=0.4"));
    OK_INT(a.format, PAGE_JSON);
}

static void hostile_names(void)
{
    static const char hostile[] = "<script>\"'&\\\x01";
    struct text t;

    text_init(&t, 16384);
    page_error(&t, PAGE_HTML, &error_unknown_client, 404, hostile, NULL);
    OK(!t.failed);
    OK(strstr(t.at, "<script>") == NULL);
    OK(strstr(t.at, "&lt;script&gt;&quot;&#39;&amp;\\") != NULL);
    text_done(&t);
    page_error(&t, PAGE_JSON, &error_unknown_client, 404, hostile, hostile);
    OK(strstr(t.at, "\"name\":\"\\u003cscript\\u003e\\\"'\\u0026\\\\\\u0001\"") != NULL);
    OK(strstr(t.at, "\"error\":\"unknown-client\"") != NULL);
    text_done(&t);
    page_error(&t, PAGE_TEXT, &error_unknown_client, 404, NULL, NULL);
    OK_TEXT(t.at, "404 unknown-client: no such client\n");
    text_done(&t);
}

static void listing(void)
{
    static const struct edge_service list[] = {{"a", STREAM_KIND_HTTP, NULL}, {"b", STREAM_KIND_TLS, NULL},
                                               {"c", STREAM_KIND_TCP, NULL}};
    static const struct page_places at = {"http", "tim.example.com:8000", "tim.example.com:8443"};
    static const struct page_places hostile = {"http", "tim.x\"><script>", "tim.x"};
    struct text t;

    text_init(&t, 16384);
    page_listing(&t, PAGE_TEXT, "tim", &at, list, 3);
    OK_TEXT(t.at, "http://a.tim.example.com:8000/\nhttps://b.tim.example.com:8443/\n");
    text_done(&t);
    page_listing(&t, PAGE_JSON, "tim", &at, list, 1);
    OK_TEXT(t.at, "{\"client\":\"tim\",\"services\":[{\"name\":\"a\",\"url\":\"http://a.tim.example.com:8000/\"}]}\n");
    text_done(&t);
    page_listing(&t, PAGE_HTML, "tim", &hostile, list, 1);
    OK(strstr(t.at, "<script>") == NULL);
    text_done(&t);
    page_listing(&t, PAGE_JSON, "tim", &at, list + 2, 1); /* one that has a port, and no URL */
    OK_TEXT(t.at, "{\"client\":\"tim\",\"services\":[]}\n");
    text_done(&t);
}

/* A row that is said in one format is said in all. */
static void each_is_there(void *ctx, const char *name, const char *meaning, const char *value)
{
    const struct text *formats = ctx;
    const char *dot = strchr(name, '.');
    char text[512];
    struct text html;

    snprintf(text, sizeof(text), "%s %s\n", name, value);
    OK(strstr(formats[PAGE_TEXT].at, text) != NULL);
    text_init(&html, sizeof(text));
    text_put(&html, "<td>");
    text_add_html(&html, meaning);
    text_format(&html, "</td><td>%s</td>", value);
    OK(!html.failed && strstr(formats[PAGE_HTML].at, html.at) != NULL);
    text_done(&html);
    snprintf(text, sizeof(text), "\"%s\":", dot != NULL ? dot + 1 : name);
    OK(strstr(formats[PAGE_JSON].at, text) != NULL);
}

static void status(void)
{
    static const struct status s = {.program = "program", .version = "1.2.3", .uptime_s = 4, .clients = 5, .workers = 2, .ready = true,
                                    .broker_up = true, .sent_rate = 7, .workers_cpu_us = {8, 9}, .counters = {6}};
    struct text formats[3];

    for (enum page_format f = PAGE_TEXT; f <= PAGE_JSON; f++) {
        text_init(&formats[f], 16384);
        page_status(&formats[f], f, &s);
        OK(!formats[f].failed);
    }
    static const char start[] = "{\"program\":\"program\",\"version\":\"1.2.3\",\"uptime_seconds\":4,\"clients\":5,\"workers\":2,\"port\":0,"
                                "\"tls_port\":0,\"client_port\":0,\"ready\":true,\"draining\":false,\"encryption\":false,"
                                "\"broker\":{\"embedded\":false,\"up\":true},\"rates\":{\"requests\":0,\"bytes_sent\":7,\"bytes_received\":0},"
                                "\"workers_cpu_us\":[8,9],\"counters\":{\"requests\":6,";
    struct text *json = &formats[PAGE_JSON];
    OK(strncmp(json->at, start, strlen(start)) == 0);
    OK(strstr(json->at, "\"denied_rate\":0,") != NULL && strcmp(json->at + json->len - 3, "}}\n") == 0);
    OK(strstr(formats[PAGE_TEXT].at, "encryption off\nbroker.embedded off\nbroker.up on\n") != NULL);
    status_each(&s, each_is_there, formats);
    for (enum page_format f = PAGE_TEXT; f <= PAGE_JSON; f++)
        text_done(&formats[f]);
}

static void rates(void)
{
    struct status_sample sample = {0};
    struct status s;
    struct counters own = {0}, *c = &own;

    counters_join(c);
    status_count(&s, &sample, 5 * US_PER_S);
    OK_INT(s.requests_rate, 0);
    counter_add(c, COUNTER_requests, 30);
    status_count(&s, &sample, 5 * US_PER_S + US_PER_S / 2); /* too soon: as before */
    OK(s.requests_rate == 0 && s.counters[COUNTER_requests] == 30);
    status_count(&s, &sample, 8 * US_PER_S);
    OK_INT(s.requests_rate, 10);
    status_count(&s, &sample, 8 * US_PER_S + 1);
    OK_INT(s.requests_rate, 10);
    status_count(&s, &sample, 9 * US_PER_S + 1);
    OK_INT(s.requests_rate, 0);
    counters_leave(c);
}

static void maximum(void)
{
    struct text t;

    text_init(&t, 10);
    text_add(&t, "0123456789", 10);
    OK(!t.failed);
    OK_INT(t.len, 10);
    text_add(&t, "x", 1);
    OK(t.failed);
    OK_TEXT(t.at, "0123456789");
    text_done(&t);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"Accept chooses the format", negotiation},
        {"several Accept fields are one list", several_fields},
        {"names are escaped", hostile_names},
        {"the listing of a client", listing},
        {"the status says the same in each format", status},
        {"rates are over a second at least", rates},
        {"a text keeps its maximum", maximum},
    };
    return TAP_RUN(cases);
}
