/* SPDX-License-Identifier: Apache-2.0 */
/* The rules file as a hook. Each worker has an edition of it, as of the settings (server/edition.h): nobody waits for a lock. */
#include "hook/rules.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/object.h"
#include "base/pattern.h"
#include "base/rates.h"
#include "base/watch.h"
#include "config/acl.h"
#include "hook/internal.h"
#include "hook/topic_rule.h"
#include "hook/verifier.h"

#define RULES_MAGIC 0x68727573u

struct hook_rules;

/* The file as it was read, which nobody changes. Goes with its last user. */
struct edition {
    atomic_uint users, awaited; /* the latter: workers that do not have it yet */
    uint64_t number;            /* later ones are higher */
    struct hook_rules *rules;
    struct acl acl;
    struct delivery {
        struct mail mail;
        struct edition *edition;
    } to[]; /* each worker */
};

struct hook_rules {
    OBJECT_MAGIC;
    struct mdm_hook hook;
    char *path;
    pthread_mutex_t reading; /* one after the other */
    uint64_t last_number;
    unsigned count;
    struct worker *workers[WORKERS_MAX];
    struct edition *used[WORKERS_MAX]; /* each its worker's alone */
    struct verifier *verifier;
    struct rates *rates;
    struct watch *watch;
};

/* A password that is compared. */
struct login {
    struct verification verification;
    struct mdm_question *question;
};

/* -- editions --------------------------------------------------------------------------------------------------------- */

static void edition_unref(struct edition *e)
{
    if (e == NULL || atomic_fetch_sub_explicit(&e->users, 1, memory_order_acq_rel) != 1)
        return;
    acl_done(&e->acl);
    free(e);
}

static void edition_deliver(struct worker *self, struct mail *m)
{
    struct edition *e = CONTAINER_OF(m, struct delivery, mail)->edition, **used = &e->rules->used[worker_index(self)];
    struct edition *older = (*used)->number < e->number ? *used : e; /* another thread's may have come first */
    *used = older == e ? *used : e;
    if (atomic_fetch_sub(&e->awaited, 1) == 1)
        log_info("rules", "read again: %zu users, %zu lines", e->acl.user_count, e->acl.line_count);
    edition_unref(older);
}

static void edition_discard(struct mail *m) { edition_unref(CONTAINER_OF(m, struct delivery, mail)->edition); }

/* With a user for each worker. NULL and *err. */
static struct edition *edition_read(struct hook_rules *r, struct config_error *err)
{
    struct edition *e = calloc(1, sizeof(*e) + r->count * sizeof(e->to[0]));
    if (e == NULL) {
        config_error_set(err, "%s: out of memory", r->path);
        return NULL;
    }
    if (acl_load(r->path, &e->acl, err) != 0) {
        free(e);
        return NULL;
    }
    atomic_init(&e->users, r->count);
    atomic_init(&e->awaited, r->count);
    e->number = ++r->last_number;
    e->rules = r;
    for (unsigned i = 0; i < r->count; i++) {
        e->to[i] = (struct delivery){.mail = {.deliver = edition_deliver, .discard = edition_discard}, .edition = e};
        list_init(&e->to[i].mail.node);
    }
    return e;
}

/* The rules of the worker that asks. */
static const struct acl *acl_now(const struct hook_rules *r) { return &r->used[worker_index(worker_self())]->acl; }

/* -- whom a line is for ----------------------------------------------------------------------------------------------- */

static bool is_for(const struct acl_line *l, const struct mdm_session *s)
{
    const char *name = NULL;
    switch (l->whom) {
    case ACL_FOR_ALL:
        return true;
    case ACL_FOR_ANONYMOUS:
        return s->username == NULL;
    case ACL_FOR_USER:
        name = s->username;
        break;
    case ACL_FOR_CLIENT:
        name = s->client_id[0] != '\0' ? s->client_id : NULL;
        break;
    case ACL_FOR_CERTIFICATE:
        name = s->certificate_cn;
        break;
    }
    return name != NULL && pattern_matches(l->pattern, name);
}

/* -- connecting ------------------------------------------------------------------------------------------------------- */

static void login_answered(struct worker *self, struct mail *m)
{
    struct login *l = (struct login *)(void *)CONTAINER_OF(m, struct verification, mail);
    (void)self;
    if (!l->verification.yes)
        hook_host.refuse(l->question, MQTT_BAD_CREDENTIALS, "wrong password");
    hook_host.answer(l->question, l->verification.yes ? MDM_ALLOW : MDM_DENY);
    free(l);
}

static void login_discarded(struct mail *m)
{
    struct login *l = (struct login *)(void *)CONTAINER_OF(m, struct verification, mail);
    hook_host.answer(l->question, MDM_DENY);
    free(l);
}

