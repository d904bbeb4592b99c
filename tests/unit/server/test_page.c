/* SPDX-License-Identifier: Apache-2.0 */
/* Pages: what a visitor prefers, and that nothing gets out of its place. */
#include <string.h>

#include "server/page.h"

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

static void status(void)
{
    static const struct page_status s = {.version = "1.2.3", .uptime_s = 4, .clients = 5, .requests = 6};
    struct text t;

    text_init(&t, 16384);
    page_status(&t, PAGE_JSON, &s);
    static const char start[] = "{\"program\":\"mdm-tunnel-server\",\"version\":\"1.2.3\",\"uptime_seconds\":4,\"clients\":5,"
                                "\"visitors\":0,\"upgrades\":0,\"streams\":0,\"requests\":6,\"encryption\":\"on\","
                                "\"counters\":{\"requests\":0,";
    OK(strncmp(t.at, start, strlen(start)) == 0);
    OK(strstr(t.at, "\"denied_rate\":0,") != NULL && t.at[t.len - 2] == '}' && t.at[t.len - 3] == '}');
    text_done(&t);
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
        {"the status as JSON", status},
        {"a text keeps its maximum", maximum},
    };
    return TAP_RUN(cases);
}
