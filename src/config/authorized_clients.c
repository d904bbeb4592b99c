/* SPDX-License-Identifier: Apache-2.0 */
/* Clients' keys. */
#include "config/authorized_clients.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/label.h"
#include "base/pattern.h"
#include "config/words.h"

#define NOBODY "none"
#define ANYBODY "any"

/* -- one line ------------------------------------------------------------------------------------------------------ */

bool authorized_pattern(const char *text, size_t len, char out[static NAME_MAX_BYTES + 1])
{
    char made[NAME_MAX_BYTES + 1];
    if (len == 0 || len > NAME_MAX_BYTES)
        return false;
    if (memchr(text, '*', len) == NULL)
        return label_normalise(text, len, out);
    for (size_t i = 0; i < len; i++) {
        char c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
        bool allowed = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '*';
        if (!allowed)
            return false;
        made[i] = c;
    }
    memcpy(out, made, len);
    out[len] = '\0';
    return true;
}

static int line_parse(const struct words *w, struct authorized_client *out, struct config_error *err)
{
    struct authorized_client c = {.grant = CLIENT_GRANT_NONE, .line = w->line};
    if (w->count < 2 || w->too_many)
        return config_error_set(err, "line %u: not an id and a fingerprint", w->line);
    if (!authorized_pattern(w->word[0].text, w->word[0].len, c.pattern))
        return config_error_set(err, "line %u: not a client id", w->line);
    c.none = word_is(&w->word[1], NOBODY);
    c.any = word_is(&w->word[1], ANYBODY);
    if (!c.none && !c.any && !fingerprint_parse(w->word[1].text, w->word[1].len, &c.key))
        return config_error_set(err, "line %u: neither a fingerprint nor \"" NOBODY "\" or \"" ANYBODY "\"", w->line);
    for (unsigned i = 2; i < w->count; i++) {
        const struct word *option = &w->word[i];
        const char *why = c.none ? "unknown option" : client_grant_option(&c.grant, option->text, option->len);
        if (why != NULL)
            return config_error_set(err, "line %u: '%.*s': %s", w->line, option->len < 64 ? (int)option->len : 64,
                                    option->text, why);
    }
    *out = c;
    return 0;
}

/* -- the file ------------------------------------------------------------------------------------------------------ */

static bool list_reserve(struct authorized_clients *a)
{
    if (a->count < a->capacity)
        return true;
    size_t capacity = a->capacity == 0 ? 16 : 2 * a->capacity;
    struct authorized_client *list = realloc(a->list, capacity * sizeof(*list));
    if (list == NULL)
        return false;
    a->list = list;
    a->capacity = capacity;
    return true;
}

