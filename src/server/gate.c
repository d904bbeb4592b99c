/* SPDX-License-Identifier: Apache-2.0 */
/* What a request has to pass. */
#include "hook/chain.h"
#include "server/gate.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/counters.h"
#include "server/exchange.h"
#include "server/front.h"
#include "server/gate_address.h"
#include "server/visitor.h"
#include "wire/rules.h"

/* Passwords that one address may have looked at: at once, and in 1000 s. */
#define GUESSES_AT_ONCE 10
#define GUESSES_PER_1000_S 200

#define MAINTENANCE_RETRY_US (60 * US_PER_S)

struct gate_question {
    struct verification verification;
    struct exchange *exchange; /* NULL: it is over */
    bool known;                /* there is a user of that name */
};

void gate_retry_after(struct gate *g, uint64_t wait_us)
{
    g->retry_after_s = (unsigned)((wait_us + US_PER_S - 1) / US_PER_S);
}

static enum gate_verdict gate_shut(struct exchange *ex, const struct error *e, enum counter counted, uint64_t wait_us)
{
    counter_add(counters_self(), counted, 1);
    gate_retry_after(&ex->gate, wait_us);
    exchange_fail(ex, e, NULL);
    return GATE_SHUT;
}

static struct http_text text_of(const struct slice *s) { return (struct http_text){(const char *)s->data, s->len}; }

static struct http_text head_of(const struct exchange *ex) { return text_of(&ex->head); }

/* -- the address --------------------------------------------------------------------------------------------------- */

static enum gate_verdict gate_admit(struct exchange *ex)
{
    uint8_t address[CIDR_ADDRESS_BYTES];
    enum counter counted;
    uint64_t wait_us;

    gate_address(ex, address);
    const struct error *why = gate_address_check(ex->gate.rules, ex->front->worker, address, &counted, &wait_us);
    if (why != NULL)
        return gate_shut(ex, why, counted, wait_us);
    ex->gate.stage = GATE_ADMITTED;
    return GATE_OPEN;
}

/* -- the user or the token ----------------------------------------------------------------------------------------- */

/* A browser asks without credentials whether it may ask (Fetch standard, "CORS-preflight request"). */
static bool is_preflight(const struct exchange *ex)
{
    struct http_text value;

    return strcmp(ex->request.method, "OPTIONS") == 0 && http_head_find(head_of(ex), "origin", &value) == 1 &&
           http_head_find(head_of(ex), "access-control-request-method", &value) == 1;
}

static bool bearer_fits(const struct edge_rules *rules, struct http_text token)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    bool fits = false;

    SHA256((const unsigned char *)token.at, token.len, digest);
    for (size_t i = 0; i < rules->bearer_count; i++)
        fits |= CRYPTO_memcmp(digest, rules->bearers[i], sizeof(digest)) == 0;
    return fits;
}

static void question_discard(struct mail *m)
{
    struct verification *v = CONTAINER_OF(m, struct verification, mail);

    free(CONTAINER_OF(v, struct gate_question, verification));
}

static enum gate_verdict gate_unknown(struct exchange *ex)
{
    return gate_shut(ex, &error_unauthorized, COUNTER_denied_credentials, 0);
}

static void question_answered(struct worker *self, struct mail *m)
{
    struct gate_question *q = CONTAINER_OF(CONTAINER_OF(m, struct verification, mail), struct gate_question, verification);
    struct exchange *ex = q->exchange;
    bool yes = q->verification.yes && q->known;

    (void)self;
    free(q);
    if (ex == NULL)
        return;
    CHECK_OBJECT(ex, EXCHANGE_MAGIC);
    ex->gate.question = NULL;
    if (!yes) {
        gate_unknown(ex);
        return;
    }
    ex->gate.stage = GATE_KNOWN;
    exchange_go_on(ex);
}

static struct gate_question *question_create(struct exchange *ex, bool known)
{
    struct gate_question *q = calloc(1, sizeof(*q));

    if (q == NULL)
        return NULL;
    q->verification.mail = (struct mail){.deliver = question_answered, .discard = question_discard};
    list_init(&q->verification.mail.node);
    q->verification.worker = ex->front->worker;
    q->exchange = ex;
    q->known = known;
    return q;
}

/* A password that nobody has looked at lately. */
static enum gate_verdict password_ask(struct exchange *ex, const struct edge_login *login, const char *password, bool known)
{
    const struct edge_rules *rules = ex->gate.rules;
    uint8_t address[CIDR_ADDRESS_BYTES];
    gate_address(ex, address);
    const struct gate_rate guesses = {"guess ", rules->of_service->name, GUESSES_PER_1000_S, GUESSES_AT_ONCE};
    uint64_t wait = gate_rate_take(rules->edge, ex->front->worker, &guesses, address);
    struct gate_question *q = wait > 0 ? NULL : question_create(ex, known);