static enum mdm_verdict denied(struct mdm_question *q, unsigned reason, const char *words)
{
    hook_host.refuse(q, reason, words);
    return MDM_DENY;
}

static enum mdm_verdict password_ask(struct hook_rules *r, const char *user, const char *hash, const char *password, struct mdm_question *q)
{
    struct login *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return denied(q, MQTT_SERVER_BUSY, "out of memory");
    l->question = q;
    l->verification.mail = (struct mail){.deliver = login_answered, .discard = login_discarded};
    l->verification.worker = worker_self();
    enum verdict verdict = verifier_ask(r->verifier, user, hash, password, &l->verification);
    if (verdict == VERDICT_LATER)
        return MDM_LATER;
    free(l);
    return verdict == VERDICT_YES    ? MDM_ALLOW
           : verdict == VERDICT_BUSY ? denied(q, MQTT_SERVER_BUSY, "too many passwords are being compared")
                                     : denied(q, MQTT_BAD_CREDENTIALS, "wrong password");
}

static enum mdm_verdict user_ask(struct hook_rules *r, const struct mdm_connect *c, struct mdm_question *q)
{
    char password[PASSWORD_TEXTS_MAX];
    const struct acl_user *u = acl_user_find(acl_now(r), c->username);
    if (u == NULL)
        return denied(q, MQTT_BAD_CREDENTIALS, "unknown user");
    if (c->password.data == NULL || c->password.len >= sizeof(password) || memchr(c->password.data, '\0', c->password.len) != NULL)
        return denied(q, MQTT_BAD_CREDENTIALS, "no password, or not a possible one");
    memcpy(password, c->password.data, c->password.len);
    password[c->password.len] = '\0';
    enum mdm_verdict verdict = password_ask(r, u->name, u->hash, password, q);
    explicit_bzero(password, sizeof(password));
    return verdict;
}

static enum mdm_verdict auth_connect(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_connect *c)
{
    struct hook_rules *r = ctx;
    const struct acl *a = acl_now(r);
    if (c->username != NULL)
        return user_ask(r, c, q);
    if (a->anonymous || (a->certificate && s->certificate != NULL))
        return MDM_ALLOW;
    return denied(q, MQTT_NOT_AUTHORIZED, "no user name");
}

/* -- publishing and subscribing --------------------------------------------------------------------------------------- */

/* The first line that fits decides: an allowing one has to cover all of it, for a denying one a part is enough. */
static bool may(const struct acl *a, const struct mdm_session *s, unsigned deed, const char *topic)
{
    char filter[MQTT_TOPIC_MAX + 1];
    for (size_t i = 0; i < a->line_count; i++) {
        const struct acl_line *l = &a->lines[i];
        if (l->kind != ACL_RULE || (l->deeds & deed) == 0 || !is_for(l, s))
            continue;
        if (!topic_rule_expand(l->filter, s, filter, sizeof(filter)))
            continue;
        if (l->allow ? topic_rule_covers(filter, topic) : topic_rule_overlaps(filter, topic))
            return l->allow;
    }
    return false;
}

/* Who counts as one: a user, or an address without its port. */
static size_t whose(const struct mdm_session *s, const char **name)
{
    const char *colon = strrchr(s->address, ':');
    *name = s->username != NULL ? s->username : s->address;
    return s->username != NULL || colon == NULL ? strlen(*name) : (size_t)(colon - s->address);
}

static bool within_rate(const struct acl *a, struct rates *rates, const struct mdm_session *s)
{
    for (size_t i = 0; i < a->line_count; i++) {
        const struct acl_line *l = &a->lines[i];
        const char *name;
        size_t len = whose(s, &name);
        if (l->kind == ACL_RATE && is_for(l, s))
            return rates_take(rates, name, len, l->rate * 1000, l->burst, clock_now_us()) == 0;
    }
    return true;
}

static enum mdm_verdict auth_publish(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_publish *p)
{
    struct hook_rules *r = ctx;
    const struct acl *a = acl_now(r);
    if (!may(a, s, p->will ? ACL_WILL : ACL_PUBLISH, p->topic))
        return MDM_DENY;
    if (!p->will && !within_rate(a, r->rates, s))
        return denied(q, MQTT_QUOTA_EXCEEDED, "too many messages");
    return MDM_ALLOW;
}

static enum mdm_verdict auth_subscribe(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_subscribe *f)
{
    struct hook_rules *r = ctx;
    const char *filter = f->filter;
    (void)q;
    if (strncmp(filter, "$share/", 7) == 0) /* of a shared subscription its filter counts (MQTT 5 4.8.2) */
        filter = strchr(filter + 7, '/') + 1;
    return may(acl_now(r), s, ACL_SUBSCRIBE, filter) ? MDM_ALLOW : MDM_DENY;
}

