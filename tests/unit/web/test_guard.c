/* SPDX-License-Identifier: Apache-2.0 */
/* Which requests may pass, and which addresses are ones. */
#include "web/guard.h"

#include <arpa/inet.h>

#include "tap.h"
#include "web/address.h"

static void hosts(void)
{
    static const char *const names[] = {"tunnel.example", NULL};

    OK(guard_host("127.0.0.1", NULL));
    OK(guard_host("127.0.0.1:4040", NULL));
    OK(guard_host("[::1]", NULL));
    OK(guard_host("[::1]:4040", NULL));
    OK(guard_host("192.0.2.7:1", NULL));
    OK(guard_host("localhost", NULL));
    OK(guard_host("LOCALHOST:80", NULL));
    OK(guard_host("Tunnel.Example:80", names));
    OK(!guard_host("tunnel.example", NULL));
    OK(!guard_host("evil.example:4040", names));
    OK(!guard_host("127.0.0.1.evil.example", names));
    OK(!guard_host("localhost.evil.example", names));
    OK(!guard_host("evil.localhost", names));
    OK(!guard_host("127.1", names));
    OK(!guard_host("::1", names));
    OK(!guard_host("[::1", names));
    OK(!guard_host("[::1]x", names));
    OK(!guard_host("127.0.0.1:80x", names));
    OK(!guard_host("", names));
    OK(!guard_host("[]", names));
}

static void origins(void)
{
    OK(guard_origin("127.0.0.1:4040", NULL, NULL));
    OK(guard_origin("127.0.0.1:4040", "http://127.0.0.1:4040", "same-origin"));
    OK(guard_origin("tunnel.example", "https://tunnel.example", NULL));
    OK(!guard_origin("127.0.0.1:4040", "http://127.0.0.1:4041", NULL));
    OK(!guard_origin("127.0.0.1:4040", "http://evil.example", NULL));
    OK(!guard_origin("127.0.0.1:4040", "http://127.0.0.1:4040.evil.example", NULL));
    OK(!guard_origin("127.0.0.1:4040", "null", NULL));
    OK(!guard_origin("127.0.0.1:4040", "", NULL));
    OK(!guard_origin("127.0.0.1:4040", NULL, "cross-site"));
    OK(!guard_origin("127.0.0.1:4040", NULL, "same-site"));
    OK(!guard_origin("127.0.0.1:4040", "http://127.0.0.1:4040", "cross-site"));
}

static void types(void)
{
    OK(guard_json("application/json"));
    OK(guard_json("Application/JSON; charset=utf-8"));
    OK(!guard_json("application/jsonp"));
    OK(!guard_json("text/plain"));
    OK(!guard_json("text/plain; application/json"));
    OK(!guard_json(NULL));
}

static void secrets(void)
{
    OK(guard_bearer("Bearer abc", "abc"));
    OK(guard_bearer("bearer  abc", "abc"));
    OK(!guard_bearer("Bearer abcd", "abc"));
    OK(!guard_bearer("Bearer ab", "abc"));
    OK(!guard_bearer("Bearer ", "abc"));
    OK(!guard_bearer("Basic abc", "abc"));
    OK(!guard_bearer(NULL, "abc"));
    OK(guard_cookie("mdm=s3cret", "mdm", "s3cret"));
    OK(guard_cookie("a=b; mdm=wrong; mdm=s3cret; c", "mdm", "s3cret"));
    OK(!guard_cookie("xmdm=s3cret", "mdm", "s3cret"));
    OK(!guard_cookie("mdm=s3cre", "mdm", "s3cret"));
    OK(!guard_cookie("mdm=s3cret2", "mdm", "s3cret"));
    OK(!guard_cookie("mdm", "mdm", "s3cret"));
    OK(!guard_cookie(NULL, "mdm", "s3cret"));
}

static void addresses(void)
{
    struct web_address a;
    char text[INET6_ADDRSTRLEN];

    OK(web_address_parse("4040", &a) == NULL);
    OK_INT(a.at.any.sa_family, AF_INET);
    OK_INT(ntohs(a.at.v4.sin_port), 4040);
    OK_TEXT(inet_ntop(AF_INET, &a.at.v4.sin_addr, text, sizeof(text)), "127.0.0.1");
    OK(web_address_parse("192.0.2.1:0", &a) == NULL);
    OK_TEXT(inet_ntop(AF_INET, &a.at.v4.sin_addr, text, sizeof(text)), "192.0.2.1");
    OK(web_address_parse("localhost:1", &a) == NULL);
    OK_TEXT(inet_ntop(AF_INET, &a.at.v4.sin_addr, text, sizeof(text)), "127.0.0.1");
    OK(web_address_parse("[2001:db8::1]:65535", &a) == NULL);
    OK_INT(a.at.any.sa_family, AF_INET6);
    OK_INT(ntohs(a.at.v6.sin6_port), 65535);
    static const char *const bad[] = {"",      ":",           "65536", "-1",   "127.0.0.1", "127.0.0.1:", ":80", "::1:80",
                                      "[::1]", "[127.0.0.1]:1", "a:80",  "1 ",   "[]:1",      "12345678",   "x:99999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (!OK(web_address_parse(bad[i], &a) != NULL))
            printf("#   '%s'\n", bad[i]);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"names that are ours", hosts},
        {"other sites change nothing", origins},
        {"a body is JSON", types},
        {"tokens and cookies", secrets},
        {"addresses", addresses},
    };
    return TAP_RUN(cases);
}
