/* SPDX-License-Identifier: Apache-2.0 */
/* Domains and the TXT records that prove them. */
#include "server/proof_keeper.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/object.h"
#include "mdm-tunnel/limits.h"
#include "server/admission.h"
#include "server/edge.h"
#include "server/front.h"
#include "server/proven.h"
#include "server/txt_lookup.h"

#define KEEPER_MAGIC 0x70726f6f

struct proof_keeper {
    OBJECT_MAGIC;
    struct proof_keeper_config config;
    struct txt_lookups *lookups;
    struct event timer;
    struct list proofs;
    struct list leaving; /* that have left */
    unsigned count, under_way, proven;
    bool running; /* looks through its proofs just now */
};

struct proof {
    struct list node;
    struct proof_keeper *keeper;
    char domain[DOMAIN_TEXT_MAX + 1]; /* as the client said it */
    char client[64], instance[INSTANCE_TEXT_BYTES + 1];
    struct fingerprint key;
    char text[PROOF_TEXT_MAX]; /* of the record */
    bool asking, proven, left; /* left: nobody wants the answer that is on its way */
    uint64_t due_us, yes_us, there_us, pause_us; /* asked again, proven and wanted last, waits after "no" */
    const struct error *said; /* NULL: nothing yet */
};

static uint64_t now_us(const struct proof_keeper *k) { return worker_now_us(k->config.workers[0]); }
static const struct server_settings *settings_of(const struct proof_keeper *k) { return k->config.fronts[0]->config.settings; }
static bool is_on(const struct proof_keeper *k) { return settings_of(k)->domain_proof_us > 0 && k->config.admission != NULL; }

/* -- what the others hear of it ------------------------------------------------------------------------------------ */

static void domain_say(struct proof_keeper *k, const char *instance, const char *domain, const struct error *why)
{
    struct public_port p = {.why = why, .scheme = PUBLIC_DOMAIN};

    snprintf(p.host, sizeof(p.host), "%s", domain);
    hub_say_public(k->config.shard, instance, &p);
}

static void proof_say(struct proof *p, const struct error *why)
{
    if (p->said == why)
        return;
    p->said = why;
    domain_say(p->keeper, p->instance, p->domain, why);
}

/* Without memory a worker goes on with what it has, until the next change. */
static void keeper_publish(struct proof_keeper *k)
{
    for (unsigned i = 0; i < k->config.count; i++) {
        struct proven *list = proven_create(k->config.fronts[i], k->proven);
        size_t n = 0;
        if (list == NULL) {
            log_error("server", "no memory for the domains that are proven");
            return;
        }
        LIST_FOREACH(node, &k->proofs) {
            const struct proof *p = CONTAINER_OF(node, struct proof, node);
            struct name *name = &list->names.list[n];
            if (!p->proven)
                continue;
            *name = (struct name){.weight = 1, .keyed = true, .key = p->key};
            strcpy(name->pattern, p->domain);
            strcpy(name->client, p->client);
            n++;
        }
        proven_send(list, k->config.workers[i]);
    }
}

static void proof_set(struct proof *p, bool proven)
{
    if (p->proven == proven)
        return;
    p->proven = proven;
    p->keeper->proven += proven ? 1 : -1u;
    if (proven)
        counter_add(counters_self(), COUNTER_domains_proven, 1);
    else
        counter_sub(counters_self(), COUNTER_domains_proven, 1);
    log_info(p->client, "the domain %s %s", p->domain, proven ? "is proven by its TXT record" : "is not this client's any more");
    keeper_publish(p->keeper);
}

static void proof_drop(struct proof *p)
{
    list_remove(&p->node);
    p->keeper->count--;
    proof_set(p, false);
    p->left = p->asking;
    if (p->left)
        list_append(&p->keeper->leaving, &p->node);
    else
        free(p);
}

/* -- asking -------------------------------------------------------------------------------------------------------- */

static bool record_is(void *ctx, const char *text, size_t len)
{
    const struct proof *p = ctx;
    size_t wanted = strlen(p->text), key = FINGERPRINT_TEXT_BYTES;

    /* The domain's letters are of either case, the fingerprint's are not. */
    return len == wanted && len > key && strncasecmp(text, p->text, len - key) == 0 &&
           memcmp(text + len - key, p->text + len - key, key) == 0;
}

static void keeper_run(struct proof_keeper *k);

static uint64_t pause_next(struct proof *p, uint64_t interval_us)
{
    p->pause_us = p->pause_us == 0 ? PROOF_AGAIN_S * US_PER_S : 2 * p->pause_us;
    if (p->pause_us > interval_us)
        p->pause_us = interval_us;
    return p->pause_us;
}

