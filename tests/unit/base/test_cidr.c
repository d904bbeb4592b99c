/* SPDX-License-Identifier: Apache-2.0 */
/* Address ranges of trusted proxies. */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "tap.h"

static bool has(const char *ranges, const char *address)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct cidr_list list;
    uint8_t bytes[CIDR_ADDRESS_BYTES];
    const char *bad;

    OK(cidr_list_parse(ranges, &list, &bad));
    bool old = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
    OK(old || inet_pton(AF_INET6, address, &v6.sin6_addr) == 1);
    OK(cidr_address(old ? (const struct sockaddr *)(const void *)&v4 : (const struct sockaddr *)(const void *)&v6, bytes));
    return cidr_list_has(&list, bytes);
}

static void ranges(void)
{
    OK(has("10.0.0.0/8", "10.255.0.1"));
    OK(!has("10.0.0.0/8", "11.0.0.1"));
    OK(has("192.0.2.128/25", "192.0.2.255"));
    OK(!has("192.0.2.128/25", "192.0.2.127"));
    OK(has("192.0.2.1", "192.0.2.1"));
    OK(!has("192.0.2.1", "192.0.2.2"));
    OK(has("0.0.0.0/0", "203.0.113.7"));
    OK(!has("0.0.0.0/0", "2001:db8::1"));
    OK(has("2001:db8::/33", "2001:db8:7fff::1"));
    OK(!has("2001:db8::/33", "2001:db8:8000::1"));
    OK(has("::/0", "2001:db8::1"));
    OK(has("fe80::1, ::1,10.0.0.0/8", "10.1.2.3"));
    OK(!has("", "10.1.2.3"));
    OK(!has(NULL, "10.1.2.3"));
}

static void mapped(void)
{
    OK(has("10.0.0.0/8", "::ffff:10.1.2.3"));
    OK(has("::ffff:10.0.0.0/104", "10.1.2.3"));
}

static void not_ranges(void)
{
    static const char *const bad_lists[] = {"10.0.0.0/33", "10.0.0.0/", "10.0.0/8",    "::/129",   "x",
                                            "10.0.0.1/-1", "::1/1x",    "10.0.0.0/8,y", "example.com"};
    struct cidr_list list;
    const char *bad = NULL;

    for (size_t i = 0; i < sizeof(bad_lists) / sizeof(bad_lists[0]); i++)
        if (!OK(!cidr_list_parse(bad_lists[i], &list, &bad)))
            printf("# %s\n", bad_lists[i]);
    OK(!cidr_list_parse("::1,y", &list, &bad));
    OK_TEXT(bad, "y");
}

static void too_many(void)
{
    char text[CIDR_MAX * 4 + 8] = "";
    struct cidr_list list;
    const char *bad;

    for (int i = 0; i < CIDR_MAX; i++)
        strcat(text, "::1,");
    OK(cidr_list_parse(text, &list, &bad));
    OK_INT(list.count, CIDR_MAX);
    strcat(text, "::1");
    OK(!cidr_list_parse(text, &list, &bad));
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"addresses in and out of ranges", ranges},
        {"IPv4 inside IPv6", mapped},
        {"what is no range", not_ranges},
        {"the list has a maximum", too_many},
    };
    return TAP_RUN(cases);
}
