/* SPDX-License-Identifier: Apache-2.0 */
/* A list: servers are few, and so are services with ports. */
#include "client/publicity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "base/object.h"
#include "wire/domain.h"
#include "wire/rules.h"

struct heard {
    struct list node;
    char server[INSTANCE_TEXT_BYTES + 1];
    struct public_port port;
};

static struct heard *heard_of(struct list *node) { return CONTAINER_OF(node, struct heard, node); }

static void heard_free(struct heard *h)
{
    list_remove(&h->node);
    free(h);
}

void publicity_init(struct publicity *p) { list_init(&p->heard); }

void publicity_done(struct publicity *p)
{
    LIST_FOREACH_SAFE (node, next, &p->heard)
        heard_free(heard_of(node));
}

static bool is_same(const struct public_port *a, const struct public_port *b)
{
    return a->why == b->why && a->port == b->port && a->scheme == b->scheme && strcmp(a->host, b->host) == 0;
}

/* A service, one of our domains, or where visitors of HTTP come. */
static bool is_about_the_same(const struct public_port *a, const struct public_port *b)
{
    bool domain = a->scheme == PUBLIC_DOMAIN;
    return domain == (b->scheme == PUBLIC_DOMAIN) && strcmp(a->service, b->service) == 0 && (!domain || strcmp(a->host, b->host) == 0);
}

bool publicity_hear(struct publicity *p, const char *server, const struct public_port *port)
{
    struct heard *h, *oldest = NULL;
    unsigned domains = 0;
    LIST_FOREACH (node, &p->heard) {
        h = heard_of(node);
        if (h->port.scheme == PUBLIC_DOMAIN && strcmp(h->server, server) == 0 && domains++ == 0)
            oldest = h;
        if (strcmp(h->server, server) != 0 || !is_about_the_same(&h->port, port))
            continue;
        bool news = !is_same(&h->port, port);
        h->port = *port;
        return news;
    }
    if (port->scheme == PUBLIC_DOMAIN && domains >= DOMAINS_HEARD_MAX)
        heard_free(oldest);
    h = calloc(1, sizeof(*h));
    if (h == NULL)
        return true;
    snprintf(h->server, sizeof(h->server), "%s", server);
    h->port = *port;
    list_append(&p->heard, &h->node);
    return true;
}

const struct public_port *publicity_find(const struct publicity *p, const char *service)
{
    LIST_FOREACH (node, &p->heard)
        if (heard_of(node)->port.why == &error_none && heard_of(node)->port.scheme != PUBLIC_DOMAIN &&
            strcmp(heard_of(node)->port.service, service) == 0)
            return &heard_of(node)->port;
    return NULL;
}

void publicity_forget(struct publicity *p, const char *server)
{
    LIST_FOREACH_SAFE (node, next, &p->heard)
        if (strcmp(heard_of(node)->server, server) == 0)
            heard_free(heard_of(node));
}

const struct public_port *publicity_next(const struct publicity *p, const struct public_port *last)
{
    const struct list *node = last == NULL ? p->heard.next : CONTAINER_OF(last, struct heard, port)->node.next;
    for (; node != &p->heard; node = node->next) {
        const struct public_port *port = &CONTAINER_OF(node, const struct heard, node)->port;
        if (port->scheme == PUBLIC_TCP || port->scheme == PUBLIC_DOMAIN)
            return port;
    }
    return NULL;
}

static bool has_domain(const struct service *s, const char *domain)
{
    struct bytes_reader r;
    struct rule rule;
    bytes_reader_init(&r, s->rules, s->rules_len);
    while (rules_next(&r, &rule))
        if (rule.code == RULE_domain && rule.len == strlen(domain) && strncasecmp((const char *)rule.value, domain, rule.len) == 0)
            return true;
    return false;
}

static bool is_wanted(const struct services *services, const struct public_port *port)
{
    bool wanted = port->scheme != PUBLIC_TCP && port->scheme != PUBLIC_DOMAIN;
    for (size_t i = 0; i < services->count && !wanted; i++) {
        const struct service *s = &services->list[i];
        if (port->scheme == PUBLIC_DOMAIN)
            wanted = has_domain(s, port->host);
        else
            wanted = (s->wants_port || s->published) && strcmp(s->name, port->service) == 0;
    }
    return wanted;
}