static void proof_answered(void *ctx, enum txt_result result, const char *why)
{
    struct proof *p = ctx;
    struct proof_keeper *k = p->keeper;
    uint64_t now = now_us(k), interval_us = settings_of(k)->domain_proof_us;

    CHECK_OBJECT(k, KEEPER_MAGIC);
    k->under_way--;
    p->asking = false;
    if (p->left) {
        list_remove(&p->node);
        free(p);
    } else if (result == TXT_FOUND) {
        p->pause_us = 0;
        p->yes_us = now;
        p->due_us = now + interval_us;
        proof_set(p, true);
        proof_say(p, &error_none);
    } else {
        bool kept = result == TXT_FAILED && p->proven && now - p->yes_us < PROOF_STALE_S * US_PER_S;
        p->due_us = now + pause_next(p, interval_us);
        log_at(kept ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, p->client, "TXT of " PROOF_LABEL "%s: %s", p->domain, why);
        if (!kept) {
            proof_set(p, false);
            proof_say(p, &error_domain_unproven);
        }
    }
    if (!k->running)
        keeper_run(k);
}

static void proof_ask(struct proof *p)
{
    struct proof_keeper *k = p->keeper;
    char name[sizeof(PROOF_LABEL) + DOMAIN_TEXT_MAX];

    snprintf(name, sizeof(name), PROOF_LABEL "%s", strncmp(p->domain, "*.", 2) == 0 ? p->domain + 2 : p->domain);
    p->asking = true;
    k->under_way++;
    counter_add(counters_self(), COUNTER_domain_lookups, 1);
    txt_ask(k->lookups, &(struct txt_question){.name = name, .is = record_is, .done = proof_answered, .ctx = p});
}

/* An instance that has proven the key offers it. */
static bool proof_is_wanted(void *ctx, const struct offering *o)
{
    const struct proof *p = ctx;
    const struct edge_offer *made = o->made;

    return made != NULL && fingerprint_equal(&made->key, &p->key) && edge_offer_has(made, http_text_of(p->domain));
}

/* 0, or how long a question has to wait: neither a client nor all of them flood a resolver. */
static uint64_t question_wait_us(struct proof *p, uint64_t now)
{
    struct rates *rates = p->keeper->config.rates;
    char key[sizeof(p->client) + 8];
    int len = snprintf(key, sizeof(key), "proofs %s", p->client);
    uint64_t wait = rates_take(rates, key, (size_t)len, PROOFS_OF_CLIENT_PER_1000_S, PROOFS_OF_CLIENT_AT_ONCE, now);

    return wait > 0 ? wait : rates_take(rates, "proofs", strlen("proofs"), PROOFS_PER_1000_S, PROOFS_AT_ONCE, now);
}

static bool is_known(void *ctx, const struct offering *o) { return (void)ctx, o->made != NULL; }

/* Whether it stays: the server gives nothing without the setting, the key is admitted, and somebody has it or was there lately. */
static bool proof_holds(struct proof *p, uint64_t now)
{
    struct proof_keeper *k = p->keeper;

    if (!is_on(k) || !admission_knows(k->config.admission, p->client, &p->key))
        return false;
    if (hub_offers(k->config.shard, p->client, proof_is_wanted, p))
        p->there_us = now;
    else if (hub_offers(k->config.shard, p->client, is_known, NULL))
        return false;
    return now - p->there_us < PROOF_AWAY_S * US_PER_S;
}

static void keeper_run(struct proof_keeper *k)
{
    uint64_t now = now_us(k), most = now + (is_on(k) ? settings_of(k)->domain_proof_us : US_PER_S), next = most;

    k->running = true;
    LIST_FOREACH_SAFE(node, after, &k->proofs) {
        struct proof *p = CONTAINER_OF(node, struct proof, node);
        if (p->due_us > most) /* another interval holds now */
            p->due_us = most;
        if ((p->due_us <= now || !is_on(k)) && !p->asking && !proof_holds(p, now)) {
            proof_drop(p);
            continue;
        }
        if (p->due_us <= now && !p->asking && k->under_way < PROOFS_UNDER_WAY_MAX) {
            uint64_t wait = question_wait_us(p, now);
            if (wait == 0)
                proof_ask(p);
            else
                p->due_us = now + wait;
        }
        /* One that is due waits for an answer to another, which looks through them all again. */
        if (p->due_us > now && p->due_us < next)
            next = p->due_us;
    }
    k->running = false;
    event_del(&k->timer);
    if (k->count == 0)
        return;
    uint64_t delay = next - now + US_PER_MS;
    event_add(&k->timer, &(struct timeval){(time_t)(delay / US_PER_S), (suseconds_t)(delay % US_PER_S)});
}

static void keeper_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct proof_keeper *k = ctx;

    (void)fd, (void)what;
    CHECK_OBJECT(k, KEEPER_MAGIC);
    keeper_run(k);
}

/* -- wishes -------------------------------------------------------------------------------------------------------- */

/* NULL: not there; *others: how many the client has. */
static struct proof *proof_find(struct proof_keeper *k, const char *id, const struct fingerprint *key, const char *domain, unsigned *others)
{
    *others = 0;
    LIST_FOREACH(node, &k->proofs) {
        struct proof *p = CONTAINER_OF(node, struct proof, node);
        if (strcmp(p->client, id) != 0)
            continue;
        if (fingerprint_equal(&p->key, key) && strcmp(p->domain, domain) == 0)
            return p;
        ++*others;
    }
    return NULL;
}

