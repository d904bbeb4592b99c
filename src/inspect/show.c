/* SPDX-License-Identifier: Apache-2.0 */
/* Records in JSON. */
#include "inspect/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"
#include "inspect/secret.h"
#include "inspect/show_inner.h"

#define US_PER_MS_F 1000.0

void show_time(struct text *t, int64_t time_us)
{
    char day[32];
    struct tm tm;
    time_t seconds = (time_t)(time_us / 1000000);
    gmtime_r(&seconds, &tm);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    text_format(t, "%s.%03dZ", day, (int)(time_us / 1000 % 1000));
}

void show_string(struct text *t, const char *key, const void *bytes, size_t len)
{
    text_format(t, "\"%s\":\"", key);
    text_add_json_bytes(t, bytes, len);
    text_put(t, "\"");
}

void show_word(struct text *t, const char *key, const char *word) { show_string(t, key, word, strlen(word)); }

bool show_is_text(const uint8_t *bytes, size_t len, bool cut)
{
    for (size_t i = 0; i < len;) {
        if ((bytes[i] < 0x20 && bytes[i] != '\t' && bytes[i] != '\n' && bytes[i] != '\r') || bytes[i] == 0x7f)
            return false;
        if (bytes[i] == 0xc2 && i + 1 < len && bytes[i + 1] < 0xa0)
            return false;
        size_t n = bytes[i] < 0x80 ? 1 : utf8_sequence(bytes + i, len - i);
        if (n == 0)
            return cut && len - i < 4; /* in the middle of a character */
        i += n;
    }
    return true;
}

struct http_text show_value(const struct http_field *f, const struct show *how)
{
    return how->reveal || !secret_field(f->name) ? f->value : http_text_of(SECRET_MASK);
}

/* -- the list ------------------------------------------------------------------------------------------------------ */

static const char *const states[] = {[RECORD_OPEN] = "open", [RECORD_DONE] = "done", [RECORD_CUT] = "cut"};

static void summary_members(struct text *t, const struct record *r, const struct show *how)
{
    struct http_text method = record_method(r), target = record_target(r), type;
    struct record_fields fields;
    record_response_fields(r, &fields);
    type = record_field(&fields, "content-type");
    text_format(t, "\"number\":%" PRIu64 ",\"revision\":%" PRIu64 ",\"time\":\"", r->number, r->revision);
    show_time(t, r->time_us);
    text_format(t, "\",\"state\":\"%s\",\"status\":%u,", states[r->state], r->status);
    show_word(t, "service", r->service);
    text_put(t, ",");
    show_word(t, "visitor", r->visitor);
    text_put(t, ",");
    show_string(t, "method", method.at, method.len);
    text_put(t, ",");
    show_string(t, "path", target.at, target.len);
    text_put(t, ",");
    show_string(t, "type", type.at != NULL ? type.at : "", type.len);
    text_format(t, ",\"duration_ms\":%.3f,\"request_bytes\":%" PRIu64 ",\"response_bytes\":%" PRIu64 ",\"websocket\":%s",
                (double)record_duration_us(r, how->now_us) / US_PER_MS_F, r->request.body_bytes, r->response.body_bytes,
                r->websocket ? "true" : "false");
    if (r->replay_of != 0)
        text_format(t, ",\"replay_of\":%" PRIu64, r->replay_of);
    if (r->state == RECORD_CUT) {
        text_put(t, ",");
        show_word(t, "why", r->why);
    }
}

void show_summary(struct text *t, const struct record *r, const struct show *how)
{
    text_put(t, "{");
    summary_members(t, r, how);
    text_put(t, "}");
}

/* -- one record ---------------------------------------------------------------------------------------------------- */

static void fields_show(struct text *t, const struct record_fields *f, const struct show *how)
{
    text_put(t, "\"headers\":[");
    for (size_t i = 0; i < f->count; i++) {
        struct http_text value = show_value(&f->at[i], how);
        text_put(t, i > 0 ? ",[\"" : "[\"");
        text_add_json_bytes(t, f->at[i].name.at, f->at[i].name.len);
        text_put(t, "\",\"");
        text_add_json_bytes(t, value.at, value.len);
        text_put(t, "\"]");
    }
    text_put(t, "]");
}

