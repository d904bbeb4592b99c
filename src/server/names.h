/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: which clients have which domains of their own, as the setting `domains` says. The list is made once and never changed;
 * whose turn it is among several clients of a name is each worker's own.
 */
#ifndef SERVER_NAMES_H
#define SERVER_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fingerprint.h"
#include "config/error.h"
#include "mdm-tunnel/limits.h"
#include "wire/domain.h"

struct name {
    char pattern[DOMAIN_TEXT_MAX + 1];
    char client[64];
    unsigned weight; /* 1 to WEIGHT_MAX: its share among the clients of the name */
    bool keyed;      /* the client's only with this key */
    struct fingerprint key;
};

struct names {
    size_t count;
    struct name *list; /* heap */
};

/* "PATTERN=CLIENT[:WEIGHT],..."; NULL is an empty list. False and *err. */
bool names_parse(const char *text, struct names *out, struct config_error *err);
void names_done(struct names *n);
/* A list of labels ("www,admin,api"; NULL: none) as it is set: NULL and all in lower case, or the text from the first that is none. */
const char *reserved_check(char *list);
/* Whether `name` (lower case) is among them. */
bool reserved_has(const char *list, const char *name);
/* Whether `client` may have this name, or pattern. */
bool names_allow(const struct names *n, const char *client, struct http_text name);
/*
 * The entry for `host` (lower case) whose turn it is: an exact name goes before a wildcard, and among several clients those that
 * `serves` says serve it take smooth weighted turns (none does: the first entry). `credit`: one for each entry, zero at first.
 * NULL: the name is nobody's.
 */
const struct name *names_pick(const struct names *n, struct http_text host, int64_t *credit,
                              bool (*serves)(void *ctx, const struct name *name), void *ctx);

#endif
