/* SPDX-License-Identifier: Apache-2.0 */
/* The rules file as a hook. */
#include "hook/rules.h"

#include <pthread.h>
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

struct hook_rules {
    OBJECT_MAGIC;
    struct mdm_hook hook;
    char *path;
    pthread_rwlock_t lock; /* of `acl`: read for a call, written for a moment after an edit */
    struct acl acl;
    struct verifier *verifier;
    struct rates *rates;
    struct watch *watch;
};

/* A password that is compared. */
struct login {
    struct verification verification;
    struct mdm_question *question;
};

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
    const struct acl_user *u = acl_user_find(&r->acl, c->username);
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
    enum mdm_verdict verdict;
    pthread_rwlock_rdlock(&r->lock);
    if (c->username != NULL)
        verdict = user_ask(r, c, q);
    else if (r->acl.anonymous || (r->acl.certificate && s->certificate != NULL))
        verdict = MDM_ALLOW;
    else
        verdict = denied(q, MQTT_NOT_AUTHORIZED, "no user name");
    pthread_rwlock_unlock(&r->lock);
    return verdict;
}

/* -- publishing and subscribing --------------------------------------------------------------------------------------- */

/* The first line that fits decides: an allowing one has to cover all of it, for a denying one a part is enough. */
static bool may(const struct hook_rules *r, const struct mdm_session *s, unsigned deed, const char *topic)
{
    char filter[MQTT_TOPIC_MAX + 1];
    for (size_t i = 0; i < r->acl.line_count; i++) {
        const struct acl_line *l = &r->acl.lines[i];
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

static bool within_rate(const struct hook_rules *r, const struct mdm_session *s)
{
    for (size_t i = 0; i < r->acl.line_count; i++) {
        const struct acl_line *l = &r->acl.lines[i];
        const char *name;
        size_t len = whose(s, &name);
        if (l->kind == ACL_RATE && is_for(l, s))
            return rates_take(r->rates, name, len, l->rate * 1000, l->burst, clock_now_us()) == 0;
    }
    return true;
}

static enum mdm_verdict auth_publish(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_publish *p)
{
    struct hook_rules *r = ctx;
    pthread_rwlock_rdlock(&r->lock);
    bool allowed = may(r, s, p->will ? ACL_WILL : ACL_PUBLISH, p->topic), in_time = !allowed || p->will || within_rate(r, s);
    pthread_rwlock_unlock(&r->lock);
    if (!in_time)
        return denied(q, MQTT_QUOTA_EXCEEDED, "too many messages");
    return allowed ? MDM_ALLOW : MDM_DENY;
}

static enum mdm_verdict auth_subscribe(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_subscribe *f)
{
    struct hook_rules *r = ctx;
    const char *filter = f->filter;
    (void)q;
    if (strncmp(filter, "$share/", 7) == 0) /* of a shared subscription its filter counts (MQTT 5 4.8.2) */
        filter = strchr(filter + 7, '/') + 1;
    pthread_rwlock_rdlock(&r->lock);
    bool allowed = may(r, s, ACL_SUBSCRIBE, filter);
    pthread_rwlock_unlock(&r->lock);
    return allowed ? MDM_ALLOW : MDM_DENY;
}

/* -- rewriting -------------------------------------------------------------------------------------------------------- */

static size_t rewrite(void *ctx, const struct mdm_session *s, enum mdm_direction direction, const char *topic, bool filter, char *out,
                      size_t size)
{
    struct hook_rules *r = ctx;
    char from[MQTT_TOPIC_MAX + 1], to[MQTT_TOPIC_MAX + 1];
    size_t len = 0;
    (void)filter;
    pthread_rwlock_rdlock(&r->lock);
    for (size_t i = 0; i < r->acl.line_count && len == 0; i++) {
        const struct acl_line *l = &r->acl.lines[i];
        if (l->kind != ACL_REWRITE || !is_for(l, s) || !topic_rule_expand(l->filter, s, from, sizeof(from)) ||
            !topic_rule_expand(l->to, s, to, sizeof(to)))
            continue;
        len = direction == MDM_TO_BROKER ? topic_rule_rewrite(from, to, topic, out, size) : topic_rule_rewrite(to, from, topic, out, size);
    }
    pthread_rwlock_unlock(&r->lock);
    return len;
}

/* -- life ------------------------------------------------------------------------------------------------------------- */

void rules_reload(struct hook_rules *r)
{
    struct config_error err;
    struct acl fresh;
    CHECK_OBJECT(r, RULES_MAGIC);
    if (acl_load(r->path, &fresh, &err) != 0) {
        log_warning("rules", "%s; what was there stays", err.text);
        return;
    }
    pthread_rwlock_wrlock(&r->lock);
    struct acl old = r->acl;
    r->acl = fresh;
    pthread_rwlock_unlock(&r->lock);
    acl_done(&old);
    log_info("rules", "read again: %zu users, %zu lines", fresh.user_count, fresh.line_count);
}

static void file_changed(void *ctx) { rules_reload(ctx); }

/* What nobody has lines for costs nothing. A file that gets its first rewriting line later needs a new start. */
static void functions_set(struct hook_rules *r)
{
    r->hook = (struct mdm_hook){.version = MDM_HOOK_VERSION,
                                .size = sizeof(r->hook),
                                .ctx = r,
                                .auth_connect = auth_connect,
                                .auth_publish = auth_publish,
                                .auth_subscribe = auth_subscribe};
    for (size_t i = 0; i < r->acl.line_count; i++)
        if (r->acl.lines[i].kind == ACL_REWRITE)
            r->hook.rewrite = rewrite;
}

static bool parts_make(struct hook_rules *r, struct worker *first)
{
    uint64_t key[2];
    if (getrandom(key, sizeof(key), 0) != sizeof(key))
        return false;
    r->verifier = verifier_create();
    r->rates = rates_create(key);
    r->watch = watch_create(first, r->path, file_changed, r);
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
    pthread_rwlock_init(&r->lock, NULL);
    r->path = strdup(path);
    bool ok = r->path != NULL && acl_load(path, &r->acl, err) == 0;
    if (ok && !parts_make(r, workers[0]))
        ok = config_error_set(err, "rules: out of memory") == 0;
    functions_set(r);
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
    acl_done(&r->acl);
    pthread_rwlock_destroy(&r->lock);
    free(r->path);
    FREE_OBJECT(r);
}
