/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/listen_url.h"

#include <stdlib.h>
#include <string.h>

static const struct scheme {
    const char *name;
    bool tls, websocket, http;
    uint16_t port;
} schemes[] = {
    {"mqtt", false, false, false, 1883},
    {"mqtts", true, false, false, 8883},
    {"ws", false, true, false, 80},
    {"wss", true, true, false, 443},
    {"http", false, false, true, 80},
    {"https", true, false, true, 443},
};

static const struct scheme *scheme_of(const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (strlen(schemes[i].name) == len && memcmp(text, schemes[i].name, len) == 0)
            return &schemes[i];
    return NULL;
}

bool listen_path_valid(const char *path)
{
    for (size_t i = 0; path[i] != '\0'; i++)
        if (path[i] <= ' ' || path[i] > '~' || strchr("?#", path[i]) != NULL)
            return false;
    return path[0] == '/' && strlen(path) <= LISTEN_PATH_MAX;
}

/* What is behind the address; NULL: it is none. */
static const char *address_take(const char *at, struct listen_url *out)
{
    bool brackets = at[0] == '[';
    at += brackets;
    size_t len = strcspn(at, brackets ? "]" : ":/");
    if (len > LISTEN_ADDRESS_MAX || (brackets && at[len] != ']'))
        return NULL;
    if (!(len == 1 && at[0] == '*')) {
        memcpy(out->address, at, len);
        out->address[len] = '\0';
    }
    return at + len + brackets;
}

static const char *port_take(const char *at, struct listen_url *out)
{
    if (at[0] != ':')
        return at;
    size_t digits = strspn(at + 1, "0123456789");
    unsigned long port = strtoul(at + 1, NULL, 10);
    if (digits == 0 || digits > 5 || port > UINT16_MAX)
        return NULL;
    out->port = (uint16_t)port;
    return at + 1 + digits;
}

static const char *path_take(const char *at, struct listen_url *out)
{
    if (!out->websocket && !out->http)
        return at[0] == '\0' || strcmp(at, "/") == 0 ? NULL : "a path is for ws://, wss://, http:// and https:// only";
    if (at[0] == '\0')
        at = out->http ? "/" : "/mqtt";
    if (!listen_path_valid(at))
        return "the path is not valid";
    strcpy(out->path, at);
    return NULL;
}

const char *listen_url_parse(const char *text, unsigned len, struct listen_url *out)
{
    char copy[sizeof("mqtts://[]:65535") + LISTEN_ADDRESS_MAX + LISTEN_PATH_MAX];
    if (len >= sizeof(copy) || memchr(text, '\0', len) != NULL)
        return "it is too long";
    memcpy(copy, text, len);
    copy[len] = '\0';
    const char *colon = strstr(copy, "://"), *at;
    const struct scheme *scheme = colon == NULL ? NULL : scheme_of(copy, (size_t)(colon - copy));
    if (scheme == NULL)
        return "it must begin with mqtt://, mqtts://, ws://, wss://, http:// or https://";
    *out = (struct listen_url){
        .scheme = scheme->name, .tls = scheme->tls, .websocket = scheme->websocket, .http = scheme->http, .port = scheme->port};
    if ((at = address_take(colon + 3, out)) == NULL)
        return "the address is not valid";
    if ((at = port_take(at, out)) == NULL)
        return "the port is not valid";
    return path_take(at, out);
}
