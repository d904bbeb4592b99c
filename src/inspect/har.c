/* SPDX-License-Identifier: Apache-2.0 */
/* Records as an HTTP Archive (HAR 1.2). */
#include <inttypes.h>
#include <string.h>

#include "inspect/show_inner.h"
#include "wire/websocket.h"

static void fields_show(struct text *t, const struct record_fields *f, const struct show *how)
{
    text_put(t, "\"headers\":[");
    for (size_t i = 0; i < f->count; i++) {
        struct http_text value = show_value(&f->at[i], how);
        text_put(t, i > 0 ? ",{" : "{");
        show_string(t, "name", f->at[i].name.at, f->at[i].name.len);
        text_put(t, ",");
        show_string(t, "value", value.at, value.len);
        text_put(t, "}");
    }
    text_put(t, "]");
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A name or value of a query, decoded. */
static void query_part(struct text *t, const char *key, struct http_text part)
{
    struct text plain;
    text_init(&plain, part.len + 1);
    text_put(&plain, "");
    for (size_t i = 0; i < part.len; i++) {
        char c = part.at[i] == '+' ? ' ' : part.at[i];
        if (c == '%' && i + 2 < part.len && hex(part.at[i + 1]) >= 0 && hex(part.at[i + 2]) >= 0) {
            c = (char)(hex(part.at[i + 1]) * 16 + hex(part.at[i + 2]));
            i += 2;
        }
        text_add(&plain, &c, 1);
    }
    t->failed |= plain.failed;
    show_string(t, key, plain.at != NULL ? plain.at : "", plain.len);
    text_done(&plain);
}

static void query_show(struct text *t, struct http_text target)
{
    const char *end = target.at + target.len, *at = memchr(target.at, '?', target.len);
    bool first = true;
    text_put(t, ",\"queryString\":[");
    for (at = at != NULL ? at + 1 : end; at < end;) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        stop = stop != NULL ? stop : end;
        const char *equal = memchr(at, '=', (size_t)(stop - at));
        if (stop > at) {
            text_put(t, first ? "{" : ",{");
            query_part(t, "name", (struct http_text){at, (size_t)((equal != NULL ? equal : stop) - at)});
            text_put(t, ",");
            query_part(t, "value", equal != NULL ? (struct http_text){equal + 1, (size_t)(stop - equal - 1)} : (struct http_text){"", 0});
            text_put(t, "}");
            first = false;
        }
        at = stop + 1;
    }
    text_put(t, "]");
}

static void request_show(struct text *t, const struct record *r, const struct show *how)
{
    struct record_fields fields;
    struct http_text method = record_method(r), type;
    record_request_fields(r, &fields);
    text_put(t, "\"request\":{");
    show_string(t, "method", method.at, method.len);
    text_put(t, ",");
    show_url_string(t, "url", r, &fields);
    text_format(t, ",\"httpVersion\":\"HTTP/1.1\",\"cookies\":[],");
    fields_show(t, &fields, how);
    query_show(t, record_target(r));
    if (r->request.body_bytes > 0 && !r->upgraded) {
        type = record_field(&fields, "content-type");
        text_put(t, ",\"postData\":{");
        show_string(t, "mimeType", type.at != NULL ? type.at : "", type.len);
        text_put(t, ",");
        show_string(t, "text", r->request.body, r->request.body_len);
        if (!show_is_text(r->request.body, r->request.body_len, false))
            text_format(t, ",\"comment\":\"each character is a byte, or the body was cut\"");
        text_put(t, "}");
    }
    text_format(t, ",\"headersSize\":%" PRIu32 ",\"bodySize\":%" PRIu64 "}", r->request.head_len, r->request.body_bytes);
}

static void content_show(struct text *t, const struct record *r, struct http_text type)
{
    const struct record_message *m = &r->response;
    text_format(t, ",\"content\":{\"size\":%" PRIu64 ",", m->body_bytes);
    show_string(t, "mimeType", type.at != NULL ? type.at : "", type.len);
    if (m->body_len > 0 && show_is_text(m->body, m->body_len, m->body_len < m->body_bytes)) {
        text_put(t, ",");
        show_string(t, "text", m->body, m->body_len);
    } else if (m->body_len > 0) {
        text_put(t, ",\"encoding\":\"base64\",\"text\":\"");
        text_add_base64(t, m->body, m->body_len);
        text_put(t, "\"");
    }
    if (m->body_len < m->body_bytes && !r->websocket)
        text_format(t, ",\"comment\":\"the first %" PRIu32 " bytes\"", m->body_len);
    text_put(t, "}");
}

