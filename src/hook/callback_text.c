/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to an HTTP callback as text. */
#include <inttypes.h>
#include <string.h>

#include "hook/callback_inner.h"

/* -- JSON ------------------------------------------------------------------------------------------------------------- */

static void string_write(struct text *t, const char *s)
{
    text_put(t, "\"");
    text_add_json_bytes(t, s, strlen(s));
    text_put(t, "\"");
}

/* `key` with what stands before it. */
static void member_write(struct text *t, const char *key, const char *value)
{
    text_put(t, key);
    if (value == NULL)
        text_put(t, "null");
    else
        string_write(t, value);
}

static void base64_write(struct text *t, const char *key, struct mdm_bytes value)
{
    text_put(t, key);
    if (value.data == NULL) {
        text_put(t, "null");
        return;
    }
    text_put(t, "\"");
    text_add_base64(t, value.data, value.len);
    text_put(t, "\"");
}

static void session_write(struct text *t, const struct mdm_session *s)
{
    text_format(t, "\"session\":{\"number\":%" PRIu64, s->number);
    member_write(t, ",\"id\":", s->client_id);
    member_write(t, ",\"username\":", s->username);
    member_write(t, ",\"address\":", s->address);
    member_write(t, ",\"listener\":", s->listener);
    text_format(t, ",\"version\":%u,\"certificate\":", s->version);
    if (s->certificate == NULL) {
        text_put(t, "null");
    } else {
        member_write(t, "{\"subject\":", s->certificate);
        member_write(t, ",\"cn\":", s->certificate_cn);
        member_write(t, ",\"names\":", s->certificate_names);
        member_write(t, ",\"fingerprint\":", s->certificate_fingerprint);
        text_put(t, "}");
    }
    text_put(t, ",\"headers\":[");
    for (size_t i = 0; i < s->header_count; i++) {
        member_write(t, i > 0 ? ",[" : "[", s->headers[i].name);
        member_write(t, ",", s->headers[i].value);
        text_put(t, "]");
    }
    text_put(t, "]}");
}

static const char *event_name(const struct callback_question *q)
{
    return q->connect != NULL ? "auth_connect" : q->publish != NULL ? "auth_publish" : "auth_subscribe";
}

static const char *bool_text(bool b) { return b ? "true" : "false"; }

void callback_question_write(struct text *t, const struct callback_question *q)
{
    text_format(t, "{\"event\":\"%s\",", event_name(q));
    session_write(t, q->session);
    if (q->connect != NULL) {
        member_write(t, ",\"connect\":{\"client_id\":", q->connect->client_id);
        member_write(t, ",\"username\":", q->connect->username);
        base64_write(t, ",\"password\":", q->connect->password);
        text_format(t, ",\"clean\":%s,\"keep_alive\":%u}}", bool_text(q->connect->clean), q->connect->keep_alive_s);
    } else if (q->publish != NULL) {
        member_write(t, ",\"publish\":{\"topic\":", q->publish->topic);
        struct mdm_bytes payload = q->publish->payload;
        base64_write(t, ",\"payload\":", payload.data != NULL ? payload : (struct mdm_bytes){"", 0});
        text_format(t, ",\"qos\":%u,\"retain\":%s,\"will\":%s}}", q->publish->qos, bool_text(q->publish->retain),
                    bool_text(q->publish->will));
    } else {
        member_write(t, ",\"subscribe\":{\"filter\":", q->subscribe->filter);
        text_format(t, ",\"qos\":%u}}", q->subscribe->qos);
    }
}

/* -- keys ------------------------------------------------------------------------------------------------------------- */

/* With its length, so that no two lists of parts look the same. */
static void part_write(struct text *t, const void *data, size_t len)
{
    text_format(t, "%s%zu:", data == NULL ? "-" : "", len);
    text_add(t, data, data == NULL ? 0 : len);
}

static void name_write(struct text *t, const char *s) { part_write(t, s, s == NULL ? 0 : strlen(s)); }

void callback_key_write(struct text *t, const struct callback_question *q)
{
    const struct mdm_session *s = q->session;
    const char *colon = strrchr(s->address, ':');
    text_format(t, "%s %u ", event_name(q), s->version);
    name_write(t, s->client_id);
    name_write(t, s->username);
    part_write(t, s->address, colon != NULL ? (size_t)(colon - s->address) : strlen(s->address));
    name_write(t, s->listener);
    name_write(t, s->certificate);
    name_write(t, s->certificate_names);
    name_write(t, s->certificate_fingerprint);
    for (size_t i = 0; i < s->header_count; i++) {
        name_write(t, s->headers[i].name);
        name_write(t, s->headers[i].value);
    }
    text_put(t, "\n");
    if (q->connect != NULL) {
        name_write(t, q->connect->client_id);
        name_write(t, q->connect->username);
        part_write(t, q->connect->password.data, q->connect->password.len);
        text_format(t, "%d %u", q->connect->clean, q->connect->keep_alive_s);
    } else if (q->publish != NULL) {
        name_write(t, q->publish->topic);
        text_format(t, "%u %d %d", q->publish->qos, q->publish->retain, q->publish->will);
    } else {
        name_write(t, q->subscribe->filter);
        text_format(t, "%u", q->subscribe->qos);
    }
}

void callback_text_done(struct text *t)
{
    if (t->at != NULL)
        explicit_bzero(t->at, t->len);
    text_done(t);
}