/* -- rewriting -------------------------------------------------------------------------------------------------------- */

static size_t rewrite(void *ctx, const struct mdm_session *s, enum mdm_direction direction, const char *topic, bool filter, char *out,
                      size_t size)
{
    const struct acl *a = acl_now(ctx);
    char from[MQTT_TOPIC_MAX + 1], to[MQTT_TOPIC_MAX + 1];
    size_t len = 0;
    (void)filter;
    for (size_t i = 0; i < a->line_count && len == 0; i++) {
        const struct acl_line *l = &a->lines[i];
        if (l->kind != ACL_REWRITE || !is_for(l, s) || !topic_rule_expand(l->filter, s, from, sizeof(from)) ||
            !topic_rule_expand(l->to, s, to, sizeof(to)))
            continue;
        len = direction == MDM_TO_BROKER ? topic_rule_rewrite(from, to, topic, out, size) : topic_rule_rewrite(to, from, topic, out, size);
    }
    return len;
}

/* -- life ------------------------------------------------------------------------------------------------------------- */

void rules_reload(struct hook_rules *r)
{
    struct config_error err;
    CHECK_OBJECT(r, RULES_MAGIC);
    pthread_mutex_lock(&r->reading);
    struct edition *e = edition_read(r, &err);
    pthread_mutex_unlock(&r->reading);
    if (e == NULL)
        log_warning("rules", "%s; what was there stays", err.text);
    for (unsigned i = 0; e != NULL && i < r->count; i++)
        worker_post(r->workers[i], &e->to[i].mail);
}

static void file_changed(void *ctx) { rules_reload(ctx); }

/* What nobody has lines for costs nothing. A file that gets its first rewriting line later needs a new start. */
static void functions_set(struct hook_rules *r, const struct acl *a)
{
    r->hook = (struct mdm_hook){.version = MDM_HOOK_VERSION,
                                .size = sizeof(r->hook),
                                .ctx = r,
                                .auth_connect = auth_connect,
                                .auth_publish = auth_publish,
                                .auth_subscribe = auth_subscribe};
    for (size_t i = 0; i < a->line_count; i++)
        if (a->lines[i].kind == ACL_REWRITE)
            r->hook.rewrite = rewrite;
}

static bool editions_make(struct hook_rules *r, struct config_error *err)
{
    struct edition *e = edition_read(r, err);
    for (unsigned i = 0; e != NULL && i < r->count; i++)
        r->used[i] = e;
    if (e != NULL)
        functions_set(r, &e->acl);
    return e != NULL;
}

static bool parts_make(struct hook_rules *r)
{
    uint64_t key[2];
    if (getrandom(key, sizeof(key), 0) != sizeof(key))
        return false;
    r->verifier = verifier_create();
    r->rates = rates_create(key);
    r->watch = watch_create(r->workers[0], r->path, file_changed, r);
    return r->verifier != NULL && r->rates != NULL && r->watch != NULL;
}

struct hook_rules *rules_create(struct hook_chain *c, const char *path, struct worker *const *workers, unsigned count,
                                struct config_error *err)
{
    struct hook_rules *r;
    ALLOC_OBJECT(r, RULES_MAGIC);
    if (r == NULL || count == 0) {
        config_error_set(err, "out of memory");
        free(r);
        return NULL;
    }
    pthread_mutex_init(&r->reading, NULL);
    r->count = count;
    memcpy(r->workers, workers, count * sizeof(workers[0]));
    r->path = strdup(path);
    bool ok = r->path != NULL && editions_make(r, err);
    if (ok && !parts_make(r))
        ok = config_error_set(err, "rules: out of memory") == 0;
    if (ok && !hook_chain_add(c, &r->hook))
        ok = config_error_set(err, "rules: there are too many hooks") == 0;
    if (!ok)
        rules_free(&r);
    return r;
}

void rules_stop(struct hook_rules *r)
{
    CHECK_OBJECT(r, RULES_MAGIC);
    verifier_stop(r->verifier);
}

void rules_free(struct hook_rules **rp)
{
    struct hook_rules *r;
    if (*rp == NULL)
        return;
    TAKE_OBJECT(r, rp, RULES_MAGIC);
    watch_free(&r->watch);
    if (r->verifier != NULL)
        verifier_free(&r->verifier);
    if (r->rates != NULL)
        rates_free(&r->rates);
    for (unsigned i = 0; i < r->count; i++)
        edition_unref(r->used[i]);
    pthread_mutex_destroy(&r->reading);
    free(r->path);
    FREE_OBJECT(r);
}
