/* SPDX-License-Identifier: Apache-2.0 */
/* The list of domains, and turns among its entries. */
#include "server/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/number.h"
#include "wire/frame.h"

/* One entry; NULL, or what is wrong. */
static const char *entry_read(const char *at, size_t len, struct name *out)
{
    const char *equals = memchr(at, '=', len);
    struct config_error reason;
    char number[8] = "1";

    if (equals == NULL)
        return "not NAME=CLIENT or NAME=CLIENT:WEIGHT";
    if (!domain_lower((struct http_text){at, (size_t)(equals - at)}, out->pattern) ||
        !domain_pattern_valid(http_text_of(out->pattern)))
        return "not a host name, or \"*.\" and one";
    const char *client = equals + 1, *end = at + len, *colon = memchr(client, ':', (size_t)(end - client));
    if (!name_normalise(client, (size_t)((colon != NULL ? colon : end) - client), out->client))
        return "no client id behind \"=\"";
    if (colon != NULL) {
        size_t digits = (size_t)(end - colon) - 1;
        if (digits >= sizeof(number))
            return "the weight is too large";
        memcpy(number, colon + 1, digits);
        number[digits] = '\0';
    }
    return number_parse(number, 1, WEIGHT_MAX, &out->weight, &reason) == 0 ? NULL : "the weight is not a number from 1 to 1000";
}

bool names_parse(const char *text, struct names *out, struct config_error *err)
{
    struct names n = {0, NULL};
    size_t most = text == NULL ? 0 : 1;

    for (const char *c = text; c != NULL && *c != '\0'; c++)
        most += *c == ',';
    if (most > DOMAINS_MAX) {
        config_error_set(err, "domains: more than %u", DOMAINS_MAX);
        return false;
    }
    if (most > 0 && (n.list = calloc(most, sizeof(*n.list))) == NULL) {
        config_error_set(err, "domains: %s", strerror(ENOMEM));
        return false;
    }
    for (size_t len; n.count < most; text += len + 1) {
        len = strcspn(text, ",");
        const char *why = entry_read(text, len, &n.list[n.count++]);
        if (why == NULL)
            continue;
        config_error_set(err, "domains: '%.*s': %s", len < 128 ? (int)len : 128, text, why);
        names_done(&n);
        return false;
    }
    *out = n;
    return true;
}

void names_done(struct names *n)
{
    free(n->list);
    *n = (struct names){0, NULL};
}

const char *reserved_check(char *list)
{
    char label[64];

    for (char *at = list; at != NULL; at = *at == ',' ? at + 1 : NULL) {
        size_t len = strcspn(at, ",");
        if (!name_normalise(at, len, label))
            return at;
        memcpy(at, label, len);
        at += len;
    }
    return NULL;
}

bool reserved_has(const char *list, const char *name)
{
    size_t wanted = strlen(name);

    for (const char *at = list; at != NULL && *at != '\0';) {
        size_t len = strcspn(at, ",");
        if (len == wanted && memcmp(at, name, len) == 0)
            return true;
        at += len + (at[len] == ',');
    }
    return false;
}

bool names_allow(const struct names *n, const char *client, struct http_text name)
{
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->list[i].client, client) == 0 && domain_match(http_text_of(n->list[i].pattern), name) != DOMAIN_NOT)
            return true;
    return false;
}

static const struct name *turn(const struct names *n, enum domain_match wanted, struct http_text host, int64_t *credit,
                               bool (*serves)(void *ctx, const struct name *name), void *ctx)
{
    size_t picked = SIZE_MAX, first = SIZE_MAX;
    int64_t sum = 0;

    for (size_t i = 0; i < n->count; i++) {
        if (domain_match(http_text_of(n->list[i].pattern), host) != wanted)
            continue;
        if (first == SIZE_MAX)
            first = i;
        if (!serves(ctx, &n->list[i]))
            continue;
        credit[i] += n->list[i].weight;
        sum += n->list[i].weight;
        if (picked == SIZE_MAX || credit[i] > credit[picked])
            picked = i;
    }
    if (picked != SIZE_MAX)
        credit[picked] -= sum;
    else
        picked = first;
    return picked == SIZE_MAX ? NULL : &n->list[picked];
}

const struct name *names_pick(const struct names *n, struct http_text host, int64_t *credit,
                              bool (*serves)(void *ctx, const struct name *name), void *ctx)
{
    const struct name *exact = turn(n, DOMAIN_EXACT, host, credit, serves, ctx);

    return exact != NULL ? exact : turn(n, DOMAIN_WILDCARD, host, credit, serves, ctx);
}
