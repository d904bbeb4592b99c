/* SPDX-License-Identifier: Apache-2.0 */
/* Host -> client and service: the labels in front of the domain. */
#include "server/route.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "wire/frame.h"

static bool host_is_address(struct http_text host)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr address;

    if (host.len > 0 && host.at[0] == '[')
        return true;
    if (host.len >= sizeof(text))
        return false;
    memcpy(text, host.at, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET, text, &address) == 1;
}

/* Cuts the first label off `rest`. */
static struct http_text label_shift(struct http_text *rest)
{
    const char *dot = memchr(rest->at, '.', rest->len);
    struct http_text label = {rest->at, dot == NULL ? rest->len : (size_t)(dot - rest->at)};
    size_t used = dot == NULL ? label.len : label.len + 1;

    rest->at += used;
    rest->len -= used;
    return label;
}

static size_t label_count(struct http_text host)
{
    size_t count = 0;

    for (; host.len > 0; count++)
        label_shift(&host);
    return count;
}

/* "SERVICE--CLIENT" in one label. */
static bool label_split(struct http_text label, struct http_text *service, struct http_text *client)
{
    const char *mark = memmem(label.at, label.len, "--", 2);

    if (mark == NULL)
        return false;
    *service = (struct http_text){label.at, (size_t)(mark - label.at)};
    *client = (struct http_text){mark + 2, label.len - service->len - 2};
    return true;
}

/* Takes the domain and the dot before it off the end; false when `host` is not below it. */
static bool domain_strip(struct http_text *host, const char *domain)
{
    size_t len = strlen(domain);

    if (host->len <= len + 1 || host->at[host->len - len - 1] != '.' ||
        strncasecmp(host->at + host->len - len, domain, len) != 0)
        return false;
    host->len -= len + 1;
    return true;
}

static void route_names(struct route *out, struct http_text service, struct http_text client)
{
    bool known = name_normalise(client.at, client.len, out->client) &&
                 (out->kind != ROUTE_SERVICE || name_normalise(service.at, service.len, out->service));

    if (!known)
        *out = (struct route){.kind = ROUTE_UNKNOWN};
}

void route_host(struct http_text host, const char *domain, struct route *out)
{
    *out = (struct route){.kind = ROUTE_STATUS};
    struct http_text none = {"", 0}, service = none, client = none, rest;

    if (host_is_address(host) || (domain != NULL && http_text_is(host, domain)))
        return;
    bool below = domain == NULL || domain_strip(&host, domain);
    size_t labels = label_count(host);

    rest = host;
    struct http_text first = label_shift(&rest);
    if (below && label_split(first, &service, &client) && (domain == NULL || labels == 1)) {
        out->kind = ROUTE_SERVICE;
    } else if (!below || (domain != NULL && labels > 2)) {
        out->kind = labels == 1 ? ROUTE_STATUS : ROUTE_UNKNOWN;
        return;
    } else if (labels >= (domain == NULL ? 3u : 2u)) {
        out->kind = ROUTE_SERVICE;
        service = first;
        client = label_shift(&rest);
    } else if (labels == 2 || domain != NULL) {
        out->kind = ROUTE_CLIENT;
        client = first;
    } else {
        return;
    }
    route_names(out, service, client);
}
