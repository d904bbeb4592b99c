/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP callback as a hook. */
#include "hook/callback.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/hook_answer.h"
#include "hook/callback_inner.h"

#define CALLBACK_MAGIC 0x6863616cu

struct callback {
    OBJECT_MAGIC;
    struct mdm_hook hook;
    uint64_t timeout_us;
    struct callback_known *known; /* NULL: nothing is kept */
    struct callback_caller *caller;
    bool failing; /* the last question had no answer; the caller's thread */
};

/* -- answers: on the caller's thread ---------------------------------------------------------------------------------- */

static void ask_free(struct callback_ask *a)
{
    callback_text_done(&a->body);
    free(a);
}

static bool field_put(struct mdm_question *q, enum mdm_field field, const struct hook_answer_text *t)
{
    return !t->given || hook_host.replace(q, field, t->at, t->len);
}

static bool changes_put(struct mdm_question *q, const struct hook_answer *a)
{
    return field_put(q, MDM_CLIENT_ID, &a->client_id) && field_put(q, MDM_USERNAME, &a->username) &&
           field_put(q, MDM_PASSWORD, &a->password) && field_put(q, MDM_TOPIC, &a->topic) && field_put(q, MDM_PAYLOAD, &a->payload) &&
           (!a->has_qos || hook_host.replace(q, MDM_QOS, &a->qos, 1));
}

/* Said when it begins and when it is over, not for each question. */
static void failing_say(struct callback *cb, const char *why)
{
    if (why != NULL && !cb->failing)
        log_warning("callback", "%s; what it does not answer is denied", why);
    else if (why == NULL && cb->failing)
        log_info("callback", "answers again");
    cb->failing = why != NULL;
}

static void nobody_answers(struct callback *cb, const struct callback_ask *a, const char *why)
{
    failing_say(cb, why);
    hook_host.refuse(a->question, a->connects ? MQTT_SERVER_UNAVAILABLE : MQTT_IMPLEMENTATION_SPECIFIC, "no answer from the callback");
    hook_host.answer(a->question, MDM_DENY);
}

static void answer_apply(struct callback *cb, const struct callback_ask *a, const struct hook_answer *answer)
{
    if (answer->allow && !changes_put(a->question, answer)) {
        nobody_answers(cb, a, "an answer wants to change what cannot be changed, or not so");
        return;
    }
    failing_say(cb, NULL);
    if (a->has_key && !hook_answer_changes(answer))
        callback_known_add(cb->known, a->key, answer->allow ? MDM_ALLOW : MDM_DENY, answer->reason);
    if (!answer->allow)
        hook_host.refuse(a->question, answer->reason, answer->words);
    hook_host.answer(a->question, answer->allow ? MDM_ALLOW : MDM_DENY);
}

static void answered(void *ctx, struct callback_ask *a, const char *text, size_t len, const char *why)
{
    struct callback *cb = ctx;
    struct hook_answer answer;
    struct config_error err;
    CHECK_OBJECT(cb, CALLBACK_MAGIC);
    if (text == NULL) {
        nobody_answers(cb, a, why);
    } else if (hook_answer_parse(text, len, &answer, &err) != 0) {
        nobody_answers(cb, a, err.text);
    } else {
        answer_apply(cb, a, &answer);
        hook_answer_done(&answer);
    }
    ask_free(a);
}

/* -- questions: on a worker ------------------------------------------------------------------------------------------- */

static enum mdm_verdict denied(struct mdm_question *q, const struct callback_question *what, const char *words)
{
    hook_host.refuse(q, what->connect != NULL ? MQTT_SERVER_BUSY : MQTT_IMPLEMENTATION_SPECIFIC, words);
    return MDM_DENY;
}

static enum mdm_verdict known_answer(struct callback *cb, struct mdm_question *q, const uint8_t *key)
{
    unsigned reason = 0;
    enum mdm_verdict verdict = callback_known_find(cb->known, key, &reason);
    if (verdict == MDM_DENY)
        hook_host.refuse(q, reason, "as the callback said a moment ago");
    return verdict;
}

