/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of rules for MQTT clients. */
#include "config/acl.h"

#include <string.h>

#include "tap.h"

#define HASH "$2b$05$abcdefghijklmnopqrstuuJQV0FQ0k9mGZwGZgkTeNqLr0uq5vJLq"

static void good(void)
{
    struct acl a;
    struct config_error err = {""};
    const char *text = "# users\nuser tim " HASH "\nuser ann " HASH "\n  # more\nanonymous\n"
                       "for user t*\n  allow publish data/#\n  deny all secret/+/x\n  rate 10\n"
                       "for all\n  rewrite data/# device/%c/data/#\n  rate 5 50\nfor anonymous\n  allow will x\n";
    OK_INT(acl_parse(text, &a, &err), 0);
    OK_TEXT(err.text, "");
    OK_INT(a.user_count, 2);
    OK(a.anonymous && !a.certificate);
    OK(acl_user_find(&a, "tim") != NULL && acl_user_find(&a, "ann") != NULL && acl_user_find(&a, "bob") == NULL);
    OK_INT(a.line_count, 6);
    OK(a.lines[0].kind == ACL_RULE && a.lines[0].allow && a.lines[0].deeds == ACL_PUBLISH);
    OK_TEXT(a.lines[0].pattern, "t*");
    OK_TEXT(a.lines[0].filter, "data/#");
    OK(!a.lines[1].allow && a.lines[1].deeds == ACL_ALL);
    OK(a.lines[2].kind == ACL_RATE && a.lines[2].rate == 10 && a.lines[2].burst == 10);
    OK(a.lines[3].kind == ACL_REWRITE && a.lines[3].pattern == NULL);
    OK_TEXT(a.lines[3].to, "device/%c/data/#");
    OK(a.lines[4].rate == 5 && a.lines[4].burst == 50);
    OK(a.lines[5].whom == ACL_FOR_ANONYMOUS && a.lines[5].deeds == ACL_WILL);
    acl_done(&a);
}

static void bad(void)
{
    static const char *const rows[][2] = {
        {"user tim", "line 1: not \"user NAME HASH\""},
        {"user tim plain", "line 1: "},
        {"user tim " HASH "\nuser tim " HASH, "user tim stands twice"},
        {"allow publish x", "line 1: there is no \"for\" above"},
        {"for nobody", "line 1: not \"for all\""},
        {"for user", "line 1: not \"for all\""},
        {"\nfor all\nallow publish", "line 3: not \"allow|deny"},
        {"for all\nallow shout x", "line 2: neither publish"},
        {"for all\nallow publish a#", "line 2: not a topic filter"},
        {"for all\nallow publish a/#/b", "line 2: not a topic filter"},
        {"for all\nallow publish a/b+", "line 2: not a topic filter"},
        {"for all\nrewrite a/# b", "line 2: only one of both"},
        {"for all\nrewrite a/+/c b", "line 2: a wildcard"},
        {"for all\nrate 0", "line 2: "},
        {"for all\nrate 1 2 3", "line 2: not \"rate"},
        {"permit all", "line 1: unknown word 'permit'"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct acl a;
        struct config_error err = {""};
        OK_INT(acl_parse(rows[i][0], &a, &err), -1);
        OK(strncmp(err.text, rows[i][1], strlen(rows[i][1])) == 0);
        if (strncmp(err.text, rows[i][1], strlen(rows[i][1])) != 0)
            OK_TEXT(err.text, rows[i][1]);
    }
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"lines are read", good},
        {"what is wrong is said with its line", bad},
    };
    return TAP_RUN(cases);
}
