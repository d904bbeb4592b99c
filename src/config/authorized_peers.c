/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of workstations. */
#include "config/authorized_peers.h"

#include <stdlib.h>
#include <string.h>

#include "base/label.h"
#include "config/day.h"
#include "config/words.h"

static const char *value_of(const struct word *w, const char *option, size_t *len)
{
    size_t n = strlen(option);
    if (w->len <= n || memcmp(w->text, option, n) != 0)
        return NULL;
    *len = w->len - n;
    return w->text + n;
}

/* The name at *at, which moves on behind the comma; false at the end. */
static bool service_next(const char **at, size_t *left, const char **name, size_t *len)
{
    if (*at == NULL)
        return false;
    const char *comma = memchr(*at, ',', *left);
    *name = *at;
    *len = comma == NULL ? *left : (size_t)(comma - *at);
    *left -= *len + (comma != NULL);
    *at = comma == NULL ? NULL : comma + 1;
    return true;
}

static int services_check(const char *text, size_t len, unsigned line, struct config_error *err)
{
    char normal[LABEL_BYTES + 1];
    const char *name;
    size_t n;
    while (service_next(&text, &len, &name, &n))
        if (!label_normalise(name, n, normal) || memcmp(normal, name, n) != 0)
            return config_error_set(err, "line %u: not a list of services", line);
    return 0;
}

static int option_parse(const struct word *w, struct authorized_peer *p, struct config_error *err)
{
    struct config_error why;
    const char *value;
    size_t len;
    if (p->services == NULL && (value = value_of(w, "services=", &len)) != NULL) {
        p->services = value;
        p->services_len = len;
        return services_check(value, len, p->line, err);
    }
    if (p->ports == NULL && (value = value_of(w, "ports=", &len)) != NULL) {
        p->ports = value;
        p->ports_len = len;
        return port_list_check(value, len, &why) == 0 ? 0 : config_error_set(err, "line %u: ports: %s", p->line, why.text);
    }
    if (!p->public && word_is(w, "public")) {
        p->public = true;
        return 0;
    }
    if (p->listen == NULL && (value = value_of(w, "listen=", &len)) != NULL) {
        p->listen = value;
        p->listen_len = len;
        return port_list_check(value, len, &why) == 0 ? 0 : config_error_set(err, "line %u: listen: %s", p->line, why.text);
    }
    if (!p->disconnect && word_is(w, "disconnect")) {
        p->disconnect = true;
        return 0;
    }
    if (p->expires == INT64_MAX && (value = value_of(w, "expires=", &len)) != NULL)
        return day_parse(value, len, &p->expires) ? 0 : config_error_set(err, "line %u: not a day (YYYY-MM-DD)", p->line);
    return config_error_set(err, "line %u: unknown option '%.*s'", p->line, w->len < 64 ? (int)w->len : 64, w->text);
}

static int line_parse(const struct words *w, struct authorized_peer *out, struct config_error *err)
{
    struct authorized_peer p = {.expires = INT64_MAX, .line = w->line};
    if (w->count < 2 || w->too_many)
        return config_error_set(err, "line %u: not a name and a fingerprint", w->line);
    if (!label_normalise(w->word[0].text, w->word[0].len, p.name))
        return config_error_set(err, "line %u: a name is 1 to 63 letters, digits and single hyphens inside", w->line);
    if (!fingerprint_parse(w->word[1].text, w->word[1].len, &p.key))
        return config_error_set(err, "line %u: not a fingerprint", w->line);
    for (unsigned i = 2; i < w->count; i++)
        if (option_parse(&w->word[i], &p, err) != 0)
            return -1;
    *out = p;
    return 0;
}

static bool list_reserve(struct authorized_peers *a)
{
    if (a->count < a->capacity)
        return true;
    size_t capacity = a->capacity == 0 ? 16 : 2 * a->capacity;
    struct authorized_peer *list = realloc(a->list, capacity * sizeof(*list));
    if (list == NULL)
        return false;
    a->list = list;
    a->capacity = capacity;
    return true;
}

static int lines_parse(struct authorized_peers *a, struct config_error *err)
{
    struct words w;
    words_init(&w, a->text);
    while (words_next(&w)) {
        if (w.count == 0)
            continue;
        if (a->count >= AUTHORIZED_PEERS_MAX || !list_reserve(a))
            return config_error_set(err, "line %u: too many lines", w.line);
        if (line_parse(&w, &a->list[a->count], err) != 0)
            return -1;
        a->count++;
    }
    return 0;
}

int authorized_peers_parse(const char *text, struct authorized_peers *out, struct config_error *err)
{
    struct authorized_peers a = {.text = strdup(text)};
    if (a.text == NULL)
        return config_error_set(err, "out of memory");
    if (lines_parse(&a, err) != 0) {
        authorized_peers_done(&a);
        return -1;
    }
    *out = a;
    return 0;
}

void authorized_peers_done(struct authorized_peers *a)
{
    free(a->list);
    free(a->text);
    *a = (struct authorized_peers){0};
}

/* -- asking -------------------------------------------------------------------------------------------------------- */

static bool has_service(const struct authorized_peer *p, const char *service)
{
    const char *at = p->services, *name;
    size_t left = p->services_len, len;
    if (at == NULL)
        return true;
    while (service_next(&at, &left, &name, &len))
        if (strlen(service) == len && memcmp(name, service, len) == 0)
            return true;
    return false;
}

static enum peer_answer line_ask(const struct authorized_peer *p, int64_t now_s, const struct peer_wish *wish)
{
    if (now_s >= p->expires)
        return PEER_EXPIRED;
    bool may = true;
    if (wish->kind == PEER_WISH_SERVICE)
        may = has_service(p, wish->service);
    else if (wish->kind == PEER_WISH_PUBLIC)
        may = p->public && has_service(p, wish->service);
    else if (wish->kind == PEER_WISH_PORT && p->ports != NULL)
        may = port_list_has(p->ports, p->ports_len, wish->host, wish->port, wish->protocol);
    else if (wish->kind == PEER_WISH_LISTEN && p->listen != NULL)
        may = port_list_has(p->listen, p->listen_len, wish->host, wish->port, wish->protocol);
    else if (wish->kind == PEER_WISH_END)
        may = p->disconnect;
    return may ? PEER_YES : PEER_NOT_THIS;
}

enum peer_answer authorized_peers_ask(const struct authorized_peers *a, const struct fingerprint *key, int64_t now_s,
                                      const struct peer_wish *wish, const struct authorized_peer **line)
{
    enum peer_answer best = PEER_UNKNOWN;
    for (size_t i = 0; i < a->count && best != PEER_YES; i++) {
        if (!fingerprint_equal(&a->list[i].key, key))
            continue;
        enum peer_answer answer = line_ask(&a->list[i], now_s, wish);
        if (answer < best)
            continue;
        best = answer;
        *line = &a->list[i];
    }
    return best;
}