    if (wait > 0)
        return gate_shut(ex, &error_too_many_requests, COUNTER_denied_rate, wait);
    enum verdict verdict =
        q == NULL ? VERDICT_BUSY
                  : verifier_ask(rules->edge->verifier, rules->of_client->name, login->hash, password, &q->verification);
    if (verdict == VERDICT_LATER) {
        ex->gate.question = q;
        return GATE_WAIT;
    }
    free(q);
    if (verdict == VERDICT_BUSY)
        return gate_shut(ex, &error_limit, COUNTER_limits_hit, US_PER_S);
    return verdict == VERDICT_YES && known ? GATE_OPEN : gate_unknown(ex);
}

/* For a user that is not there another one's hash is computed: how long it takes says nothing. */
static enum gate_verdict password_check(struct exchange *ex, const char *user, const char *password)
{
    const struct edge_rules *rules = ex->gate.rules;
    const struct edge_login *login = NULL;

    for (size_t i = 0; i < rules->login_count && login == NULL; i++)
        if (strcmp(rules->logins[i].user, user) == 0)
            login = &rules->logins[i];
    bool known = login != NULL;
    if (known)
        ex->gate.user = login->user;
    else
        login = &rules->logins[0];
    enum verdict verdict =
        verifier_ask(rules->edge->verifier, rules->of_client->name, login->hash, password, NULL);
    if (verdict == VERDICT_NEW)
        return password_ask(ex, login, password, known);
    return verdict == VERDICT_YES && known ? GATE_OPEN : gate_unknown(ex);
}

static enum gate_verdict gate_identify(struct exchange *ex)
{
    const struct edge_rules *rules = ex->gate.rules;
    struct http_text value, token;
    char text[PASSWORD_TEXTS_MAX];
    const char *user, *password;
    enum gate_verdict verdict = GATE_OPEN;

    if ((rules->login_count > 0 || rules->bearer_count > 0) && !is_preflight(ex)) {
        if (http_head_find(head_of(ex), "authorization", &value) != 1)
            verdict = gate_unknown(ex);
        else if (http_bearer_parse(value, &token))
            verdict = bearer_fits(rules, token) ? GATE_OPEN : gate_unknown(ex);
        else if (rules->login_count > 0 && http_basic_parse(value, text, sizeof(text), &user, &password))
            verdict = password_check(ex, user, password);
        else
            verdict = gate_unknown(ex);
        OPENSSL_cleanse(text, sizeof(text));
    }
    if (verdict == GATE_OPEN)
        ex->gate.stage = GATE_KNOWN;
    return verdict;
}

bool gate_challenge(const struct gate *g, unsigned i, char *out, size_t size)
{
    const struct edge_rules *rules = g->rules;
    bool basic = rules != NULL && rules->login_count > 0, bearer = rules != NULL && rules->bearer_count > 0;

    if (basic && i == 0)
        snprintf(out, size, "Basic realm=\"%s\", charset=\"UTF-8\"", rules->service);
    else if (bearer && i == (unsigned)basic)
        snprintf(out, size, "Bearer realm=\"%s\"", rules->service);
    else
        return false;
    return true;
}

/* -- through ------------------------------------------------------------------------------------------------------- */

/* As the rules say; credentials that were for us do not go on. */
static bool head_rewrite(struct exchange *ex)
{
    static const struct http_text credentials[] = {{"authorization", sizeof("authorization") - 1}};
    static const struct http_edit consumed = {.remove = credentials, .remove_count = 1};
    const struct edge_rules *rules = ex->gate.rules;
    const struct http_field prefix = {http_text_of("X-Forwarded-Prefix"), rules->path};
    const struct http_edit stripped = {.set = &prefix, .set_count = 1, .strip = ex->strip};
    const struct http_edit *edits[3] = {NULL, NULL, NULL};
    struct front *f = ex->front;

    if (rules->login_count > 0 || rules->bearer_count > 0)
        edits[0] = &consumed;
    if (rules->request.set_count > 0 || rules->request.remove_count > 0 || rules->request.host.len > 0)
        edits[1] = &rules->request;
    if (ex->strip > 0)
        edits[2] = &stripped;
    for (unsigned i = 0; i < 3; i++) {
        struct bytes_writer w;
        if (edits[i] == NULL)
            continue;
        bytes_writer_init(&w, f->bytes, sizeof(f->bytes));
        http_head_edit(&w, ex->gate.head.data != NULL ? text_of(&ex->gate.head) : head_of(ex), edits[i]);
        slice_done(&ex->gate.head);
        ex->gate.head = w.failed ? SLICE_NONE : slice_copy(f->bytes, bytes_written(&w));
        if (ex->gate.head.data == NULL)
            return false;
    }
    return true;
}

