/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to hooks. One belongs to its owner's worker; while a hook is to answer later it belongs to that hook as well, and
 * goes when both have let go: the answer comes as mail. Most are answered at once and ask for nothing to be kept: those are made in
 * the memory of the one before, and borrow what they are about from their owner.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "hook/internal.h"
#include "hook/packet_shape.h"
#include "hook/request.h"
#include "mqtt/topic.h"

#define QUESTION_MAGIC 0x68717565u
/* Topics up to here stand in the question itself. */
#define TOPIC_KEPT 256

enum question_kind { ASK_CONNECT, ASK_PUBLISH, ASK_SUBSCRIBE, ASK_PACKET, ASK_REQUEST };

struct field {
    struct mqtt_span now;
    struct chunk *own; /* of what a hook has put there; NULL: as it was */
    bool changed;
};

struct mdm_question {
    OBJECT_MAGIC;
    enum question_kind kind;
    const struct hook_chain *chain;
    struct question_store *store; /* its memory's, when it is done; NULL: nobody's */
    struct hook_session *session; /* NULL: it is about a request */
    struct hook_request *request; /* NULL: it is not */
    struct worker *worker;
    unsigned at;              /* the hook that is asked */
    bool later;               /* one has to answer */
    question_done_fn *done;   /* NULL: nobody wants to know any more */
    void *ctx;
    struct mail mail;
    enum mdm_verdict verdict; /* what the mail says */
    struct chunk *hold;       /* what the payload stands in; NULL: nothing to keep */
    bool holds;               /* references to session and `hold` are ours */
    struct field fields[MDM_FIELDS];
    union {
        struct mdm_connect connect;
        struct mdm_publish publish;
        struct mdm_subscribe subscribe;
        struct mdm_packet packet;
    };
    unsigned reason, status;
    char words[128]; /* not cleared with the rest */
    char topic[TOPIC_KEPT];
};

/* -- making ---------------------------------------------------------------------------------------------------------- */

static struct mdm_question *question_create(enum question_kind kind, const struct hook_chain *c, struct hook_session *s,
                                            struct question_store *store, struct chunk *hold)
{
    struct mdm_question *q = store == NULL ? NULL : store->spare;
    if (q != NULL)
        store->spare = NULL;
    else if ((q = malloc(sizeof(*q))) == NULL)
        return NULL;
    memset(q, 0, offsetof(struct mdm_question, words));
    q->magic = QUESTION_MAGIC;
    q->words[0] = '\0';
    q->kind = kind;
    q->chain = c;
    q->store = store;
    q->session = s;
    q->hold = hold;
    q->reason = MQTT_NOT_AUTHORIZED;
    return q;
}

/* The hook that answers later has it, and its owner may go meanwhile. */
static void question_hold(struct mdm_question *q)
{
    if (q->holds)
        return;
    q->holds = true;
    if (q->session != NULL)
        hook_session_ref(q->session);
    if (q->hold != NULL)
        chunk_ref(q->hold);
}

/* A copy with a NUL behind it; false: no memory. */
static bool field_put(struct field *f, struct mqtt_span value)
{
    if (value.data == NULL) {
        chunk_unref(f->own);
        *f = (struct field){.now = MQTT_SPAN_NONE};
        return true;
    }
    struct chunk *copy = chunk_create(value.len + 1);
    if (copy == NULL)
        return false;
    if (value.len > 0)
        memcpy(copy->data, value.data, value.len);
    copy->data[value.len] = '\0';
    chunk_unref(f->own);
    *f = (struct field){.now = {copy->data, value.len}, .own = copy};
    return true;
}

/* The same for a topic that is asked about. */
static bool topic_put(struct mdm_question *q, struct mqtt_span topic)
{
    if (topic.len >= sizeof(q->topic))
        return field_put(&q->fields[MDM_TOPIC], topic);
    memcpy(q->topic, topic.data, topic.len);
    q->topic[topic.len] = '\0';
    q->fields[MDM_TOPIC].now = (struct mqtt_span){(const uint8_t *)q->topic, topic.len};
    return true;
}

