/* SPDX-License-Identifier: Apache-2.0 */
/* Host -> client and service. */
#include "server/route.h"

#include "tap.h"

static struct route route_of(const char *host, const char *domain)
{
    struct http_authority a;
    struct route r;

    OK(http_authority_parse(http_text_of(host), &a));
    route_host(a.host, domain, &r);
    return r;
}

static void is_service(const char *host, const char *domain, const char *service, const char *client)
{
    struct route r = route_of(host, domain);

    printf("# %s\n", host);
    OK_INT(r.kind, ROUTE_SERVICE);
    OK_TEXT(r.service, service);
    OK_TEXT(r.client, client);
}

static void is_client(const char *host, const char *domain, const char *client)
{
    struct route r = route_of(host, domain);

    printf("# %s\n", host);
    OK_INT(r.kind, ROUTE_CLIENT);
    OK_TEXT(r.client, client);
    OK_TEXT(r.service, "");
}

static void is_kind(const char *host, const char *domain, enum route_kind kind)
{
    struct route r = route_of(host, domain);

    printf("# %s\n", host);
    OK_INT(r.kind, kind);
    OK_TEXT(r.client, "");
    OK_TEXT(r.service, "");
}

static void any_suffix(void)
{
    is_service("hello-world.tim.localhost", NULL, "hello-world", "tim");
    is_service("hello-world.tim.localhost:8000", NULL, "hello-world", "tim");
    is_service("hello.tim.example.com", NULL, "hello", "tim");
    is_service("a.b.c.d.e.f", NULL, "a", "b");
    is_service("svc--cli.anything", NULL, "svc", "cli");
    is_service("svc--cli.example.com", NULL, "svc", "cli");
    is_service("svc--cli", NULL, "svc", "cli");
    is_client("tim.localhost", NULL, "tim");
    is_client("tim.example", NULL, "tim");
    is_kind("localhost", NULL, ROUTE_STATUS);
    is_kind("localhost:8000", NULL, ROUTE_STATUS);
    is_kind("127.0.0.1:8000", NULL, ROUTE_STATUS);
    is_kind("[::1]:8000", NULL, ROUTE_STATUS);
}

static void one_domain(void)
{
    is_service("hello.tim.example.com", "example.com", "hello", "tim");
    is_service("hello--tim.example.com", "example.com", "hello", "tim");
    is_client("tim.example.com", "example.com", "tim");
    is_kind("example.com", "example.com", ROUTE_STATUS);
    is_kind("EXAMPLE.com.", "example.com", ROUTE_STATUS);
    is_kind("10.0.0.1", "example.com", ROUTE_STATUS);
    is_kind("localhost", "example.com", ROUTE_STATUS);
    is_kind("hello.tim.example.org", "example.com", ROUTE_UNKNOWN);
    is_kind("hello.timexample.com", "example.com", ROUTE_UNKNOWN);
    is_kind("x.hello.tim.example.com", "example.com", ROUTE_UNKNOWN);
    is_kind("hello--tim.x.example.com", "example.com", ROUTE_UNKNOWN);
    is_kind("a--b", "example.com", ROUTE_STATUS);
}

static void spelling(void)
{
    is_service("Hello-World.TIM.LocalHost", NULL, "hello-world", "tim");
    is_service("hello.tim.example.com.", NULL, "hello", "tim");
    is_service("HELLO--TIM.EXAMPLE.COM:80", "example.com", "hello", "tim");
    is_client("Tim.Example.Com.", "example.com", "tim");
    is_service("a.constructor.x.y", NULL, "a", "constructor");
}

static void names_nobody_has(void)
{
    is_kind("-a.tim.localhost", NULL, ROUTE_UNKNOWN);
    is_kind("a.-tim.localhost", NULL, ROUTE_UNKNOWN);
    is_kind("a_b.tim.localhost", NULL, ROUTE_UNKNOWN);
    is_kind("a.tim_b.localhost", NULL, ROUTE_UNKNOWN);
    is_kind("a--b--c.localhost", NULL, ROUTE_UNKNOWN);
    is_kind("a_b.example.com", "example.com", ROUTE_UNKNOWN);
}

static void long_names(void)
{
    char host[300], label[64];

    memset(label, 'a', 63);
    label[63] = '\0';
    snprintf(host, sizeof(host), "%s.%s.localhost", label, label);
    is_service(host, NULL, label, label);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"without a domain the first labels decide", any_suffix},
        {"with a domain only names below it count", one_domain},
        {"case, port and trailing dot do not matter", spelling},
        {"labels that are no names", names_nobody_has},
        {"the longest names", long_names},
    };
    return TAP_RUN(cases);
}
