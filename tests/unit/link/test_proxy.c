/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP proxy on the way: as a text, in the environment, and what does not go through it. */
#include <stdlib.h>
#include <string.h>

#include "link/proxy.h"
#include "tap.h"

static void is_parsed(void)
{
    struct link_proxy p;
    OK(link_proxy_parse("http://proxy.example.com:3128", &p) == NULL);
    OK_TEXT(p.host, "proxy.example.com");
    OK_INT(p.port, 3128);
    OK_TEXT(p.user, "");
    OK(link_proxy_parse("http://me:s%40cret@[2001:db8::1]:8/", &p) == NULL);
    OK_TEXT(p.host, "2001:db8::1");
    OK_INT(p.port, 8);
    OK_TEXT(p.user, "me:s%40cret");
    OK(link_proxy_parse("10.0.0.1", &p) == NULL);
    OK_INT(p.port, 8080);
}

static void what_is_none(void)
{
    static const char *const texts[] = {
        "",         "http://",      "https://h:1", "socks5://h:1", "h:",        "h:0",         "h:65536",
        "h:1/path", "http://@h:1",  "a b@h:1",     "a/b@h:1",      "[::1:1",    "http://h:1?", "a@b@h:1",
    };
    struct link_proxy p;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (!OK(link_proxy_parse(texts[i], &p) != NULL))
            printf("# %s\n", texts[i]);
    char text[600];
    memset(text, 'u', sizeof(text));
    strcpy(text + 300, "@h:1");
    OK(link_proxy_parse(text, &p) != NULL);
}

static void exemptions(void)
{
    OK(!link_proxy_exempts(NULL, "h"));
    OK(!link_proxy_exempts("", "h"));
    OK(!link_proxy_exempts(" ,, ", "h"));
    OK(link_proxy_exempts("*", "h"));
    OK(link_proxy_exempts("a, example.com", "Broker.Example.com"));
    OK(link_proxy_exempts(".example.com", "broker.example.com"));
    OK(link_proxy_exempts("example.com,b", "example.com"));
    OK(!link_proxy_exempts("example.com", "badexample.com"));
    OK(!link_proxy_exempts("broker.example.com", "example.com"));
    OK(link_proxy_exempts("192.0.2.1 10.0.0.1", "10.0.0.1"));
}

static void environment(const char *http, const char *https, const char *no)
{
    unsetenv("HTTPS_PROXY");
    setenv("http_proxy", http, 1);
    setenv("https_proxy", https, 1);
    setenv("no_proxy", no, 1);
}

static void the_environment_s(void)
{
    struct link_proxy p;
    environment("one:1", "two:2", "inside.example.com");
    OK(link_proxy_choose(NULL, "b.example.com", false, &p) == NULL);
    OK_TEXT(p.host, "one");
    OK(getenv("http_proxy") == NULL && getenv("https_proxy") == NULL);
    environment("one:1", "two:2", "inside.example.com");
    OK(link_proxy_choose(NULL, "b.example.com", true, &p) == NULL);
    OK_TEXT(p.host, "two");
    environment("", "", "");
    setenv("HTTPS_PROXY", "three:3", 1);
    OK(link_proxy_choose(NULL, "b.example.com", true, &p) == NULL);
    OK_TEXT(p.host, "three");
    environment("nonsense:x", "two:2", "");
    OK(link_proxy_choose(NULL, "b.example.com", false, &p) != NULL);
}

static void not_through_it(void)
{
    static const char *const hosts[] = {"inside.example.com", "localhost", "x.localhost", "127.0.0.1", "::1"};
    struct link_proxy p;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        environment("one:1", "two:2", "inside.example.com");
        OK(link_proxy_choose(NULL, hosts[i], false, &p) == NULL);
        OK_INT(p.port, 0);
    }
}

static void the_setting_comes_first(void)
{
    struct link_proxy p;
    environment("one:1", "two:2", "*");
    OK(link_proxy_choose("here:3", "localhost", false, &p) == NULL);
    OK_TEXT(p.host, "here");
    environment("one:1", "two:2", "");
    OK(link_proxy_choose("none", "b.example.com", false, &p) == NULL);
    OK_INT(p.port, 0);
    OK(link_proxy_choose("ftp://x", "b.example.com", false, &p) != NULL);
}

int main(void)
{
    const struct tap_case cases[] = {
        {"a proxy is parsed", is_parsed},
        {"what is none is refused", what_is_none},
        {"what goes without it", exemptions},
        {"the environment's", the_environment_s},
        {"not through the environment's", not_through_it},
        {"the setting comes first", the_setting_comes_first},
    };
    return TAP_RUN(cases);
}