static void message_show(struct text *t, const struct record_message *m, const struct record_fields *f, const struct show *how)
{
    text_put(t, "{");
    fields_show(t, f, how);
    text_format(t, ",\"bytes\":%" PRIu64 ",\"kept\":%" PRIu32 ",\"whole\":%s", m->body_bytes, m->body_len,
                m->whole ? "true" : "false");
    if (show_is_text(m->body, m->body_len, m->body_len < m->body_bytes)) {
        text_put(t, ",");
        show_string(t, "text", m->body, m->body_len);
    }
    text_put(t, "}");
}

static void frame_show(struct text *t, const struct record_frame *f)
{
    text_put(t, "{\"time\":\"");
    show_time(t, f->time_us);
    text_format(t, "\",\"from\":\"%s\",\"opcode\":%u,\"fin\":%s,\"compressed\":%s,\"bytes\":%" PRIu64 ",",
                f->from_service ? "service" : "visitor", f->opcode, f->fin ? "true" : "false",
                f->compressed ? "true" : "false", f->bytes);
    if (!f->compressed && show_is_text(f->payload, f->len, f->len < f->bytes))
        show_string(t, "text", f->payload, f->len);
    else {
        text_put(t, "\"base64\":\"");
        text_add_base64(t, f->payload, f->len);
        text_put(t, "\"");
    }
    text_put(t, "}");
}

static void frames_show(struct text *t, const struct record *r)
{
    text_format(t, ",\"frames_seen\":%" PRIu64 ",\"frames\":[", r->frames_seen);
    LIST_FOREACH (node, &r->frames) {
        if (node != r->frames.next)
            text_put(t, ",");
        frame_show(t, CONTAINER_OF(node, struct record_frame, node));
    }
    text_put(t, "]");
}

static void times_show(struct text *t, const struct record *r)
{
    if (r->sent_us != 0)
        text_format(t, ",\"sent_ms\":%.3f", (double)(r->sent_us - r->began_us) / US_PER_MS_F);
    if (r->first_us != 0)
        text_format(t, ",\"first_byte_ms\":%.3f", (double)(r->first_us - r->began_us) / US_PER_MS_F);
}

void show_record(struct text *t, const struct record *r, const struct show *how)
{
    struct record_fields fields;
    text_put(t, "{");
    summary_members(t, r, how);
    times_show(t, r);
    record_request_fields(r, &fields);
    text_put(t, ",");
    show_url_string(t, "url", r, &fields);
    text_put(t, ",\"request\":");
    message_show(t, &r->request, &fields, how);
    record_response_fields(r, &fields);
    text_put(t, ",\"response\":");
    message_show(t, &r->response, &fields, how);
    if (r->websocket)
        frames_show(t, r);
    text_put(t, "}");
}

/* -- what both formats need ---------------------------------------------------------------------------------------- */

/* What a Host or a scheme must be to stand in a URL; visitors choose them. */
static bool url_part(struct http_text t)
{
    for (size_t i = 0; i < t.len; i++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]", t.at[i]) == NULL || t.at[i] == '\0')
            return false;
    return t.len > 0;
}

void show_url(struct text *t, const struct record *r, const struct record_fields *f)
{
    struct http_text proto = record_field(f, "x-forwarded-proto"), host = record_field(f, "x-forwarded-host"),
                     target = record_target(r);
    if (host.at == NULL || !url_part(host))
        host = record_field(f, "host");
    text_format(t, "%s://", proto.at != NULL && http_text_is(proto, "https") ? "https" : "http");
    if (host.at != NULL && url_part(host))
        text_add(t, host.at, host.len);
    text_add(t, target.at, target.len);
}

void show_url_string(struct text *t, const char *key, const struct record *r, const struct record_fields *f)
{
    struct text url;
    text_init(&url, 2 * HTTP_RESPONSE_HEAD_MAX);
    show_url(&url, r, f);
    t->failed |= url.failed;
    show_string(t, key, url.at, url.len);
    text_done(&url);
}

bool show_field_is_own(struct http_text name)
{
    static const char *const way[] = {"content-length", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port",
                                      "x-forwarded-proto"};
    for (size_t i = 0; i < sizeof(way) / sizeof(way[0]); i++)
        if (http_text_is(name, way[i]))
            return false;
    return !http_field_hop_by_hop(name);
}