static struct mdm_question *made(struct mdm_question *q, bool ok)
{
    if (!ok && q != NULL)
        question_free(&q);
    return q;
}

struct mdm_question *question_connect(const struct hook_chain *c, struct hook_session *s, const struct mqtt_connect *p)
{
    struct mdm_question *q = question_create(ASK_CONNECT, c, s, NULL, NULL);
    if (q == NULL)
        return NULL;
    struct mqtt_span id = p->client_id.data != NULL ? p->client_id : (struct mqtt_span){(const uint8_t *)"", 0};
    q->connect.clean = p->clean_start;
    q->connect.keep_alive_s = p->keep_alive;
    return made(q, field_put(&q->fields[MDM_CLIENT_ID], id) && field_put(&q->fields[MDM_USERNAME], p->username) &&
                       field_put(&q->fields[MDM_PASSWORD], p->password));
}

struct mdm_question *question_publish(const struct hook_chain *c, struct hook_session *s, struct mqtt_span topic,
                                      const struct mqtt_publish *p, bool will, struct question_store *store, struct chunk *hold)
{
    struct mdm_question *q = question_create(ASK_PUBLISH, c, s, store, hold);
    if (q == NULL)
        return NULL;
    q->publish = (struct mdm_publish){.qos = p->qos, .retain = p->retain, .will = will};
    q->fields[MDM_PAYLOAD].now = p->payload;
    return made(q, topic_put(q, topic));
}

struct mdm_question *question_subscribe(const struct hook_chain *c, struct hook_session *s, const struct mqtt_filter *f)
{
    struct mdm_question *q = question_create(ASK_SUBSCRIBE, c, s, NULL, NULL);
    return q == NULL ? NULL
                     : made(q, topic_put(q, f->filter) &&
                                   field_put(&q->fields[MDM_QOS], (struct mqtt_span){&f->qos, 1}));
}

struct mdm_question *question_packet(const struct hook_chain *c, struct hook_session *s, enum mdm_direction direction,
                                     enum mdm_stage stage, unsigned type, struct slice packet, struct question_store *store)
{
    struct mdm_question *q = question_create(ASK_PACKET, c, s, store, packet.chunk);
    if (q == NULL)
        return NULL;
    q->packet = (struct mdm_packet){.direction = direction, .stage = stage, .type = type};
    q->fields[MDM_PACKET].now = (struct mqtt_span){packet.data, packet.len};
    return q;
}

struct mdm_question *question_request(const struct hook_chain *c, const char *client, const char *service, const char *address,
                                      struct http_text head)
{
    struct mdm_question *q = question_create(ASK_REQUEST, c, NULL, NULL, NULL);
    if (q == NULL)
        return NULL;
    q->request = hook_request_create(client, service, address, head);
    return made(q, q->request != NULL);
}

/* -- asking ---------------------------------------------------------------------------------------------------------- */

static const char *text_at(const struct mdm_question *q, enum mdm_field field)
{
    return (const char *)q->fields[field].now.data;
}

static struct mdm_bytes bytes_at(const struct mdm_question *q, enum mdm_field field)
{
    return (struct mdm_bytes){q->fields[field].now.data, q->fields[field].now.len};
}

static enum mdm_verdict hook_ask(struct mdm_question *q, const struct mdm_hook *hook)
{
    const struct mdm_session *s = q->session != NULL ? hook_session_facts(q->session) : NULL;
    switch (q->kind) {
    case ASK_CONNECT:
        q->connect.client_id = text_at(q, MDM_CLIENT_ID);
        q->connect.username = text_at(q, MDM_USERNAME);
        q->connect.password = bytes_at(q, MDM_PASSWORD);
        return hook->auth_connect == NULL ? MDM_ALLOW : hook->auth_connect(hook->ctx, s, q, &q->connect);
    case ASK_PUBLISH:
        q->publish.topic = text_at(q, MDM_TOPIC);
        q->publish.payload = bytes_at(q, MDM_PAYLOAD);
        return hook->auth_publish == NULL ? MDM_ALLOW : hook->auth_publish(hook->ctx, s, q, &q->publish);
    case ASK_SUBSCRIBE:
        q->subscribe = (struct mdm_subscribe){text_at(q, MDM_TOPIC), q->fields[MDM_QOS].now.data[0]};
        return hook->auth_subscribe == NULL ? MDM_ALLOW : hook->auth_subscribe(hook->ctx, s, q, &q->subscribe);
    case ASK_PACKET:
        q->packet.bytes = bytes_at(q, MDM_PACKET);
        return hook->intercept == NULL ? MDM_ALLOW : hook->intercept(hook->ctx, s, q, &q->packet);
    case ASK_REQUEST:
        return hook->auth_request == NULL ? MDM_ALLOW : hook->auth_request(hook->ctx, q, &q->request->facts);
    }
    return MDM_DENY;
}

