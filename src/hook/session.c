/* SPDX-License-Identifier: Apache-2.0 */
/* Facts about a client. */
#include "hook/session.h"

#include <stdatomic.h>
#include <string.h>

#include "base/object.h"
#include "hook/head.h"

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

static bool headers_make(struct hook_session *s, size_t len)
{
    struct hook_head h;
    if (!hook_head_split(&h, s->request, len, true))
        return false;
    s->headers = h.headers;
    s->facts.headers = h.headers;
    s->facts.header_count = h.count;
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

struct hook_session *hook_session_of(const struct sock *sock, const char *address, const char *listener, char *request, size_t request_len)
{
    char subject[512], name[256], names[2048], print[FINGERPRINT_TEXT_BYTES + 1];
    struct fingerprint fingerprint;
    struct mdm_session facts = {.client_id = "", .address = address, .listener = listener};
    if (sock_client_subject(sock, subject, sizeof(subject)) && sock_client_fingerprint(sock, &fingerprint)) {
        fingerprint_text(&fingerprint, print);
        facts.certificate = subject;
        facts.certificate_fingerprint = print;
        facts.certificate_cn = sock_client_common_name(sock, name, sizeof(name)) ? name : NULL;
        facts.certificate_names = sock_client_names(sock, names, sizeof(names)) ? names : "";
    }
    return hook_session_create(&facts, request, request_len);
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
