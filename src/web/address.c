/* SPDX-License-Identifier: Apache-2.0 */
/* Text to a socket's address. */
#include "web/address.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool port_parse(const char *text, in_port_t *out)
{
    size_t len = strlen(text);

    if (len == 0 || len > 5 || strspn(text, "0123456789") != len || atoi(text) > 65535)
        return false;
    *out = htons((uint16_t)atoi(text));
    return true;
}

/* The address alone, of `len` bytes; brackets are for IPv6. */
static bool host_parse(const char *text, size_t len, struct web_address *out)
{
    char host[INET6_ADDRSTRLEN + 1];
    bool v6 = len > 2 && text[0] == '[' && text[len - 1] == ']';

    if (v6)
        text++, len -= 2;
    if (len == 0 || len >= sizeof(host))
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    if (v6) {
        out->at.v6.sin6_family = AF_INET6;
        out->len = sizeof(out->at.v6);
        return inet_pton(AF_INET6, host, &out->at.v6.sin6_addr) == 1;
    }
    out->at.v4.sin_family = AF_INET;
    out->len = sizeof(out->at.v4);
    return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &out->at.v4.sin_addr) == 1;
}

const char *web_address_parse(const char *text, struct web_address *out)
{
    struct web_address a;
    const char *colon = strrchr(text, ':');
    in_port_t port;

    memset(&a, 0, sizeof(a));
    if (!port_parse(colon == NULL ? text : colon + 1, &port))
        return "has no port from 0 to 65535";
    if (!(colon == NULL ? host_parse("127.0.0.1", 9, &a) : host_parse(text, (size_t)(colon - text), &a)))
        return "has no address in front of its port (127.0.0.1, [::1])";
    if (a.at.any.sa_family == AF_INET6)
        a.at.v6.sin6_port = port;
    else
        a.at.v4.sin_port = port;
    *out = a;
    return NULL;
}

const char *web_addresses_parse(const char *list, struct web_address out[static WEB_ADDRESSES_MAX], unsigned *count, char bad[static 128])
{
    *count = 0;
    for (const char *at = list; at != NULL; at = *at == ',' ? at + 1 : NULL) {
        size_t len = strcspn(at, ",");
        const char *why = len < 128 ? NULL : "is too long";
        snprintf(bad, 128, "%.*s", (int)len, at);
        if (why == NULL && *count == WEB_ADDRESSES_MAX)
            why = "is one address too many";
        if (why == NULL)
            why = web_address_parse(bad, &out[(*count)++]);
        if (why != NULL)
            return why;
        at += len;
    }
    return NULL;
}
