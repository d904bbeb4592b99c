/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of rules for MQTT clients. */
#include "config/acl.h"

#include <stdlib.h>
#include <string.h>

#include "config/number.h"
#include "config/secret_file.h"
#include "config/words.h"
#include "mdm-tunnel/limits.h"
#include "wire/password_hash.h"

#define TEXT_SPAN(word) (int)((word)->len < 64 ? (word)->len : 64), (word)->text

struct reader {
    struct acl acl;
    struct words w;
    enum acl_whom whom;
    bool whom_said;
    char *pattern_text; /* of the section that is read */
    struct config_error *err;
};

static int wrong(struct reader *r, const char *what)
{
    return config_error_set(r->err, "line %u: %s", r->w.line, what);
}

static char *word_copy(const struct word *w) { return strndup(w->text, w->len); }

/* -- users ------------------------------------------------------------------------------------------------------------ */

static int user_read(struct reader *r)
{
    const struct word *word = r->w.word;
    if (r->w.count != 3)
        return wrong(r, "not \"user NAME HASH\"");
    const char *why = password_hash_wrong((struct http_text){word[2].text, word[2].len});
    if (why != NULL)
        return wrong(r, why);
    struct acl_user *users = realloc(r->acl.users, (r->acl.user_count + 1) * sizeof(*users));
    if (users == NULL)
        return wrong(r, "out of memory");
    r->acl.users = users;
    struct acl_user *u = &users[r->acl.user_count];
    *u = (struct acl_user){word_copy(&word[1]), word_copy(&word[2])};
    r->acl.user_count++;
    return u->name != NULL && u->hash != NULL ? 0 : wrong(r, "out of memory");
}

static int users_compare(const void *a, const void *b)
{
    return strcmp(((const struct acl_user *)a)->name, ((const struct acl_user *)b)->name);
}

const struct acl_user *acl_user_find(const struct acl *a, const char *name)
{
    const struct acl_user key = {.name = (char *)(uintptr_t)name};
    return a->user_count == 0 ? NULL : bsearch(&key, a->users, a->user_count, sizeof(key), users_compare);
}

static int users_sort(struct reader *r)
{
    struct acl *a = &r->acl;
    if (a->user_count > 1)
        qsort(a->users, a->user_count, sizeof(*a->users), users_compare);
    for (size_t i = 1; i < a->user_count; i++)
        if (strcmp(a->users[i - 1].name, a->users[i].name) == 0)
            return config_error_set(r->err, "user %.64s stands twice", a->users[i].name);
    return 0;
}

/* -- sections --------------------------------------------------------------------------------------------------------- */

static int whom_read(struct reader *r)
{
    static const struct {
        const char *word;
        enum acl_whom whom;
        unsigned words;
    } kinds[] = {{"all", ACL_FOR_ALL, 2},
                 {"user", ACL_FOR_USER, 3},
                 {"client", ACL_FOR_CLIENT, 3},
                 {"certificate", ACL_FOR_CERTIFICATE, 3},
                 {"anonymous", ACL_FOR_ANONYMOUS, 2}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (r->w.count < 2 || !word_is(&r->w.word[1], kinds[i].word) || r->w.count != kinds[i].words)
            continue;
        r->whom = kinds[i].whom;
        r->whom_said = true;
        free(r->pattern_text);
        r->pattern_text = kinds[i].words == 3 ? word_copy(&r->w.word[2]) : NULL;
        return kinds[i].words == 2 || r->pattern_text != NULL ? 0 : wrong(r, "out of memory");
    }
    return wrong(r, "not \"for all\", \"for user NAME\", \"for client ID\", \"for certificate NAME\" or \"for anonymous\"");
}

/* A line below `for`; takes the texts. */
static int line_add(struct reader *r, struct acl_line line)
{
    struct acl_line *lines = realloc(r->acl.lines, (r->acl.line_count + 1) * sizeof(*lines));
    line.whom = r->whom;
    line.pattern = r->pattern_text == NULL ? NULL : strdup(r->pattern_text);
    if (lines != NULL)
        r->acl.lines = lines;
    if (lines == NULL || (r->pattern_text != NULL && line.pattern == NULL) || (line.kind != ACL_RATE && line.filter == NULL) ||
        (line.kind == ACL_REWRITE && line.to == NULL)) {
        free(line.pattern);
        free(line.filter);
        free(line.to);
        return wrong(r, "out of memory");
    }
    lines[r->acl.line_count++] = line;
    return 0;
}

/* Wildcards as MQTT has them; '%' may stand for something. */
static bool filter_valid(const struct word *w)
{
    if (w->len > MQTT_TOPIC_MAX)
        return false;
    for (size_t i = 0; i < w->len; i++) {
        bool first = i == 0 || w->text[i - 1] == '/', last = i + 1 == w->len;
        if (w->text[i] == '#' && !(first && last))
            return false;
        if (w->text[i] == '+' && !(first && (last || w->text[i + 1] == '/')))
            return false;
    }
    return true;
}

