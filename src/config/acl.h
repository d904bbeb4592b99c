/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules for MQTT clients, a text file (mdm-tunnel-proxy(8), RULES):
 *
 *     user tim $2b$05$...            who may connect, with which password (crypt(5))
 *     anonymous                      who has no user name may connect
 *     certificate                    who has shown a certificate may connect
 *     for all | user P | client P | certificate P | anonymous      whom the lines below are for; P: a name with '*'
 *     allow|deny publish|subscribe|will|all FILTER
 *     rewrite FROM TO                a client's topics FROM are the broker's topics TO; both may end in "/#"
 *     rate N [BURST]                 messages a second
 *
 * %u, %c and %{cn} in filters are user name, client id and the certificate's common name. Lines are tried in their order; the first
 * one that fits decides; what no line fits is denied.
 */
#ifndef CONFIG_ACL_H
#define CONFIG_ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/error.h"

enum acl_deed { ACL_PUBLISH = 1, ACL_SUBSCRIBE = 2, ACL_WILL = 4, ACL_ALL = 7 };
enum acl_whom { ACL_FOR_ALL, ACL_FOR_USER, ACL_FOR_CLIENT, ACL_FOR_CERTIFICATE, ACL_FOR_ANONYMOUS };
enum acl_kind { ACL_RULE, ACL_REWRITE, ACL_RATE };

struct acl_user {
    char *name, *hash;
};

struct acl_line {
    enum acl_kind kind;
    enum acl_whom whom;
    char *pattern; /* NULL: of no need */
    bool allow;
    unsigned deeds;
    char *filter, *to; /* of a rule; of a rewrite: from and to */
    uint32_t rate, burst;
};

struct acl {
    struct acl_user *users; /* sorted by name */
    size_t user_count;
    struct acl_line *lines;
    size_t line_count;
    bool anonymous, certificate;
};

/* 0, or -1 and *err ("line 3: ..."); *out is untouched then. */
int acl_parse(const char *text, struct acl *out, struct config_error *err);
/* The file, which must not be readable by everybody where it has passwords. *err begins with its path. */
int acl_load(const char *path, struct acl *out, struct config_error *err);
void acl_done(struct acl *a);
/* NULL: there is none. */
const struct acl_user *acl_user_find(const struct acl *a, const char *name);

#endif
