/* SPDX-License-Identifier: Apache-2.0 */
/* Facts about a client. */
#include "hook/session.h"

#include <stdatomic.h>
#include <string.h>

#include "base/object.h"
#include "wire/http_request.h"

#define SESSION_MAGIC 0x68736573u

struct hook_session {
    OBJECT_MAGIC;
    atomic_uint refs;
    struct mdm_session facts;
    char *request; /* its headers point into it */
    struct mdm_header *headers;
};

static atomic_uint_fast64_t last_number;

static bool text_copy(const char **to, const char *from)
{
    *to = from == NULL ? NULL : strdup(from);
    return from == NULL || *to != NULL;
}

static void text_free(const char *text) { free((void *)(uintptr_t)text); }

/* NUL-terminated where it stands: behind each part of a head there is a byte that nobody needs. */
static const char *part_end(char *request, struct http_text part)
{
    size_t at = (size_t)(part.at - request);
    request[at + part.len] = '\0';
    return request + at;
}

/* The request was parsed before: it is valid. */
static bool headers_make(struct hook_session *s, size_t len)
{
    struct http_field fields[WEBSOCKET_REQUEST_FIELDS_MAX];
    struct http_request r;
    size_t scanned = 0, used;
    const char *why;
    if (http_request_parse(&r, fields, WEBSOCKET_REQUEST_FIELDS_MAX, s->request, len, len, &scanned, &used, &why) !=
        HTTP_PARSE_DONE)
        return true;
    s->headers = calloc(r.field_count + 1, sizeof(*s->headers));
    if (s->headers == NULL)
        return false;
    struct http_text line = {s->request, (size_t)((const char *)memchr(s->request, '\r', len) - s->request)};
    s->headers[0] = (struct mdm_header){"", part_end(s->request, line)};
    for (size_t i = 0; i < r.field_count; i++)
        s->headers[i + 1] = (struct mdm_header){part_end(s->request, fields[i].name),
                                                fields[i].value.len > 0 ? part_end(s->request, fields[i].value) : ""};
    s->facts.headers = s->headers;
    s->facts.header_count = r.field_count + 1;
    return true;
}

struct hook_session *hook_session_create(const struct mdm_session *facts, char *request, size_t request_len)
{
    struct hook_session *s;
    ALLOC_OBJECT(s, SESSION_MAGIC);
    if (s == NULL) {
        free(request);
        return NULL;
    }
    atomic_init(&s->refs, 1);
    s->request = request;
    s->facts.number = atomic_fetch_add(&last_number, 1) + 1;
    s->facts.version = facts->version;
    bool ok = text_copy(&s->facts.client_id, facts->client_id);
    ok = text_copy(&s->facts.username, facts->username) && ok;
    ok = text_copy(&s->facts.address, facts->address) && ok;
    ok = text_copy(&s->facts.listener, facts->listener) && ok;
    ok = text_copy(&s->facts.certificate, facts->certificate) && ok;
    ok = text_copy(&s->facts.certificate_cn, facts->certificate_cn) && ok;
    ok = text_copy(&s->facts.certificate_names, facts->certificate_names) && ok;
    ok = text_copy(&s->facts.certificate_fingerprint, facts->certificate_fingerprint) && ok;
    ok = ok && (request == NULL || headers_make(s, request_len));
    if (!ok) {
        hook_session_unref(s);
        return NULL;
    }
    return s;
}

struct hook_session *hook_session_ref(struct hook_session *s)
{
    CHECK_OBJECT(s, SESSION_MAGIC);
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void hook_session_unref(struct hook_session *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    CHECK_OBJECT(s, SESSION_MAGIC);
    text_free(s->facts.client_id);
    text_free(s->facts.username);
    text_free(s->facts.address);
    text_free(s->facts.listener);
    text_free(s->facts.certificate);
    text_free(s->facts.certificate_cn);
    text_free(s->facts.certificate_names);
    text_free(s->facts.certificate_fingerprint);
    free(s->headers);
    free(s->request);
    FREE_OBJECT(s);
}

const struct mdm_session *hook_session_facts(const struct hook_session *s) { return &s->facts; }

static bool text_set(const char **text, struct mqtt_span to)
{
    char *copy = to.data == NULL ? NULL : strndup((const char *)to.data, to.len);
    if (to.data != NULL && copy == NULL)
        return false;
    text_free(*text);
    *text = copy;
    return true;
}

bool hook_session_set_client_id(struct hook_session *s, struct mqtt_span id)
{
    return text_set(&s->facts.client_id, id.data != NULL ? id : (struct mqtt_span){(const uint8_t *)"", 0});
}

bool hook_session_set_username(struct hook_session *s, struct mqtt_span username)
{
    return text_set(&s->facts.username, username);
}

void hook_session_set_version(struct hook_session *s, unsigned version) { s->facts.version = version; }
