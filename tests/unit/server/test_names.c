/* SPDX-License-Identifier: Apache-2.0 */
/* The list of clients' domains, and turns among several clients. */
#include "server/names.h"

#include <string.h>

#include "tap.h"

static const char *refused(const char *text)
{
    static struct config_error err;
    struct names n;
    return names_parse(text, &n, &err) ? "taken" : err.text;
}

static void errors(void)
{
    OK_TEXT(refused("tim.org"), "domains: 'tim.org': not NAME=CLIENT or NAME=CLIENT:WEIGHT");
    OK_TEXT(refused("a.org=a,b=b"), "domains: 'b=b': not a host name, or \"*.\" and one");
    OK_TEXT(refused("a.org=-"), "domains: 'a.org=-': no client id behind \"=\"");
    OK_TEXT(refused("a.org="), "domains: 'a.org=': no client id behind \"=\"");
    OK_TEXT(refused("a.org=a:0"), "domains: 'a.org=a:0': the weight is not a number from 1 to 1000");
    OK_TEXT(refused("a.org=a:1001"), "domains: 'a.org=a:1001': the weight is not a number from 1 to 1000");
    OK_TEXT(refused("a.org=a:"), "domains: 'a.org=a:': the weight is not a number from 1 to 1000");
    OK_TEXT(refused("a.org=a,"), "domains: '': not NAME=CLIENT or NAME=CLIENT:WEIGHT");
}

static void reserved(void)
{
    char list[] = "www,Admin,a", bad[] = "www,,a", last[] = "www,";
    OK(reserved_check(NULL) == NULL && reserved_check(list) == NULL);
    OK_TEXT(list, "www,admin,a");
    OK(reserved_has(list, "www") && reserved_has(list, "admin") && reserved_has(list, "a"));
    OK(!reserved_has(list, "ww") && !reserved_has(list, "dmin") && !reserved_has(list, "") && !reserved_has(NULL, "www"));
    OK_TEXT(reserved_check(bad), ",a");
    OK_TEXT(reserved_check(last), "");
}

static bool present(void *ctx, const struct name *name) { return strchr(ctx, name->client[0]) != NULL; }

static const char *pick(const struct names *n, const char *host, int64_t *credit, const char *there)
{
    const struct name *name = names_pick(n, http_text_of(host), credit, present, (void *)(uintptr_t)there);
    return name == NULL ? "none" : name->client;
}

static void turns(void)
{
    int64_t credit[6] = {0};
    struct config_error err;
    struct names n;
    OK(names_parse("B.org=a:3,b.org=b,*.b.org=c,x.b.org=d", &n, &err) && n.count == 4);
    const char *const want[] = {"a", "a", "b", "a", "a", "a", "b", "a"};
    for (size_t i = 0; i < 8; i++)
        OK_TEXT(pick(&n, "b.org", credit, "abcd"), want[i]);
    OK_TEXT(pick(&n, "b.org", credit, "b"), "b"); /* the one that is there */
    OK_TEXT(pick(&n, "b.org", credit, ""), "a");  /* nobody is: the first */
    OK_TEXT(pick(&n, "y.b.org", credit, "abcd"), "c");
    OK_TEXT(pick(&n, "x.b.org", credit, "abc"), "d"); /* exact goes first, there or not */
    OK_TEXT(pick(&n, "org", credit, "abcd"), "none");
    OK(names_allow(&n, "c", http_text_of("y.b.org")) && names_allow(&n, "c", http_text_of("*.b.org")));
    OK(!names_allow(&n, "a", http_text_of("y.b.org")) && !names_allow(&n, "c", http_text_of("b.org")));
    names_done(&n);
    OK(names_parse(NULL, &n, &err) && n.count == 0);
    OK_TEXT(pick(&n, "b.org", credit, "a"), "none");
}

static const struct tap_case cases[] = {
    {"errors name the entry", errors},
    {"reserved names", reserved},
    {"exact before wildcard, turns by weight among those that are there", turns},
};

int main(void)
{
    return TAP_RUN(cases);
}
