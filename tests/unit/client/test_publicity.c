/* SPDX-License-Identifier: Apache-2.0 */
/* What servers say of public ports: what is news, and in which words it is told. */
#include "client/publicity.h"

#include <string.h>

#include "tap.h"

static struct public_port port_of(const char *service, const struct error *why, uint16_t port, const char *host)
{
    struct public_port p = {.why = why, .port = port};
    snprintf(p.service, sizeof(p.service), "%s", service);
    snprintf(p.host, sizeof(p.host), "%s", host);
    return p;
}

static void news(void)
{
    struct publicity p;
    struct services services = {0, NULL};
    struct config_error err;
    struct public_port ssh = port_of("ssh", &error_none, 2222, ""), other = ssh, none = port_of("ssh", &error_port_taken, 2222, "");
    publicity_init(&p);
    OK(publicity_hear(&p, "one", &ssh) && !publicity_hear(&p, "one", &ssh));
    OK(publicity_hear(&p, "two", &ssh) && !publicity_hear(&p, "one", &ssh));
    other.port = 2223;
    OK(publicity_hear(&p, "one", &other) && publicity_hear(&p, "one", &none) && !publicity_hear(&p, "two", &ssh));
    publicity_forget(&p, "one");
    OK(publicity_hear(&p, "one", &none) && !publicity_hear(&p, "two", &ssh));
    static const char wants[] = "{\"ssh\": {\"target\": 22, \"tcp\": \"auto\"}}", not[] = "{\"ssh\": 22}";
    OK_INT(services_parse(wants, strlen(wants), "f", &services, &err), 0);
    publicity_keep(&p, &services);
    OK(!publicity_hear(&p, "two", &ssh));
    OK(publicity_next(&p, NULL)->why == &error_none && publicity_next(&p, publicity_next(&p, NULL))->why == &error_port_taken);
    OK(publicity_next(&p, publicity_next(&p, publicity_next(&p, NULL))) == NULL);
    services_done(&services);
    OK_INT(services_parse(not, strlen(not), "f", &services, &err), 0);
    publicity_keep(&p, &services);
    OK(publicity_hear(&p, "two", &ssh));
    services_done(&services);
    publicity_done(&p);
}

static void words(void)
{
    char text[512];
    struct public_port p = port_of("ssh", &error_none, 2222, "");
    public_port_text(&p, "192.0.2.1", text, sizeof(text));
    OK_TEXT(text, "192.0.2.1:2222");
    public_port_text(&p, "2001:db8::1", text, sizeof(text));
    OK_TEXT(text, "[2001:db8::1]:2222");
    p = port_of("ssh", &error_none, 2222, "example.com");
    public_port_text(&p, "192.0.2.1", text, sizeof(text));
    OK_TEXT(text, "example.com:2222");
    p = port_of("ssh", &error_ports_not_given, 0, "");
    public_port_refusal(&p, text, sizeof(text));
    OK_TEXT(text, "ssh does not get the public port: the server gives no public ports (ports-not-given). The server needs --tcp-ports");
    p = port_of("ssh", &error_no_memory, 2222, "");
    public_port_refusal(&p, text, sizeof(text));
    OK_TEXT(text, "ssh does not get the public port 2222: out of memory (no-memory)");
}

static void url_is(const struct publicity *p, const struct services *services, const char *service, const char *want)
{
    char url[PUBLIC_URL_MAX] = "";
    bool has = publicity_url(p, services_find(services, service), "tim", "127.0.0.1", url);
    OK(has == (want != NULL));
    OK_TEXT(has ? url : "", want != NULL ? want : "");
}

