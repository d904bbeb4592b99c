/* SPDX-License-Identifier: Apache-2.0 */
/* A broker's address taken apart (RFC 3986 3; no user information: secrets do not belong into an address). */
#include "link/url.h"

#include <stdlib.h>
#include <string.h>

static const struct scheme {
    const char *name;
    bool tls, websocket;
    uint16_t port;
} schemes[] = {
    {"mqtt://", false, false, 1883},
    {"mqtts://", true, false, 8883},
    {"ws://", false, true, 80},
    {"wss://", true, true, 443},
};

static const struct scheme *scheme_of(const char *text)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (strncmp(text, schemes[i].name, strlen(schemes[i].name)) == 0)
            return &schemes[i];
    return NULL;
}

static bool is_host(const char *text, size_t len, bool brackets)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    static const char address[] = "0123456789abcdefABCDEF:.";
    return len > 0 && len <= LINK_HOST_MAX && strspn(text, brackets ? address : name) >= len;
}

const char *link_host_parse(const char *text, char host[static LINK_HOST_MAX + 1])
{
    bool brackets = text[0] == '[';
    text += brackets;
    size_t len = strcspn(text, brackets ? "]" : ":/");
    if (!is_host(text, len, brackets) || (brackets && text[len] != ']'))
        return NULL;
    memcpy(host, text, len);
    host[len] = '\0';
    return text + len + brackets;
}

const char *link_port_parse(const char *text, uint16_t *out)
{
    if (text[0] != ':')
        return text;
    size_t digits = strspn(text + 1, "0123456789");
    unsigned long port = strtoul(text + 1, NULL, 10);
    if (digits == 0 || digits > 5 || port == 0 || port > UINT16_MAX)
        return NULL;
    *out = (uint16_t)port;
    return text + 1 + digits;
}

static const char *path_parse(const char *text, struct link_url *out)
{
    size_t len = strlen(text);
    if (!out->websocket)
        return len == 0 || strcmp(text, "/") == 0 ? NULL : "a path is for ws:// and wss:// only";
    if (len == 0)
        text = "/mqtt", len = 5;
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return "the path is not valid";
    if (text[0] != '/' || len > LINK_PATH_MAX)
        return "the path is not valid";
    memcpy(out->path, text, len + 1);
    return NULL;
}

const char *link_url_parse(const char *text, struct link_url *out)
{
    const struct scheme *scheme = scheme_of(text);
    if (scheme == NULL)
        return "it must begin with mqtt://, mqtts://, ws:// or wss://";
    *out = (struct link_url){.tls = scheme->tls, .websocket = scheme->websocket, .port = scheme->port};
    text = link_host_parse(text + strlen(scheme->name), out->host);
    if (text == NULL)
        return "the host is missing or not valid";
    text = link_port_parse(text, &out->port);
    return text == NULL ? "the port is not valid" : path_parse(text, out);
}

const char *link_urls_parse(const char *text, struct link_urls *out)
{
    char one[LINK_HOST_MAX + LINK_PATH_MAX + 32];
    out->count = 0;
    for (;;) {
        size_t len = strcspn(text, ",");
        if (out->count == LINK_URLS_MAX || len >= sizeof(one))
            return out->count == LINK_URLS_MAX ? "there are too many" : "it is too long";
        memcpy(one, text, len);
        one[len] = '\0';
        struct link_url *url = &out->list[out->count++];
        const char *why = link_url_parse(one, url);
        if (why == NULL && strcmp(url->path, "/") == 0)
            strcpy(url->path, "/mqtt");
        if (why != NULL || text[len] == '\0')
            return why;
        text += len + 1;
    }
}
