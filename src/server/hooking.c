/* SPDX-License-Identifier: Apache-2.0 */
/* A question about a request, answered at once or later. */
#include "server/hooking.h"

#include "base/counters.h"
#include "hook/chain.h"
#include "server/exchange.h"
#include "server/front.h"
#include "server/visitor.h"

/* Takes the question. */
static enum gate_verdict verdict_take(struct exchange *ex, struct mdm_question *q, bool allowed)
{
    const char *words;
    unsigned status = question_status(q, &words);

    ex->gate.hooked = allowed;
    if (!allowed) {
        counter_add(counters_self(), COUNTER_denied_hook, 1);
        ex->gate.status = status;
        exchange_fail(ex, &error_hook_denied, words);
    }
    question_free(&q);
    return allowed ? GATE_OPEN : GATE_SHUT;
}

static void answered(void *ctx, struct mdm_question *q, bool allowed)
{
    struct exchange *ex = ctx;

    CHECK_OBJECT(ex, EXCHANGE_MAGIC);
    ex->gate.asked = NULL;
    if (verdict_take(ex, q, allowed) == GATE_OPEN)
        exchange_go_on(ex);
    if (ex->answer != ANSWER_NONE)
        exchange_wake(ex);
}

enum gate_verdict hooking_pass(struct exchange *ex)
{
    const struct hook_chain *hooks = ex->front->config.hooks;
    char address[64];

    if (hooks == NULL || !hook_chain_wants(hooks)->auth_request || ex->gate.hooked)
        return GATE_OPEN;
    visitor_text(ex->visitor, address);
    const struct slice *head = &ex->head;
    struct mdm_question *q = question_request(hooks, ex->route.client, ex->route.service, address,
                                              (struct http_text){(const char *)head->data, head->len});
    if (q == NULL) {
        exchange_fail(ex, &error_no_memory, NULL);
        return GATE_SHUT;
    }
    enum mdm_verdict verdict = question_ask(q, ex->front->worker, answered, ex);
    if (verdict != MDM_LATER)
        return verdict_take(ex, q, verdict == MDM_ALLOW);
    ex->gate.asked = q;
    return GATE_WAIT;
}