static int rule_read(struct reader *r, bool allow)
{
    static const struct {
        const char *word;
        enum acl_deed deed;
    } deeds[] = {{"publish", ACL_PUBLISH}, {"subscribe", ACL_SUBSCRIBE}, {"will", ACL_WILL}, {"all", ACL_ALL}};
    if (r->w.count != 3)
        return wrong(r, "not \"allow|deny publish|subscribe|will|all FILTER\"");
    if (!filter_valid(&r->w.word[2]))
        return wrong(r, "not a topic filter");
    for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
        if (word_is(&r->w.word[1], deeds[i].word))
            return line_add(r, (struct acl_line){.kind = ACL_RULE, .allow = allow, .deeds = deeds[i].deed, .filter = word_copy(&r->w.word[2])});
    return wrong(r, "neither publish nor subscribe, will or all");
}

static bool ends_open(const struct word *w) { return w->len >= 2 && memcmp(w->text + w->len - 2, "/#", 2) == 0; }

static int rewrite_read(struct reader *r)
{
    const struct word *word = r->w.word;
    if (r->w.count != 3)
        return wrong(r, "not \"rewrite FROM TO\"");
    if (ends_open(&word[1]) != ends_open(&word[2]))
        return wrong(r, "only one of both ends in /#");
    for (unsigned i = 1; i < 3; i++)
        for (size_t j = 0; j + (ends_open(&word[i]) ? 1 : 0) < word[i].len; j++)
            if (word[i].text[j] == '#' || word[i].text[j] == '+')
                return wrong(r, "a wildcard that is not /# at the end");
    return line_add(r, (struct acl_line){.kind = ACL_REWRITE, .filter = word_copy(&word[1]), .to = word_copy(&word[2])});
}

static int number_read(struct reader *r, const struct word *w, unsigned *out)
{
    struct config_error why;
    char text[16];
    if (w->len >= sizeof(text))
        return wrong(r, "a number is too long");
    memcpy(text, w->text, w->len);
    text[w->len] = '\0';
    return number_parse(text, 1, RATE_MAX, out, &why) == 0 ? 0 : config_error_set(r->err, "line %u: %s", r->w.line, why.text);
}

static int rate_read(struct reader *r)
{
    unsigned rate = 0, burst = 0;
    if (r->w.count < 2 || r->w.count > 3)
        return wrong(r, "not \"rate N [BURST]\"");
    if (number_read(r, &r->w.word[1], &rate) != 0 || (r->w.count == 3 && number_read(r, &r->w.word[2], &burst) != 0))
        return -1;
    return line_add(r, (struct acl_line){.kind = ACL_RATE, .rate = rate, .burst = burst != 0 ? burst : rate});
}

/* -- all of it -------------------------------------------------------------------------------------------------------- */

static int line_read(struct reader *r)
{
    const struct word *first = &r->w.word[0];
    if (r->w.too_many)
        return wrong(r, "too many words");
    if (word_is(first, "user"))
        return user_read(r);
    if (word_is(first, "for"))
        return whom_read(r);
    if ((word_is(first, "anonymous") || word_is(first, "certificate")) && r->w.count == 1) {
        *(word_is(first, "anonymous") ? &r->acl.anonymous : &r->acl.certificate) = true;
        return 0;
    }
    if (!word_is(first, "allow") && !word_is(first, "deny") && !word_is(first, "rewrite") && !word_is(first, "rate"))
        return config_error_set(r->err, "line %u: unknown word '%.*s'", r->w.line, TEXT_SPAN(first));
    if (!r->whom_said)
        return wrong(r, "there is no \"for\" above");
    return word_is(first, "rewrite") ? rewrite_read(r) : word_is(first, "rate") ? rate_read(r) : rule_read(r, word_is(first, "allow"));
}

int acl_parse(const char *text, struct acl *out, struct config_error *err)
{
    struct reader r = {.err = err};
    int result = 0;
    words_init(&r.w, text);
    r.w.comments_in_front = true;
    while (result == 0 && words_next(&r.w))
        if (r.w.count > 0)
            result = line_read(&r);
    if (result == 0)
        result = users_sort(&r);
    free(r.pattern_text);
    if (result == 0)
        *out = r.acl;
    else
        acl_done(&r.acl);
    return result;
}

int acl_load(const char *path, struct acl *out, struct config_error *err)
{
    struct config_error why;
    char *text = secret_read(path, SECRET_PRIVATE, err);
    if (text == NULL)
        return -1;
    int result = acl_parse(text, out, &why);
    secret_free(text);
    return result == 0 ? 0 : config_error_set(err, "%.256s: %.200s", path, why.text);
}

void acl_done(struct acl *a)
{
    for (size_t i = 0; i < a->user_count; i++) {
        free(a->users[i].name);
        free(a->users[i].hash);
    }
    for (size_t i = 0; i < a->line_count; i++) {
        free(a->lines[i].pattern);
        free(a->lines[i].filter);
        free(a->lines[i].to);
    }
    free(a->users);
    free(a->lines);
    *a = (struct acl){0};
}