static bool streams_take(const struct edge_rules *rules)
{
    if (!meter_take(rules->of_client, rules->grant.streams))
        return false;
    if (meter_take(rules->of_service, rules->max_streams))
        return true;
    meter_give(rules->of_client);
    return false;
}

static void on_go(void *ctx)
{
    struct exchange *ex = ctx;

    CHECK_OBJECT(ex, EXCHANGE_MAGIC);
    exchange_wake(ex);
}

static enum gate_verdict gate_enter(struct exchange *ex)
{
    struct gate *g = &ex->gate;

    if (!streams_take(g->rules))
        return gate_shut(ex, &error_limit, COUNTER_denied_streams, US_PER_S);
    g->stage = GATE_PASSED;
    if (g->rules->paced)
        g->pace = pace_create(ex->front->worker, g->rules);
    pace_on_go(g->pace, METER_UP, on_go, ex);
    pace_on_go(g->pace, METER_DOWN, on_go, ex);
    if ((g->rules->paced && g->pace == NULL) || !head_rewrite(ex)) {
        exchange_fail(ex, &error_no_memory, NULL);
        return GATE_SHUT;
    }
    return GATE_OPEN;
}

void gate_maintenance(struct exchange *ex, const char *words)
{
    gate_retry_after(&ex->gate, MAINTENANCE_RETRY_US);
    exchange_fail(ex, &error_maintenance, words[0] != '\0' ? words : NULL);
}

enum gate_verdict gate_pass(struct exchange *ex, struct edge_rules *rules)
{
    static enum gate_verdict (*const next[])(struct exchange *) = {
        [GATE_NEW] = gate_admit, [GATE_ADMITTED] = gate_identify, [GATE_KNOWN] = gate_enter};
    struct gate *g = &ex->gate;
    enum gate_verdict verdict = GATE_OPEN;

    if (g->rules != rules) {
        gate_leave(g);
        g->rules = rules != NULL ? edge_rules_ref(rules) : NULL;
    }
    if (rules == NULL)
        return GATE_OPEN;
    if (rules->wrong != NULL) {
        exchange_fail(ex, rules->wrong, NULL);
        return GATE_SHUT;
    }
    if (rules->maintenance != NULL) {
        gate_maintenance(ex, rules->maintenance);
        return GATE_SHUT;
    }
    while (g->stage != GATE_PASSED && verdict == GATE_OPEN)
        verdict = next[g->stage](ex);
    return verdict;
}

const struct error *gate_connection(struct gate *g, struct worker *w, struct edge_rules *rules,
                                    const uint8_t address[static CIDR_ADDRESS_BYTES])
{
    enum counter counted = COUNTER_limits_hit;
    uint64_t wait_us;

    *g = (struct gate){.stage = GATE_NEW};
    if (rules == NULL)
        return NULL;
    const struct error *why = rules->wrong != NULL ? rules->wrong : rules->maintenance != NULL ? &error_maintenance : NULL;
    if (why == NULL && (rules->login_count > 0 || rules->bearer_count > 0))
        why = &error_unauthorized; /* nobody can say who they are */
    if (why == NULL)
        why = gate_address_check(rules, w, address, &counted, &wait_us);
    if (why == NULL && !streams_take(rules)) {
        counted = COUNTER_denied_streams;
        why = &error_limit;
    }
    if (why != NULL) {
        counter_add(counters_self(), counted, 1);
        return why;
    }
    *g = (struct gate){.stage = GATE_PASSED, .rules = edge_rules_ref(rules)};
    if (rules->paced && (g->pace = pace_create(w, rules)) == NULL) {
        gate_leave(g);
        return &error_no_memory;
    }
    return NULL;
}

void gate_cancel(struct gate *g)
{
    if (g->question != NULL)
        g->question->exchange = NULL;
    g->question = NULL;
    question_forget(&g->asked);
}

void gate_leave(struct gate *g)
{
    gate_cancel(g);
    pace_free(&g->pace);
    slice_done(&g->head);
    if (g->stage == GATE_PASSED) {
        meter_give(g->rules->of_service);
        meter_give(g->rules->of_client);
    }
    edge_rules_unref(g->rules);
    *g = (struct gate){.stage = GATE_NEW};
}

void gate_move(struct gate *to, struct gate *from)
{
    *to = *from;
    *from = (struct gate){.stage = GATE_NEW};
}