static bool proof_add(struct proof_keeper *k, const char *id, const char *instance, const struct fingerprint *key, const char *domain)
{
    struct proof *p = calloc(1, sizeof(*p));
    char fingerprint[FINGERPRINT_TEXT_BYTES + 1];

    if (p == NULL)
        return false;
    fingerprint_text(key, fingerprint);
    p->keeper = k;
    p->key = *key;
    p->due_us = p->there_us = now_us(k);
    snprintf(p->domain, sizeof(p->domain), "%s", domain);
    snprintf(p->client, sizeof(p->client), "%s", id);
    snprintf(p->instance, sizeof(p->instance), "%s", instance);
    snprintf(p->text, sizeof(p->text), "%s %s", settings_of(k)->domain, fingerprint);
    list_append(&k->proofs, &p->node);
    k->count++;
    return true;
}

/* Names below our own domain are ours to give, whatever a record there says; the record's name has to be one, too. */
static bool may_be_proven(const struct proof_keeper *k, const struct fingerprint *key, const char *domain)
{
    static const struct fingerprint none;
    char own[DOMAIN_TEXT_MAX + 1];

    return is_on(k) && !fingerprint_equal(key, &none) && strlen(domain) + strlen(PROOF_LABEL) <= DOMAIN_TEXT_MAX &&
           domain_lower(http_text_of(settings_of(k)->domain), own) && !domain_is_below(http_text_of(domain), http_text_of(own));
}

/* NULL: it is on its way, or the client knows. */
static const struct error *keeper_wish(struct proof_keeper *k, const char *id, const char *instance, const struct fingerprint *key,
                                       const char *domain)
{
    unsigned others;

    if (!may_be_proven(k, key, domain))
        return &error_domain_not_given;
    struct proof *p = proof_find(k, id, key, domain, &others);
    if (p != NULL) {
        snprintf(p->instance, sizeof(p->instance), "%s", instance);
        return p->said;
    }
    if (others >= PROOFS_PER_CLIENT_MAX || k->count >= PROOFS_MAX)
        return &error_limit;
    return proof_add(k, id, instance, key, domain) ? NULL : &error_no_memory;
}

void proof_keeper_offers(struct proof_keeper *k, const char *id, const char *instance, const struct offering *o)
{
    const struct edge_offer *made = o->made;
    unsigned said = 0;

    CHECK_OBJECT(k, KEEPER_MAGIC);
    for (size_t i = 0; made != NULL && i < made->count; i++) {
        const struct edge_rules *r = made->list[i].rules;
        for (size_t j = 0; r != NULL && j < r->domain_count; j++) {
            const char *domain = r->domains[j].at;
            bool given = names_allow(&settings_of(k)->names, id, r->domains[j]);
            const struct error *why = given ? &error_none : keeper_wish(k, id, instance, &made->key, domain);
            if (why == &error_domain_not_given)
                log_warning(id, "%s has the domain %s, which the server's list of domains does not give to this client", made->list[i].name,
                            domain);
            if (why != NULL && said++ < PROOFS_PER_CLIENT_MAX)
                domain_say(k, instance, domain, why);
        }
    }
    LIST_FOREACH(node, &k->proofs) {
        struct proof *p = CONTAINER_OF(node, struct proof, node);
        if (strcmp(p->client, id) == 0 && !hub_offers(k->config.shard, id, proof_is_wanted, p))
            p->due_us = now_us(k); /* does not hold */
    }
    keeper_run(k);
}

void proof_keeper_review(struct proof_keeper *k)
{
    CHECK_OBJECT(k, KEEPER_MAGIC);
    LIST_FOREACH_SAFE(node, next, &k->proofs) {
        struct proof *p = CONTAINER_OF(node, struct proof, node);
        if (!is_on(k) || !admission_knows(k->config.admission, p->client, &p->key))
            proof_drop(p);
    }
    keeper_run(k);
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

struct proof_keeper *proof_keeper_create(const struct proof_keeper_config *config, struct config_error *err)
{
    struct proof_keeper *k;
    const char *why = "out of memory";

    ALLOC_OBJECT(k, KEEPER_MAGIC);
    if (k != NULL) {
        k->config = *config;
        list_init(&k->proofs);
        list_init(&k->leaving);
        evtimer_assign(&k->timer, worker_events(config->workers[0]), keeper_timer, k);
        k->lookups = txt_lookups_create(config->workers[0], config->resolvers, &why);
    }
    if (k != NULL && k->lookups != NULL)
        return k;
    config_error_set(err, "resolver: %s", why);
    proof_keeper_free(&k);
    return NULL;
}

void proof_keeper_free(struct proof_keeper **kp)
{
    struct proof_keeper *k;

    if (*kp == NULL)
        return;
    TAKE_OBJECT(k, kp, KEEPER_MAGIC);
    txt_lookups_free(&k->lookups);
    event_del(&k->timer);
    for (struct list *node; (node = list_shift(&k->proofs)) != NULL;)
        free(CONTAINER_OF(node, struct proof, node));
    for (struct list *node; (node = list_shift(&k->leaving)) != NULL;)
        free(CONTAINER_OF(node, struct proof, node));
    FREE_OBJECT(k);
}
