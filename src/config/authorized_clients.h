/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's file of client ids and the keys that may use them, one a line:
 *
 *     PATTERN FINGERPRINT [OPTION...]    (config/client_grant.h)
 *     PATTERN none
 *     PATTERN any OPTION...
 *
 * A pattern is an id, or has '*' for any characters. An id that some line with a fingerprint matches belongs to the keys of
 * the lines that match it, and to nobody where one of them says "none". "any" admits nobody by itself: its options are for
 * whoever proves to be such a client, by a key, a certificate or a pre-shared key. Empty lines, and comments from '#' on, are skipped. Strict: a
 * file with one bad line is none. Pure: text to structs and text.
 */
#ifndef CONFIG_AUTHORIZED_CLIENTS_H
#define CONFIG_AUTHORIZED_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fingerprint.h"
#include "config/client_grant.h"
#include "config/error.h"
#include "mdm-tunnel/limits.h"

struct authorized_client {
    char pattern[NAME_MAX_BYTES + 1];
    bool none, any; /* or, with neither, the key's */
    struct fingerprint key;
    struct client_grant grant; /* once it has expired the line is as "none" for whom it is about */
    unsigned line;   /* from 1 */
};

/* Ids first, in order, then patterns, as they stand. */
struct authorized_clients {
    size_t count, ids, capacity;
    struct authorized_client *list;
};

enum authorized_answer {
    AUTHORIZED_UNKNOWN, /* no line is about the id */
    AUTHORIZED_YES,
    AUTHORIZED_OTHER, /* it belongs to another key */
    AUTHORIZED_NOBODY,
    AUTHORIZED_EXPIRED,
};

/* 0, or -1 and *err ("line 3: ..."); *out is untouched then. */
int authorized_clients_parse(const char *text, struct authorized_clients *out, struct config_error *err);
void authorized_clients_done(struct authorized_clients *a);
enum authorized_answer authorized_clients_find(const struct authorized_clients *a, const char *id,
                                               const struct fingerprint *key, int64_t now_s);
/* What a client of that id and key (all zero: it has none) is allowed: what the first line with the key that is about the id says,
 * ids before patterns, and what that one does not say, from the first one with "any". */
void authorized_clients_grant(const struct authorized_clients *a, const char *id, const struct fingerprint *key,
                              int64_t now_s, struct client_grant *out);
/* When the next key expires, in seconds since 1970; INT64_MAX: none does. */
int64_t authorized_clients_next_expiry(const struct authorized_clients *a, int64_t now_s);
/* One more line for an id; false without memory or beyond AUTHORIZED_CLIENTS_MAX. */
bool authorized_clients_add(struct authorized_clients *a, const char *id, const struct fingerprint *key);

enum authorized_edit {
    AUTHORIZED_ALLOW,  /* a line for this key, instead of "none" and of the one that it had; NULL: with "any" */
    AUTHORIZED_DENY,   /* "none", instead of all lines of the id */
    AUTHORIZED_FORGET, /* no line of the id */
};

/* What `clients allow|deny|forget` makes of the file; comments and other lines stay. `grant`: NULL, no options. Heap; NULL without memory. */
char *authorized_clients_edit(const char *text, enum authorized_edit edit, const char *pattern,
                              const struct fingerprint *key, const struct client_grant *grant);
/* An id, or a pattern: what may stand there is label characters and '*'. Lower case is written to `out`. */
bool authorized_pattern(const char *text, size_t len, char out[static NAME_MAX_BYTES + 1]);

#endif