/* On to the end of the chain, a denial, or a hook that answers later. */
static enum mdm_verdict question_go_on(struct mdm_question *q)
{
    for (; q->at < q->chain->count; q->at++) {
        q->later = true; /* it may answer before it has returned */
        enum mdm_verdict verdict = hook_ask(q, &q->chain->hooks[q->at]);
        if (verdict == MDM_LATER) {
            question_hold(q);
            return MDM_LATER;
        }
        q->later = false;
        if (verdict != MDM_ALLOW)
            return MDM_DENY;
    }
    return MDM_ALLOW;
}

enum mdm_verdict question_ask(struct mdm_question *q, struct worker *w, question_done_fn *done, void *ctx)
{
    CHECK_OBJECT(q, QUESTION_MAGIC);
    q->worker = w;
    q->done = done;
    q->ctx = ctx;
    return question_go_on(q);
}

/* -- answers that come later ----------------------------------------------------------------------------------------- */

static void answer_discard(struct mail *m)
{
    struct mdm_question *q = CONTAINER_OF(m, struct mdm_question, mail);
    CHECK_OBJECT(q, QUESTION_MAGIC);
    q->later = false;
    if (q->done == NULL)
        question_free(&q);
}

static void answer_arrived(struct worker *self, struct mail *m)
{
    struct mdm_question *q = CONTAINER_OF(m, struct mdm_question, mail);
    (void)self;
    CHECK_OBJECT(q, QUESTION_MAGIC);
    q->later = false;
    if (q->done == NULL) {
        question_free(&q);
        return;
    }
    enum mdm_verdict verdict = q->verdict;
    q->at++;
    if (verdict == MDM_ALLOW)
        verdict = question_go_on(q);
    if (verdict != MDM_LATER)
        q->done(q->ctx, q, verdict == MDM_ALLOW);
}

static void host_answer(struct mdm_question *q, enum mdm_verdict verdict)
{
    CHECK_OBJECT(q, QUESTION_MAGIC);
    q->verdict = verdict == MDM_ALLOW ? MDM_ALLOW : MDM_DENY;
    q->mail = (struct mail){.deliver = answer_arrived, .discard = answer_discard};
    list_init(&q->mail.node);
    worker_post(q->worker, &q->mail);
}

/* -- what hooks change ----------------------------------------------------------------------------------------------- */

static bool field_allowed(const struct mdm_question *q, enum mdm_field field)
{
    switch (q->kind) {
    case ASK_CONNECT:
        return field == MDM_CLIENT_ID || field == MDM_USERNAME || field == MDM_PASSWORD;
    case ASK_PUBLISH:
        return field == MDM_TOPIC || field == MDM_PAYLOAD;
    case ASK_SUBSCRIBE:
        return field == MDM_TOPIC || field == MDM_QOS;
    case ASK_PACKET:
        return field == MDM_PACKET;
    case ASK_REQUEST:
        return false;
    }
    return false;
}