static void reason_show(struct text *t, const struct record *r)
{
    const char *head = r->response.head != NULL ? r->response.head : "", *end = head + r->response.head_len;
    const char *from = end - head < 13 ? end : head + 13; /* behind "HTTP/1.1 200 " */
    const char *stop = from;
    while (stop < end && *stop != '\r' && *stop != '\n')
        stop++;
    show_string(t, "statusText", from, (size_t)(stop - from));
}

static void response_show(struct text *t, const struct record *r, const struct show *how)
{
    struct record_fields fields;
    struct http_text location;
    record_response_fields(r, &fields);
    location = record_field(&fields, "location");
    text_format(t, ",\"response\":{\"status\":%u,", r->status);
    reason_show(t, r);
    text_format(t, ",\"httpVersion\":\"HTTP/1.1\",\"cookies\":[],");
    fields_show(t, &fields, how);
    content_show(t, r, record_field(&fields, "content-type"));
    text_put(t, ",");
    show_string(t, "redirectURL", location.at != NULL ? location.at : "", location.len);
    text_format(t, ",\"headersSize\":%" PRIu32 ",\"bodySize\":%" PRIu64, r->response.head_len, r->response.body_bytes);
    if (r->state == RECORD_CUT) {
        text_put(t, ",");
        show_word(t, "_error", r->why);
    }
    text_put(t, "}");
}

static void messages_show(struct text *t, const struct record *r)
{
    text_put(t, ",\"_webSocketMessages\":[");
    LIST_FOREACH (node, &r->frames) {
        const struct record_frame *f = CONTAINER_OF(node, struct record_frame, node);
        text_format(t, "%s{\"type\":\"%s\",\"time\":%.6f,\"opcode\":%u,\"data\":\"", node != r->frames.next ? "," : "",
                    f->from_service ? "receive" : "send", (double)f->time_us / 1e6, f->opcode);
        if (f->opcode == WEBSOCKET_TEXT && !f->compressed)
            text_add_json_bytes(t, f->payload, f->len);
        else
            text_add_base64(t, f->payload, f->len);
        text_put(t, "\"}");
    }
    text_put(t, "]");
}

/* Milliseconds from one moment to the next; 0 where the order is another one: an answer may be there before all was sent. */
static double gap_ms(uint64_t from_us, uint64_t to_us) { return to_us > from_us ? (double)(to_us - from_us) / 1000.0 : 0; }

static void timings_show(struct text *t, const struct record *r, const struct show *how)
{
    uint64_t end_us = r->ended_us != 0 ? r->ended_us : how->now_us;
    uint64_t first_us = r->first_us != 0 ? r->first_us : end_us;
    uint64_t sent_us = r->sent_us != 0 && r->sent_us < first_us ? r->sent_us : first_us;
    text_format(t, ",\"cache\":{},\"timings\":{\"send\":%.3f,\"wait\":%.3f,\"receive\":%.3f}", gap_ms(r->began_us, sent_us),
                gap_ms(sent_us, first_us), gap_ms(first_us, end_us));
}

void show_har_begin(struct text *t)
{
    text_format(t, "{\"log\":{\"version\":\"1.2\",\"creator\":{\"name\":\"mdm-tunnel-client\",\"version\":\"%s\"},\"entries\":[",
                PACKAGE_VERSION);
}

void show_har_entry(struct text *t, const struct record *r, const struct show *how)
{
    text_put(t, "{\"startedDateTime\":\"");
    show_time(t, r->time_us);
    text_format(t, "\",\"time\":%.3f,", (double)record_duration_us(r, how->now_us) / 1000.0);
    request_show(t, r, how);
    response_show(t, r, how);
    timings_show(t, r, how);
    text_put(t, ",");
    show_word(t, "comment", r->service);
    if (r->websocket) {
        text_put(t, ",\"_resourceType\":\"websocket\"");
        messages_show(t, r);
    }
    text_put(t, "}");
}

void show_har_end(struct text *t) { text_put(t, "]}}\n"); }
