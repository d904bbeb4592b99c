/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of host names. */
#include "wire/domain.h"

#include <string.h>

#include "tap.h"

static bool valid(const char *text) { return domain_pattern_valid(http_text_of(text)); }
static int match(const char *pattern, const char *host) { return (int)domain_match(http_text_of(pattern), http_text_of(host)); }

static void patterns(void)
{
    char label[80], name[300];
    OK(valid("tim.org") && valid("*.tim.org") && valid("a-b.1.xn--p1ai") && valid("a--b.org"));
    OK(!valid("") && !valid("tim") && !valid("*.") && !valid("*") && !valid("*.org") && !valid("*.*.org") && !valid("a.*.org"));
    OK(!valid("Tim.org") && !valid("tim.org.") && !valid(".tim.org") && !valid("tim..org") && !valid("-a.org") && !valid("a-.org"));
    OK(!valid("10.0.0.1") && !valid("a_b.org") && !valid("tim.org:80") && !valid("t\xc3\xa4m.org"));
    memset(label, 'a', sizeof(label));
    memcpy(label + 63, ".org", 5);
    OK(valid(label));
    memcpy(label + 64, ".org", 5);
    label[63] = 'a';
    OK(!valid(label));
    for (size_t i = 0; i < 299; i++)
        name[i] = i % 2 == 0 ? 'a' : '.';
    name[253] = '\0';
    OK(valid(name));
    name[253] = '.';
    name[255] = '\0';
    OK(!valid(name));
}

static void matches(void)
{
    OK_INT(match("tim.org", "tim.org"), DOMAIN_EXACT);
    OK_INT(match("tim.org", "www.tim.org"), DOMAIN_NOT);
    OK_INT(match("*.tim.org", "www.tim.org"), DOMAIN_WILDCARD);
    OK_INT(match("*.tim.org", "tim.org"), DOMAIN_NOT);
    OK_INT(match("*.tim.org", ".tim.org"), DOMAIN_NOT);
    OK_INT(match("*.tim.org", "a.b.tim.org"), DOMAIN_NOT);
    OK_INT(match("*.tim.org", "www.xtim.org"), DOMAIN_NOT);
    OK_INT(match("*.tim.org", "*.tim.org"), DOMAIN_EXACT); /* a pattern inside another */
    OK_INT(match("tim.org", ""), DOMAIN_NOT);
}

static bool below(const char *name, const char *domain) { return domain_is_below(http_text_of(name), http_text_of(domain)); }

static void belows(void)
{
    OK(below("tim.org", "tim.org") && below("a.tim.org", "tim.org") && below("*.tim.org", "tim.org") && below("a.b.tim.org", "tim.org"));
    OK(!below("atim.org", "tim.org") && !below("org", "tim.org") && !below("tim.org.de", "tim.org") && !below("", "tim.org"));
}

static void lower(void)
{
    char out[DOMAIN_TEXT_MAX + 1], name[300];
    OK(domain_lower(http_text_of("WWW.Tim.org"), out));
    OK_TEXT(out, "www.tim.org");
    memset(name, 'a', 254);
    name[254] = '\0';
    OK(!domain_lower(http_text_of(name), out));
}

static const struct tap_case cases[] = {
    {"what is a pattern", patterns},
    {"what it stands for", matches},
    {"case does not count", lower},
    {"what is below a domain", belows},
};

int main(void)
{
    return TAP_RUN(cases);
}