static bool value_possible(const struct mdm_question *q, enum mdm_field field, struct mqtt_span value)
{
    if (value.data == NULL)
        return field == MDM_USERNAME || field == MDM_PASSWORD;
    switch (field) {
    case MDM_CLIENT_ID:
    case MDM_USERNAME:
        return value.len <= MQTT_FIELD_MAX && mqtt_text_valid(value);
    case MDM_PASSWORD:
        return value.len <= MQTT_FIELD_MAX;
    case MDM_TOPIC:
        return mqtt_text_valid(value) &&
               (q->kind == ASK_PUBLISH ? mqtt_topic_name_valid(value) : mqtt_topic_filter_valid(value));
    case MDM_PAYLOAD:
        return value.len <= (q->publish.will ? MQTT_FIELD_MAX : MQTT_VARINT_MAX / 2);
    case MDM_QOS:
        return value.len == 1 && value.data[0] <= 2;
    case MDM_PACKET:
        return hook_packet_fits(q->packet.type, q->fields[MDM_PACKET].now, value);
    case MDM_FIELDS:
        break;
    }
    return false;
}

static bool host_replace(struct mdm_question *q, enum mdm_field field, const void *data, size_t len)
{
    CHECK_OBJECT(q, QUESTION_MAGIC);
    static const uint8_t nothing[1];
    struct mqtt_span value = {data == NULL && len == 0 && (field == MDM_PAYLOAD || field == MDM_PACKET) ? nothing : data, len};
    if (!field_allowed(q, field) || !value_possible(q, field, value) || !field_put(&q->fields[field], value))
        return false;
    q->fields[field].changed = true;
    return true;
}

static void host_refuse(struct mdm_question *q, unsigned reason, const char *words)
{
    CHECK_OBJECT(q, QUESTION_MAGIC);
    if (reason >= MQTT_UNSPECIFIED && reason <= UINT8_MAX)
        q->reason = reason;
    q->status = reason >= 400 && reason <= 599 ? reason : 0;
    snprintf(q->words, sizeof(q->words), "%s", words != NULL ? words : "");
}

static void host_log(const char *text) { log_info("hook", "%s", text); }

const struct mdm_hook_host hook_host = {
    .version = MDM_HOOK_VERSION,
    .size = sizeof(struct mdm_hook_host),
    .replace = host_replace,
    .refuse = host_refuse,
    .answer = host_answer,
    .log = host_log,
};

/* -- what came of it ------------------------------------------------------------------------------------------------- */

bool question_changed(const struct mdm_question *q, enum mdm_field field) { return q->fields[field].changed; }

struct mqtt_span question_field(const struct mdm_question *q, enum mdm_field field) { return q->fields[field].now; }

struct slice question_take(struct mdm_question *q, enum mdm_field field)
{
    const struct field *f = &q->fields[field];
    return f->own == NULL ? SLICE_NONE : slice_of(chunk_ref(f->own), 0, f->now.len);
}

unsigned question_reason(const struct mdm_question *q, const char **words)
{
    *words = q->words[0] != '\0' ? q->words : NULL;
    return q->reason;
}

unsigned question_status(const struct mdm_question *q, const char **words)
{
    *words = q->words[0] != '\0' ? q->words : NULL;
    return q->status;
}

void question_free(struct mdm_question **qp)
{
    struct mdm_question *q;
    TAKE_OBJECT(q, qp, QUESTION_MAGIC);
    assert(!q->later);
    for (unsigned i = 0; i < MDM_FIELDS; i++) {
        struct chunk *own = q->fields[i].own;
        if (own == NULL)
            continue;
        if (i == MDM_PASSWORD)
            explicit_bzero(own->data, own->size);
        chunk_unref(own);
    }
    if (q->holds) {
        chunk_unref(q->hold);
        hook_session_unref(q->session);
    }
    hook_request_free(q->request);
    q->magic = 0;
    if (q->store != NULL && q->store->spare == NULL)
        q->store->spare = q;
    else
        free(q);
}

void question_store_done(struct question_store *s)
{
    free(s->spare);
    s->spare = NULL;
}

void question_forget(struct mdm_question **qp)
{
    if (*qp == NULL)
        return;
    struct mdm_question *q = *qp;
    CHECK_OBJECT(q, QUESTION_MAGIC);
    if (!q->later) {
        question_free(qp);
        return;
    }
    q->done = NULL;
    q->store = NULL; /* which may go before the answer comes */
    *qp = NULL;
}