static enum mdm_verdict ask(struct callback *cb, struct mdm_question *q, const struct callback_question *what)
{
    struct callback_ask *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return denied(q, what, "out of memory");
    a->has_key = cb->known != NULL && callback_known_key(cb->known, what, a->key);
    enum mdm_verdict verdict = a->has_key ? known_answer(cb, q, a->key) : MDM_LATER;
    if (verdict != MDM_LATER) {
        ask_free(a);
        return verdict;
    }
    a->question = q;
    a->connects = what->connect != NULL;
    a->deadline_us = clock_now_us() + cb->timeout_us;
    text_init(&a->body, CALLBACK_WAITING_BYTES_MAX);
    callback_question_write(&a->body, what);
    if (!a->body.failed && callback_caller_ask(cb->caller, a))
        return MDM_LATER;
    ask_free(a);
    return denied(q, what, "too many questions wait for the callback");
}

static enum mdm_verdict auth_connect(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_connect *c)
{
    return ask(ctx, q, &(struct callback_question){.session = s, .connect = c});
}

static enum mdm_verdict auth_publish(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_publish *p)
{
    return ask(ctx, q, &(struct callback_question){.session = s, .publish = p});
}

static enum mdm_verdict auth_subscribe(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_subscribe *f)
{
    return ask(ctx, q, &(struct callback_question){.session = s, .subscribe = f});
}

/* -- life ------------------------------------------------------------------------------------------------------------- */

/* "connect,publish" */
static bool events_read(struct mdm_hook *hook, const char *text, struct config_error *err)
{
    do {
        size_t len = strcspn(text, ",");
        if (len == 7 && strncmp(text, "connect", len) == 0)
            hook->auth_connect = auth_connect;
        else if (len == 7 && strncmp(text, "publish", len) == 0)
            hook->auth_publish = auth_publish;
        else if (len == 9 && strncmp(text, "subscribe", len) == 0)
            hook->auth_subscribe = auth_subscribe;
        else
            return config_error_set(err, "hook-events: \"%.*s\" is none of connect, publish and subscribe", (int)(len < 64 ? len : 64),
                                    text) == 0;
        text += len;
    } while (*text++ != '\0');
    return true;
}

static bool parts_make(struct callback *cb, const struct callback_config *config, struct config_error *err)
{
    if (config->cache_us > 0) {
        cb->known = callback_known_create(config->cache_us);
        if (cb->known == NULL)
            return config_error_set(err, "hook-url: out of memory") == 0;
    }
    cb->caller = callback_caller_create(config, answered, cb, err);
    return cb->caller != NULL;
}

struct callback *callback_create(struct hook_chain *c, const struct callback_config *config, struct config_error *err)
{
    struct callback *cb;
    ALLOC_OBJECT(cb, CALLBACK_MAGIC);
    if (cb == NULL) {
        config_error_set(err, "hook-url: out of memory");
        return NULL;
    }
    cb->timeout_us = config->timeout_us;
    cb->hook = (struct mdm_hook){.version = MDM_HOOK_VERSION, .size = sizeof(cb->hook), .ctx = cb};
    bool ok = events_read(&cb->hook, config->events != NULL ? config->events : "connect,publish,subscribe", err) &&
              parts_make(cb, config, err);
    if (ok && !hook_chain_add(c, &cb->hook))
        ok = config_error_set(err, "hook-url: there are too many hooks") == 0;
    if (!ok)
        callback_free(&cb);
    return cb;
}

void callback_stop(struct callback *cb)
{
    CHECK_OBJECT(cb, CALLBACK_MAGIC);
    callback_caller_stop(cb->caller);
}

void callback_free(struct callback **cbp)
{
    struct callback *cb;
    if (*cbp == NULL)
        return;
    TAKE_OBJECT(cb, cbp, CALLBACK_MAGIC);
    callback_caller_free(&cb->caller);
    callback_known_free(&cb->known);
    FREE_OBJECT(cb);
}