static int compare(const void *one, const void *two)
{
    const struct authorized_client *a = one, *b = two;
    bool pattern_a = pattern_has_star(a->pattern), pattern_b = pattern_has_star(b->pattern);
    int order = pattern_a != pattern_b ? pattern_a - pattern_b : pattern_a ? 0 : strcmp(a->pattern, b->pattern);
    return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

static int lines_parse(const char *text, struct authorized_clients *a, struct config_error *err)
{
    struct words w;
    words_init(&w, text);
    while (words_next(&w)) {
        if (w.count == 0)
            continue;
        if (a->count >= AUTHORIZED_CLIENTS_MAX || !list_reserve(a))
            return config_error_set(err, "line %u: too many lines", w.line);
        if (line_parse(&w, &a->list[a->count], err) != 0)
            return -1;
        a->ids += !pattern_has_star(a->list[a->count].pattern);
        a->count++;
    }
    return 0;
}

int authorized_clients_parse(const char *text, struct authorized_clients *out, struct config_error *err)
{
    struct authorized_clients a = {0};
    if (lines_parse(text, &a, err) != 0) {
        authorized_clients_done(&a);
        return -1;
    }
    if (a.count > 0)
        qsort(a.list, a.count, sizeof(*a.list), compare);
    *out = a;
    return 0;
}

void authorized_clients_done(struct authorized_clients *a)
{
    free(a->list);
    *a = (struct authorized_clients){0};
}

/* Where the lines of an id begin, or would. */
static size_t lines_of(const struct authorized_clients *a, const char *id)
{
    size_t low = 0, high = a->ids;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(a->list[middle].pattern, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* "none" counts more than a key, the key more than something that has expired, and that more than another's. */
static enum authorized_answer answer_add(enum authorized_answer before, const struct authorized_client *c,
                                         const struct fingerprint *key, int64_t now_s)
{
    if (c->none || before == AUTHORIZED_NOBODY)
        return AUTHORIZED_NOBODY;
    if (c->any)
        return now_s < c->grant.expires || before == AUTHORIZED_YES ? before : AUTHORIZED_EXPIRED;
    if (!fingerprint_equal(&c->key, key))
        return before == AUTHORIZED_UNKNOWN ? AUTHORIZED_OTHER : before;
    if (now_s < c->grant.expires || before == AUTHORIZED_YES)
        return AUTHORIZED_YES;
    return AUTHORIZED_EXPIRED;
}

enum authorized_answer authorized_clients_find(const struct authorized_clients *a, const char *id,
                                               const struct fingerprint *key, int64_t now_s)
{
    enum authorized_answer answer = AUTHORIZED_UNKNOWN;
    for (size_t i = lines_of(a, id); i < a->ids && strcmp(a->list[i].pattern, id) == 0; i++)
        answer = answer_add(answer, &a->list[i], key, now_s);
    for (size_t i = a->ids; i < a->count; i++)
        if (pattern_matches(a->list[i].pattern, id))
            answer = answer_add(answer, &a->list[i], key, now_s);
    return answer;
}

/* What `out` does not say yet. */
static void grant_add(struct client_grant *out, const struct client_grant *more)
{
    if (out->services[0] == '\0')
        memcpy(out->services, more->services, sizeof(out->services));
    if (out->ports[0] == '\0')
        memcpy(out->ports, more->ports, sizeof(out->ports));
    out->expires = out->expires < more->expires ? out->expires : more->expires;
    out->streams = out->streams > 0 ? out->streams : more->streams;
    out->bandwidth = out->bandwidth > 0 ? out->bandwidth : more->bandwidth;
    out->rate = out->rate > 0 ? out->rate : more->rate;
}

void authorized_clients_grant(const struct authorized_clients *a, const char *id, const struct fingerprint *key,
                              int64_t now_s, struct client_grant *out)
{
    const struct client_grant *own = NULL, *others = NULL;
    for (size_t i = lines_of(a, id); i < a->count; i++) {
        const struct authorized_client *c = &a->list[i];
        bool about = i < a->ids ? strcmp(c->pattern, id) == 0 : pattern_matches(c->pattern, id);
        if (!about || c->none || now_s >= c->grant.expires)
            continue;
        if (c->any && others == NULL)
            others = &c->grant;
        else if (!c->any && own == NULL && fingerprint_equal(&c->key, key))
            own = &c->grant;
    }
    *out = own != NULL ? *own : CLIENT_GRANT_NONE;
    if (others != NULL)
        grant_add(out, others);
}

int64_t authorized_clients_next_expiry(const struct authorized_clients *a, int64_t now_s)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < a->count; i++)
        if (a->list[i].grant.expires > now_s && a->list[i].grant.expires < next)
            next = a->list[i].grant.expires;
    return next;
}

bool authorized_clients_add(struct authorized_clients *a, const char *id, const struct fingerprint *key)
{
    if (strlen(id) > NAME_MAX_BYTES || pattern_has_star(id) || a->count >= AUTHORIZED_CLIENTS_MAX || !list_reserve(a))
        return false;
    size_t at = lines_of(a, id);
    struct authorized_client *c = &a->list[at];
    memmove(c + 1, c, (a->count - at) * sizeof(*c));
    *c = (struct authorized_client){.key = *key, .grant = CLIENT_GRANT_NONE};
    strcpy(c->pattern, id);
    a->count++;
    a->ids++;
    return true;
}

/* -- edits --------------------------------------------------------------------------------------------------------- */

/* Whether the edit takes this line away. */
static bool line_goes(const struct words *w, enum authorized_edit edit, const char *pattern, const char *key)
{
    char own[NAME_MAX_BYTES + 1];
    if (w->count < 2 || !authorized_pattern(w->word[0].text, w->word[0].len, own) || strcmp(own, pattern) != 0)
        return false;
    return edit != AUTHORIZED_ALLOW || word_is(&w->word[1], key) || (word_is(&w->word[1], NOBODY) && strcmp(key, ANYBODY) != 0);
}

char *authorized_clients_edit(const char *text, enum authorized_edit edit, const char *pattern,
                              const struct fingerprint *key, const struct client_grant *grant)
{
    char options[CLIENT_GRANT_TEXT_MAX + 1] = "";
    char shown[FINGERPRINT_TEXT_BYTES + 1] = NOBODY;
    struct words w;
    if (edit == AUTHORIZED_ALLOW && key == NULL)
        strcpy(shown, ANYBODY);
    else if (edit == AUTHORIZED_ALLOW)
        fingerprint_text(key, shown);
    if (edit == AUTHORIZED_ALLOW && grant != NULL)
        client_grant_text(grant, options, sizeof(options));
    char *made = malloc(strlen(text) + 1 + NAME_MAX_BYTES + 1 + sizeof(shown) + sizeof(options) + 1), *at = made;
    if (made == NULL)
        return NULL;
    words_init(&w, text);
    while (words_next(&w)) {
        if (line_goes(&w, edit, pattern, shown))
            continue;
        at = mempcpy(at, w.start, w.len);
        *at++ = '\n';
    }
    if (edit == AUTHORIZED_FORGET)
        *at = '\0';
    else
        sprintf(at, "%s %s%s\n", pattern, shown, options);
    return made;
}