void publicity_keep(struct publicity *p, const struct services *services)
{
    LIST_FOREACH_SAFE (node, next, &p->heard)
        if (!is_wanted(services, &heard_of(node)->port))
            heard_free(heard_of(node));
}

/* -- URLs ---------------------------------------------------------------------------------------------------------- */

/* A server without a domain takes any; names below localhost lead to this machine, those below an address nowhere. */
static const char *domain_of(const struct public_port *web, const char *own_host)
{
    if (web->host[0] != '\0')
        return web->host;
    bool own = strncmp(own_host, "127.", 4) == 0 || strcmp(own_host, "::1") == 0;
    return own ? "localhost" : own_host;
}

bool publicity_url(const struct publicity *p, const struct service *s, const char *id, const char *own_host, char out[static PUBLIC_URL_MAX])
{
    const struct public_port *port = publicity_find(p, s->name), *web = publicity_find(p, "");
    char number[16] = "", at[PUBLIC_HOST_MAX + 16];
    if (port != NULL) {
        public_port_text(port, own_host, at, sizeof(at));
        snprintf(out, PUBLIC_URL_MAX, "tcp://%s", at);
        return true;
    }
    bool secure = web != NULL && web->scheme == PUBLIC_HTTPS;
    if (web == NULL || s->kind == SERVICE_TCP || (s->kind == SERVICE_TLS && !secure))
        return false;
    if (web->port != (secure ? 443 : 80))
        snprintf(number, sizeof(number), ":%u", web->port);
    snprintf(out, PUBLIC_URL_MAX, "%s://%s%s%s.%s%s/", secure ? "https" : "http", s->name, secure ? "--" : ".", id, domain_of(web, own_host), number);
    return true;
}

/* -- words --------------------------------------------------------------------------------------------------------- */

void public_port_text(const struct public_port *port, const char *own_host, char *out, size_t size)
{
    const char *host = port->host[0] != '\0' ? port->host : own_host;
    bool v6 = strchr(host, ':') != NULL;
    snprintf(out, size, "%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", port->port);
}

void public_port_refusal(const struct public_port *port, char *out, size_t size)
{
    static const struct {
        const struct error *why;
        const char *deed;
    } deeds[] = {
        {&error_ports_not_given, "The server needs --tcp-ports"},
        {&error_port_outside, "Say \"auto\", or a port of the server's --tcp-ports"},
        {&error_port_not_granted, "This client's line in authorized_clients on the server has to allow the service and the port (services=, ports=)"},
        {&error_port_taken, "Say another port, or \"auto\""},
        {&error_ports_used_up, "The server needs more of them (--tcp-ports)"},
        {&error_limit, "The client has, or has asked for, more ports than one may have"},
    };
    char number[16] = "";
    const char *deed = "";
    for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
        if (deeds[i].why == port->why)
            deed = deeds[i].deed;
    if (port->port != 0)
        snprintf(number, sizeof(number), " %u", port->port);
    snprintf(out, size, "%s does not get the public port%s: %s (%s)%s%s", port->service, number, port->why->text,
             port->why->name, deed[0] != '\0' ? ". " : "", deed);
}

void public_domain_refusal(const struct publicity *p, const struct public_port *domain, const char *key, char *out, size_t size)
{
    const struct public_port *web = publicity_find(p, "");
    const char *base = strncmp(domain->host, "*.", 2) == 0 ? domain->host + 2 : domain->host;
    int len = snprintf(out, size, "the domain %s does not lead here: %s (%s). ", domain->host, domain->why->text, domain->why->name);
    if (len < 0 || (size_t)len >= size)
        return;
    out += len;
    size -= (size_t)len;
    if (domain->why == &error_domain_unproven && web != NULL)
        snprintf(out, size, "Set this record: " PROOF_LABEL "%s. TXT \"%s %s\"", base, web->host, key);
    else if (domain->why == &error_domain_not_given)
        snprintf(out, size, "The server's --domains has to give it to this client");
    else
        snprintf(out, size, "The client has, or has asked for, more domains than one may have");
}