static void urls(void)
{
    static const char text[] = "{\"web\": 80, \"pass\": {\"target\": 443, \"kind\": \"tls\"}, \"ssh\": {\"target\": 22, \"tcp\": \"auto\"}}";
    struct services services = {0, NULL};
    struct config_error err;
    struct publicity p;
    struct public_port web = port_of("", &error_none, 8000, ""), ssh = port_of("ssh", &error_none, 2222, "example.com");
    OK_INT(services_parse(text, strlen(text), "f", &services, &err), 0);
    publicity_init(&p);
    url_is(&p, &services, "web", NULL);
    web.scheme = PUBLIC_HTTP;
    OK(publicity_hear(&p, "one", &web) && !publicity_hear(&p, "one", &web));
    url_is(&p, &services, "web", "http://web.tim.localhost:8000/");
    url_is(&p, &services, "pass", NULL);
    url_is(&p, &services, "ssh", NULL);
    web = port_of("", &error_none, 443, "example.com");
    web.scheme = PUBLIC_HTTPS;
    OK(publicity_hear(&p, "one", &web) && publicity_hear(&p, "one", &ssh));
    publicity_keep(&p, &services);
    url_is(&p, &services, "web", "https://web--tim.example.com/");
    url_is(&p, &services, "pass", "https://pass--tim.example.com/");
    url_is(&p, &services, "ssh", "tcp://example.com:2222");
    publicity_forget(&p, "one");
    url_is(&p, &services, "web", NULL);
    services_done(&services);
    publicity_done(&p);
}

/* Domains are about themselves, not about services, and a server that speaks of many is not remembered without end. */
static void domains(void)
{
    struct publicity p;
    char text[512], name[32];
    struct public_port web = port_of("", &error_none, 443, "example.com"), again;
    struct public_port one = port_of("", &error_domain_unproven, 0, "www.tim.org");
    web.scheme = PUBLIC_HTTPS;
    one.scheme = PUBLIC_DOMAIN;
    again = one;
    publicity_init(&p);
    OK(publicity_hear(&p, "one", &web) && publicity_hear(&p, "one", &one) && !publicity_hear(&p, "one", &web));
    OK(!publicity_hear(&p, "one", &again) && publicity_hear(&p, "two", &again));
    public_domain_refusal(&p, &one, "SHA256:x", text, sizeof(text));
    OK_TEXT(text, "the domain www.tim.org does not lead here: no TXT record proves that the domain is this client's (domain-unproven). "
                  "Set this record: _mdm-tunnel.www.tim.org. TXT \"example.com SHA256:x\"");
    again.why = &error_none;
    OK(publicity_hear(&p, "one", &again) && publicity_find(&p, "")->scheme == PUBLIC_HTTPS);
    again = port_of("", &error_domain_unproven, 0, "*.tim.org");
    public_domain_refusal(&p, &again, "k", text, sizeof(text));
    OK(strstr(text, ": _mdm-tunnel.tim.org. TXT \"example.com k\"") != NULL);
    again.why = &error_domain_not_given;
    public_domain_refusal(&p, &again, "k", text, sizeof(text));
    OK(strstr(text, "--domains") != NULL && strstr(text, "TXT") == NULL);
    for (unsigned i = 0; i < DOMAINS_HEARD_MAX; i++) {
        snprintf(name, sizeof(name), "d%u.org", i);
        again = port_of("", &error_domain_unproven, 0, name);
        again.scheme = PUBLIC_DOMAIN;
        OK(publicity_hear(&p, "one", &again));
    }
    OK(!publicity_hear(&p, "one", &again) && publicity_hear(&p, "one", &one)); /* the oldest one was forgotten */
    one.why = &error_domain_unproven;
    OK(publicity_hear(&p, "two", &one) == false);
    static const char has[] = "{\"web\": {\"target\": 80, \"domains\": [\"WWW.tim.org\", \"y.org\"]}}";
    struct services services = {0, NULL};
    struct config_error err;
    OK_INT(services_parse(has, strlen(has), "f", &services, &err), 0);
    publicity_keep(&p, &services); /* nothing of the others is said any more; where visitors of HTTP come stays */
    for (const struct public_port *at = publicity_next(&p, NULL); at != NULL; at = publicity_next(&p, at))
        OK_TEXT(at->host, "www.tim.org");
    OK(publicity_next(&p, NULL) != NULL && publicity_find(&p, "") != NULL);
    services_done(&services);
    publicity_done(&p);
}

static const struct tap_case cases[] = {
    {"domains", domains},
    {"what is news", news},
    {"words", words},
    {"URLs", urls},
};

int main(void)
{
    return TAP_RUN(cases);
}
